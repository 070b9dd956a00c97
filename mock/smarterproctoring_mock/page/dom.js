// Elements out of data. Text is only ever set as text: there is no way in this file to set HTML.

export const $ = (id) => document.getElementById(id);

/** Make an element; `properties` are attributes, `on…` listeners or `data` values. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Show or hide. */
export const show = (element, visible) => {
  if (element.hidden === visible) element.hidden = !visible;
};

/** Set text only if it differs, so that nothing is announced or selected again. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** Shorten a long identifier; its two ends tell it apart. */
export const short = (text) => (text.length > 16 ? `${text.slice(0, 6)}…${text.slice(-4)}` : text);

/** The end of a path, its long identifiers shortened. */
export function shortPath(path) {
  const parts = path.split("?")[0].split("/").map(short);
  return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : parts.join("/");
}

/** A piece of code that can be scrolled from the keyboard. */
export const code = (text, label) => h("pre", { tabindex: 0, "aria-label": label, role: "region" }, text);
