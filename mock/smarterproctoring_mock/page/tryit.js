// A form for each operation of the spec. It sends what is typed, so that mistakes can be tried, too.

import { $, code, h, say } from "./dom.js";
import { content, operations, pretty, sample } from "./spec.js";

let document_ = {};
let known = [];
let done = () => {};
let sending = false; // the button stays enabled: a disabled one would lose the focus

const operation = () => known[$("try-operation").selectedIndex];
const inputs = () => [...$("try-parameters").querySelectorAll("input")];

function examples() {
  const body = content(document_, operation().body);
  return body === undefined ? [] : [...body.examples, { name: "", summary: "Empty object", value: {} }];
}

function fill() {
  const { parameters, body, security } = operation();
  $("try-parameters").replaceChildren(...parameters.map(({ node }) =>
    h("label", {}, node.name, node.in === "path" ? "" : ` (${node.in})`, " ",
      h("input", {
        name: node.name, "data-in": node.in, value: node.in === "path" ? sample({ node }) : "",
        class: "mono", autocomplete: "off", spellcheck: "false", required: node.in === "path",
      }))));
  $("try-secret-label").hidden = $("try-secret").disabled = security.length === 0;
  $("try-body-part").hidden = body === undefined;
  $("try-example").replaceChildren(...examples().map(({ summary }) => h("option", {}, summary)));
  fillBody();
}

function fillBody() {
  $("try-body").value = pretty(examples()[$("try-example").selectedIndex]?.value ?? "");
}

/** Put the request together: the URL, and what `fetch` wants. */
function request() {
  const { method, template, security } = operation();
  const headers = {};
  const query = new URLSearchParams();
  let path = template;
  for (const { name, value, dataset } of inputs()) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.in === "query") query.append(name, value);
    else if (value && dataset.in === "header") headers[name] = value;
  }
  for (const { node } of security.slice(0, 1)) {
    const secret = $("try-secret").value;
    if (node.type !== "apiKey") headers.Authorization = `${node.scheme === "basic" ? "Basic" : "Bearer"} ${secret}`;
    else if (node.in === "query") query.append(node.name, secret);
    else headers[node.name] = secret;
  }
  const body = content(document_, operation().body);
  if (body !== undefined) headers["Content-Type"] = body.type;
  const options = { method, headers, redirect: "manual", cache: "no-store" };
  if (body !== undefined && $("try-body").value) options.body = $("try-body").value;
  return [path + (query.size ? `?${query}` : ""), options];
}

async function send(event) {
  event.preventDefault();
  if (sending) return;
  sending = true;
  const started = performance.now();
  const took = () => `${Math.round(performance.now() - started)} ms`;
  try {
    const answer = await fetch(...request());
    // A redirect is not followed; the browser shows nothing of it.
    const status = answer.type === "opaqueredirect" ? "a redirect, not followed" : `${answer.status} ${answer.statusText}`;
    const text = await answer.text();
    const kind = answer.ok ? "ok" : "refused";
    let shown = text;
    try {
      shown = pretty(JSON.parse(text));
    } catch {
      // shown as it came
    }
    $("try-answer").replaceChildren(
      h("p", {}, h("span", { class: `badge ${kind}` }, status), " ", h("span", { class: "muted" }, took())),
      text ? code(shown, "Answer") : h("p", { class: "muted" }, "No body."));
  } catch (error) {
    $("try-answer").replaceChildren(
      h("p", {}, h("span", { class: "badge fault" }, "no whole answer"), " ", h("span", { class: "muted" }, took())),
      h("p", {}, `The connection ended early (${error.message}). Whether the change was stored, the timeline shows.`));
  } finally {
    sending = false;
    done();
  }
}

/** The operations, those that change something first. */
const changesFirst = (document) =>
  [...operations(document)].sort((a, b) => Number(Boolean(b.body)) - Number(Boolean(a.body)));

/** Fill the form for one session. */
export function move(sids) {
  const names = Object.keys(sids);
  const fits = known.findIndex(({ parameters, body }) =>
    body && names.every((name) => parameters.some(({ node }) => node.in === "path" && node.name === name)));
  if (fits >= 0 && fits !== $("try-operation").selectedIndex) {
    $("try-operation").selectedIndex = fits;
    fill();
  }
  for (const input of inputs()) if (input.name in sids) input.value = sids[input.name];
  $("try").scrollIntoView();
  ($("try-secret").value || $("try-secret").disabled ? $("try-body") : $("try-secret")).focus();
}

/** A first request as a curl command, out of the spec's examples. */
export function curl(document) {
  const [first] = changesFirst(document);
  if (first === undefined) return `curl ${location.origin}/`;
  const path = first.parameters.filter(({ node }) => node.in === "path")
    .reduce((text, parameter) => text.replace(`{${parameter.node.name}}`, encodeURIComponent(sample(parameter))), first.template);
  const body = content(document, first.body);
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    `curl -X ${first.method} ${quoted(location.origin + path)}`,
    ...first.security.slice(0, 1).map(({ node }) => `-H ${quoted(node.type === "apiKey" ? `${node.name}: T` : "Authorization: Bearer T")}`),
    body && `-H ${quoted(`Content-Type: ${body.type}`)}`,
    body && `-d ${quoted(JSON.stringify(body.examples[0]?.value ?? {}))}`,
  ].filter(Boolean).join(" \\\n  ");
}

export function setUp(document, sent) {
  [document_, known, done] = [document, changesFirst(document), sent];
  if (known.length === 0) {
    $("try-form").hidden = true;
    say($("try-answer"), "The spec describes no operation.");
    return;
  }
  $("try-operation").replaceChildren(...known.map(({ method, id }) => h("option", {}, `${method} ${id}`)));
  fill();
  $("try-operation").addEventListener("change", fill);
  $("try-example").addEventListener("change", fillBody);
  $("try-form").addEventListener("submit", (event) => void send(event));
}
