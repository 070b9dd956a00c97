// What came in, the newest first, each with the reason of its answer.

import { $, code, h, say, short, shortPath, show } from "./dom.js";
import { place } from "./reference.js";
import { readAs } from "./timeline.js";

export const KEPT = 300;

const items = []; // {request, kind, element}, the newest first
let total = 0;

const SAYS = { ok: "accepted", refused: "refused", fault: "fault" };

function kindOf({ reason }) {
  if (reason === "accepted") return "ok";
  return reason.startsWith("fault: ") ? "fault" : "refused";
}

const isRead = ({ method, operation }) => method === "GET" && operation !== "";

/** What a read showed, in words; nothing where the answer shows no session. */
function sight(request) {
  if (!isRead(request) || !request.answer?.body) return undefined;
  try {
    const value = JSON.parse(request.answer.body);
    const when = value !== null && typeof value === "object" ? readAs(value) : undefined;
    return when && `shows ${when}`;
  } catch {
    return undefined;
  }
}

/** The status in as many words as a badge holds. */
const badge = ({ status }, kind) =>
  h("span", { class: `badge ${kind}` }, status === 0 ? "no answer" : String(status));

/** Split a refusal into its problems; each ends in its place in the spec. */
const problems = (reason) => reason.split(/(?<=\)); /);

function problem(text) {
  const [, words, pointer] = /^([^]*) \((#[^()]*)\)$/.exec(text) ?? [];
  const id = pointer && place(pointer);
  return h("li", {}, words ?? text, id && " ", id && h("a", { href: `#${id}` }, "see the spec"));
}

/** The body of a request or an answer. */
function body(message, label) {
  if (message.body_base64 !== undefined) return code(message.body_base64, `${label}, base64`);
  if (!message.body) return h("p", { class: "muted" }, "No body.");
  let text = message.body;
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // shown as it came
  }
  return code(text.length > 20_000 ? `${text.slice(0, 20_000)}\n… ${text.length} characters` : text, label);
}

const lines = (headers) => headers.map(([name, value]) => `${name}: ${value}`);

/** What was answered; a fault that cut the answer short is named by the reason. */
function answer({ answer: given, reason }) {
  if (given === null) return [h("p", { class: "muted" }, `None: the connection ended without one (${reason}).`)];
  return [
    code([`Status ${given.status}`, ...lines(given.headers)].join("\n"), "Status and header fields of the answer"),
    body(given, "Body of the answer"),
  ];
}

/** The inside of a request, made when it is opened. */
function inside(request, kind) {
  return [
    kind === "refused" && h("h3", {}, "Why it was refused"),
    kind === "refused" && h("ul", { class: "problems" }, problems(request.reason).map(problem)),
    h("h3", {}, "Request"),
    code(
      [`${request.method} ${request.path}`, ...lines(request.headers)].join("\n"),
      "Request line and header fields",
    ),
    body(request, "Body"),
    h("h3", {}, "Answer"),
    ...answer(request),
  ].filter(Boolean);
}

function item(request) {
  const kind = kindOf(request);
  const sid = Object.values(request.params).at(-1);
  const what = request.operation ? [`${request.operation} `, h("span", { class: "whole mono" }, short(sid ?? ""))] : [shortPath(request.path)];
  const seen = sight(request);
  const plain = seen && (kind === "ok" ? seen : `${request.reason} · ${seen}`);
  const first = kind === "refused" ? problems(request.reason) : [plain ?? request.reason];
  const reason = first[0].replace(/ \(#[^()]*\)$/, "") + (first.length > 1 ? ` (and ${first.length - 1} more)` : "");
  const element = h("li", { value: request.number },
    h("details", {
      ontoggle: ({ target }) => {
        if (target.open && target.children.length === 1) target.append(h("div", { class: "inside" }, inside(request, kind)));
      },
    }, h("summary", { class: "request" },
      h("span", { class: "number" }, `${request.number}`),
      h("time", { class: "muted", datetime: request.time, title: request.time }, request.time.slice(11, 19)),
      badge(request, kind),
      h("span", { class: "what" }, h("b", {}, request.method), " ", ...what),
      h("span", { class: `reason ${kind}` }, reason))));
  return { request, kind, element };
}

function matches({ request, kind }) {
  const [outcome, session] = [$("filter-outcome").value, $("filter-session").value.trim()];
  const sort = isRead(request) ? "read" : "change";
  return (!outcome || kind === outcome || sort === outcome) && (!session || Object.values(request.params).some((sid) => sid.includes(session)));
}

/** Apply the filters to what is shown. */
export function filter() {
  let any = false;
  for (const one of items) {
    const visible = matches(one);
    any ||= visible;
    show(one.element, visible);
  }
  show($("requests-none"), items.length > 0 && !any);
  show($("requests-empty"), items.length === 0);
}

/** Show only what came for one session. */
export function filterSession(sid) {
  $("filter-outcome").value = "";
  $("filter-session").value = sid;
  filter();
  $("requests").scrollIntoView();
  $("filter-session").focus();
}

/** Add requests, the oldest first. */
export function add(requests, count, { restart = false, announce = true } = {}) {
  if (restart) {
    items.length = 0;
    $("request-list").replaceChildren();
  }
  const fresh = requests.map(item).reverse();
  items.unshift(...fresh);
  $("request-list").prepend(...fresh.map(({ element }) => element));
  for (const { element } of items.splice(KEPT)) element.remove();
  total = count;
  say($("requests-count"), total > items.length ? `${items.length} newest of ${total}` : String(total));
  filter();
  if (announce && fresh.length) {
    const { request, kind } = fresh[0];
    const many = fresh.length > 1 ? `${fresh.length} new requests, the last: ` : "";
    const why = kind === "ok" ? "" : `: ${problems(request.reason)[0].replace(/ \(#[^()]*\)$/, "").replace("fault: ", "")}`;
    say($("news"), `${many}request ${request.number}, ${request.status || "no answer"}, ${SAYS[kind]}${why}`);
  }
}

/** How often a session was read, as far as the requests are shown. */
export const reads = (sid) =>
  items.filter(({ request }) => isRead(request) && Object.values(request.params).includes(sid)).length;

/** The newest request shown, if there is one. */
export const newest = () => items[0]?.request;

export function setUp(curl) {
  for (const element of document.querySelectorAll(".origin")) say(element, location.origin);
  say($("first-curl"), curl);
  $("copy-curl").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(curl);
      say($("copy-curl"), "Copied");
    } catch {
      getSelection().selectAllChildren($("first-curl"));
      say($("copy-curl"), "Selected: press Ctrl+C");
    }
  });
  $("filter-outcome").addEventListener("change", filter);
  $("filter-session").addEventListener("input", filter);
  $("filter-clear").addEventListener("click", () => {
    $("filter-outcome").value = $("filter-session").value = "";
    filter();
    $("filter-outcome").focus();
  });
}
