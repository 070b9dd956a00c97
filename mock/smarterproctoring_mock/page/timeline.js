// Sessions and their schedule: where each stands now, and where it stood before.
//
// The axis is made of the days on which something happens, and of the hours between the earliest and the latest of
// any day: weeks without a session take no room, and two hours stay visible beside a month.

import { $, h, say, short, show } from "./dom.js";
import { content, operations, properties } from "./spec.js";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const MOST_DAYS = 31;
const MOST_LABELS = 8;
export const MOST_SESSIONS = 200;

const dayName = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const year = new Intl.DateTimeFormat("en-GB", { year: "numeric", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

const rows = new Map();
let times = []; // the fields that are times: {name, end?}
let shown = []; // the same as a read shows them
let actions = {};

/**
 * Learn from the spec which fields are times; `x-before` tells which two are the ends of one span, `x-reads-back-as`
 * what a read calls them.
 */
export function setUp(document, handlers) {
  actions = handlers;
  const fields = new Map();
  const names = new Map();
  for (const operation of operations(document)) {
    const schema = content(document, operation.body)?.schema;
    for (const [name, { node }] of schema ? properties(document, schema) : []) {
      if (node.format !== "date-time") continue;
      fields.set(name, node["x-before"]);
      names.set(name, node["x-reads-back-as"]);
    }
  }
  const ends = new Set(fields.values());
  times = [...fields].filter(([name]) => !ends.has(name)).map(([name, end]) => ({ name, end }));
  // Two fields may be read under one name; the one that is the start of a span says more.
  const read = new Map();
  for (const { name, end } of times) {
    if (names.get(name) !== undefined) read.set(names.get(name), read.get(names.get(name)) ?? names.get(end));
  }
  shown = [...read].map(([name, end]) => ({ name, end }));
}

/** The schedule that a session's fields, or a read of it, state: spans and points in milliseconds. */
function schedule(fields, named = times) {
  const found = [];
  for (const { name, end } of named) {
    const from = Date.parse(fields[name]);
    const to = end === undefined ? NaN : Date.parse(fields[end]);
    if (!Number.isNaN(from) && to > from) found.push({ from, to });
    else for (const moment of [from, to]) if (!Number.isNaN(moment)) found.push({ from: moment, to: moment });
  }
  return found;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Every schedule a session has had, the present one last, without repetitions. */
function trail(session) {
  const found = [];
  for (const fields of [...(session.history ?? []), session.fields]) {
    const next = schedule(fields);
    if (next.length && !same(next, found.at(-1))) found.push(next);
  }
  return found;
}

function words(spans) {
  return spans
    .map(({ from, to }) => {
      const start = `${dayName.format(from)} ${year.format(from)} ${clock.format(from)}`;
      if (to === from) return start;
      const other = Math.floor(from / DAY) === Math.floor(to / DAY) ? "" : `${dayName.format(to)} `;
      return `${start}–${other}${clock.format(to)}`;
    })
    .join(", ");
}

/** The schedule that an answer shows, in words; undefined where it shows none. */
export function readAs(answer) {
  const found = schedule(answer, shown);
  return found.length ? words(found) : undefined;
}

/** The axis over some spans: its days, its hours, and a function from a moment to a place within 0 and 1. */
function axis(spans) {
  const touched = new Set();
  let [first, last] = [24, 0];
  for (const { from, to } of spans) {
    const [begin, finish] = [Math.floor(from / DAY), Math.floor(to / DAY)];
    if (finish - begin < MOST_DAYS) for (let day = begin; day <= finish; day++) touched.add(day);
    first = finish > begin ? 0 : Math.min(first, Math.floor((from % DAY) / HOUR));
    last = finish > begin ? 24 : Math.max(last, Math.ceil(((to % DAY) + 1) / HOUR));
  }
  const days = [...touched].sort((a, b) => a - b).slice(-MOST_DAYS);
  const [start, end] = [Math.max(0, first - 1), Math.min(24, last + 1)];
  const place = (moment) => {
    const day = Math.floor(moment / DAY);
    const index = days.indexOf(day);
    if (index < 0) return moment < days[0] * DAY ? 0 : undefined;
    const hour = (moment - day * DAY) / HOUR;
    return (index + Math.min(1, Math.max(0, (hour - start) / (end - start)))) / days.length;
  };
  return { days, place, hours: [start, end] };
}

function mark(scale, { from, to }, kind) {
  const [left, right] = [scale.place(from), scale.place(to)];
  if (left === undefined || right === undefined || to < scale.days[0] * DAY) return undefined;
  const bar = h("span", { class: `mark ${to === from ? "point" : "span"} ${kind}` });
  bar.style.left = `${left * 100}%`;
  if (to > from) bar.style.width = `${(right - left) * 100}%`;
  return bar;
}

function arrow(scale, [before], [after]) {
  const [one, other] = [before, after].map(({ from, to }) => {
    const [left, right] = [scale.place(from), scale.place(to)];
    return left === undefined || right === undefined ? undefined : (left + right) / 2;
  });
  if (one === undefined || other === undefined || Math.abs(one - other) < 0.02) return undefined;
  const line = h("span", { class: `arrow ${other > one ? "later" : "earlier"}` });
  line.style.left = `${Math.min(one, other) * 100}%`;
  line.style.width = `${Math.abs(other - one) * 100}%`;
  return line;
}

class Row {
  constructor(session) {
    this.sids = Object.entries(session).filter(([name]) => !["fields", "history"].includes(name));
    this.sid = this.sids.at(-1)?.[1] ?? "";
    const title = this.sids.map(([name, value]) => `${name} ${value}`).join("\n");
    this.about = h("span", { class: "muted" });
    this.track = h("div", { class: "track", "aria-hidden": "true" });
    this.when = h("p", { class: "when" });
    this.element = h("li", { class: "session" },
      h("div", { class: "who" },
        h("button", {
          type: "button", class: "link mono", title, "aria-label": `Requests of session ${this.sid}`,
          onclick: () => actions.filter(this.sid),
        }, short(this.sid)),
        this.about),
      this.track,
      this.when,
      h("button", {
        type: "button", class: "small act", "aria-label": `Move session ${this.sid}`,
        onclick: () => actions.move(Object.fromEntries(this.sids)),
      }, "Move…"));
  }

  update(session, past, scale, reads) {
    const state = JSON.stringify([session, scale.days, scale.hours, reads]);
    if (state === this.state) return;
    const changed = this.state !== undefined && JSON.stringify(session) !== this.session;
    [this.state, this.session] = [state, JSON.stringify(session)];
    const now = past.at(-1);
    const moves = past.length - 1;
    const kind = typeof session.fields.type === "string" ? session.fields.type : "";
    const often = (word, count) => (count > 0 ? `${word}${count > 1 ? ` ${count}×` : ""}` : "");
    say(this.about, [kind, often("moved", moves), often("read", reads)].filter(Boolean).join(" · "));
    const days = scale.days.map((day, index) => h("span", { class: index && day - scale.days[index - 1] > 1 ? "day gap" : "day" }));
    const arrows = past.slice(0, -1).map((spans, index) => arrow(scale, spans, past[index + 1]));
    const before = past.slice(0, -1).flat().map((span) => mark(scale, span, "was"));
    const marks = (now ?? []).map((span) => mark(scale, span, "now"));
    this.track.replaceChildren(...[...days, ...arrows, ...before, ...marks].filter(Boolean));
    this.when.replaceChildren(...(now === undefined
      ? ["no time known yet"]
      : [moves > 0 && h("span", { class: "was" }, h("span", { class: "unseen" }, "before: "), words(past.at(-2)), " → "),
         h("strong", {}, words(now))].filter(Boolean)));
    if (changed) {
      this.element.classList.remove("fresh");
      requestAnimationFrame(() => this.element.classList.add("fresh"));
    }
  }
}

/**
 * Draw the sessions, the earliest first; `reads` tells how often one was read. What has not changed keeps its elements,
 * and with them the focus.
 */
export function draw(sessions, reads) {
  const more = sessions.length > MOST_SESSIONS;
  const shown = sessions.slice(-MOST_SESSIONS).map((session) => ({ session, past: trail(session) }));
  shown.sort((a, b) => (a.past.at(-1)?.[0].from ?? Infinity) - (b.past.at(-1)?.[0].from ?? Infinity));
  show($("timeline-empty"), sessions.length === 0);
  show($("timeline-chart"), sessions.length > 0);
  show($("timeline-more"), more);
  if (more) say($("timeline-more"), `The newest ${MOST_SESSIONS} sessions are shown; all are at /_mock/sessions.`);

  const scale = axis(shown.flatMap(({ past }) => past.flat()));
  $("timeline-chart").style.setProperty("--days", String(scale.days.length));
  const every = Math.ceil(scale.days.length / MOST_LABELS);
  $("days").replaceChildren(...scale.days.map((day, index) => {
    const [weekday, date] = dayName.format(day * DAY).split(/,? (.*)/);
    const label = [date, h("small", {}, h("span", { class: "weekday" }, `${weekday} `), year.format(day * DAY))];
    const gap = index > 0 && day - scale.days[index - 1] > 1;
    const second = (index / every) % 2 === 1; // left out where there is little room
    return h("span", { class: `day${gap ? " gap" : ""}${second ? " second" : ""}` }, index % every === 0 && label);
  }));

  const list = $("sessions");
  const keys = new Set();
  shown.forEach(({ session, past }, index) => {
    const key = JSON.stringify(Object.entries(session).filter(([name]) => !["fields", "history"].includes(name)));
    keys.add(key);
    const row = rows.get(key) ?? new Row(session);
    rows.set(key, row);
    row.update(session, past, scale, reads(row.sid));
    if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
  });
  for (const [key, row] of rows) {
    if (!keys.has(key)) {
      row.element.remove();
      rows.delete(key);
    }
  }
  const sids = [...rows.values()].map((row) => row.sid);
  if (!same(sids, [...$("sids").children].map((option) => option.value))) {
    $("sids").replaceChildren(...sids.map((sid) => h("option", { value: sid })));
  }
}
