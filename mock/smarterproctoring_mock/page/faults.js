// Switches for faults: what is in force, and what can be put in force.

import { change } from "./api.js";
import { $, h, say, short, show } from "./dom.js";

const CUSTOM = "";
const DROPS = {
  "before-read": "cuts the connection before the body is read",
  "before-store": "cuts the connection; the change is not stored",
  "after-store": "stores the change, then cuts the connection",
};
const STATES = {
  former: "shows the session as it was before its last change",
  invented: "shows times that the session never had",
};

let catalogue = { faults: {}, scenarios: {} };
let shown = "";

/** A rule in words. */
function describe(rule) {
  const { status, code, retry_after, retry_after_date, delay, drip, truncate, drop, reset, store, text, json, dates } = rule;
  const body = json !== undefined ? JSON.stringify(json) : text;
  return [
    status !== undefined && `answers ${status}${code === undefined ? "" : ` with code ${code}`}`,
    body !== undefined && (body === "" ? "an empty body" : `the body ${body.length > 48 ? `${body.slice(0, 48)}…` : body}`),
    retry_after !== undefined && `Retry-After ${retry_after} s`,
    retry_after_date !== undefined && `Retry-After as a date, ${retry_after_date} s ahead`,
    delay && `${delay} s late`,
    drip && `the body in pieces, ${drip} s apart`,
    truncate !== undefined && `cuts the connection after ${truncate} octets of the body`,
    drop && DROPS[drop] + (reset ? " (RST)" : ""),
    rule.show !== undefined && STATES[rule.show],
    dates !== undefined && `dates in the form ${dates}`,
    store === true && "the change is stored",
  ].filter(Boolean).join(" · ") || "answers as the spec says";
}

/** Whom a rule strikes, and how often. */
function reach({ times, session, operation, method, within, probability }) {
  return [
    times === null || times === undefined ? "until cleared" : times === 1 ? "once" : `${times} times`,
    probability !== undefined && `${+(probability * 100).toFixed(2)} % of the requests`,
    session !== undefined && `only ${short(session)}`,
    operation !== undefined && `only ${operation}`,
    method !== undefined && `only ${method}`,
    within !== undefined && `within ${within} s of a change`,
  ].filter(Boolean).join(" · ");
}

function group({ status, drop, truncate, delay, drip, method }) {
  if (method === "GET") return "Reads";
  if (drop || truncate !== undefined) return "Lost connections";
  if (delay || drip) return "Slow answers";
  if (status >= 500) return "Server errors";
  return status >= 400 ? "Refusals" : "Odd answers";
}

/** Draw the rules in force. */
export function draw({ faults }) {
  const state = JSON.stringify(faults);
  if (state === shown) return;
  shown = state;
  say($("faults-count"), String(faults.length));
  show($("faults-empty"), faults.length === 0);
  $("fault-list").replaceChildren(...faults.map((rule) =>
    h("li", {},
      h("b", {}, rule.name || "a rule of its own"), " ",
      h("span", { class: "badge fault" }, reach(rule)),
      h("p", { class: "about" }, describe(rule)))));
}

const number = (id) => ($(id).value === "" ? undefined : Number($(id).value));

/** The rule that the form states; what is left empty is left to the fault. */
function rule() {
  const name = $("fault-name").value;
  const share = number("fault-share");
  const given = {
    fault: name === CUSTOM ? undefined : name,
    status: number("fault-status"),
    delay: number("fault-delay"),
    times: $("fault-forever").checked ? null : number("fault-times"),
    probability: share === undefined ? undefined : share / 100,
    session: $("fault-session").value.trim() || undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function act(call, said) {
  try {
    draw(await call());
    say($("fault-said"), said);
    $("fault-said").classList.remove("bad");
  } catch (error) {
    say($("fault-said"), `Not done: ${error.message}`);
    $("fault-said").classList.add("bad");
  }
}

export function setUp(known) {
  catalogue = known;
  const groups = new Map();
  for (const [name, fault] of Object.entries(known.faults)) {
    const label = group(fault);
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label).push(h("option", { value: name }, name));
  }
  $("fault-name").replaceChildren(
    ...[...groups].map(([label, options]) => h("optgroup", { label }, options)),
    h("option", { value: CUSTOM }, "a status or a latency only"),
  );
  $("scenario-name").replaceChildren(...Object.keys(known.scenarios).map((name) => h("option", { value: name }, name)));

  const about = () => {
    say($("fault-about"), $("fault-name").value === CUSTOM ? "State a status, a latency or both." : describe(catalogue.faults[$("fault-name").value]));
    say($("scenario-about"), catalogue.scenarios[$("scenario-name").value]?.description ?? "");
  };
  about();
  $("fault-name").addEventListener("change", about);
  $("scenario-name").addEventListener("change", about);
  $("fault-forever").addEventListener("change", () => ($("fault-times").disabled = $("fault-forever").checked));
  $("fault-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = rule();
    void act(() => change("POST", "faults", [given]), `Switched on: ${given.fault ?? describe(given)}.`);
  });
  $("scenario-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const scenario = $("scenario-name").value;
    void act(() => change("POST", "faults", { scenario }), `Loaded: ${scenario}.`);
  });
  $("faults-clear").addEventListener("click", () => {
    void act(() => change("DELETE", "faults"), "All faults are cleared.");
  });
}
