// Starts the page and keeps it up to date: a small question every half second, none while nobody looks.

import { change, get } from "./api.js";
import { $, h, say, show } from "./dom.js";
import * as faults from "./faults.js";
import * as reference from "./reference.js";
import * as requests from "./requests.js";
import * as timeline from "./timeline.js";
import * as tryit from "./tryit.js";

const INTERVAL = 500; // milliseconds
const SESSIONS_EVERY = 10; // rounds; sessions can be seeded without a request

let live = true;
let round = 0;
let timer;
let asking;

/** Ask for the requests since the newest one shown; that one comes along, to tell a reset from a lull. */
async function askRequests() {
  const last = requests.newest();
  let { total, requests: found } = await get(`requests?since=${last ? last.number - 1 : 0}&limit=${requests.KEPT}`);
  if (last !== undefined && found[0]?.number === last.number && found[0].time === last.time) {
    if (found.length > 1) requests.add(found.slice(1), total);
    return found.length > 1;
  }
  // Reset meanwhile, or more has come than is kept: start afresh.
  if (last !== undefined) ({ total, requests: found } = await get(`requests?limit=${requests.KEPT}`));
  requests.add(found, total, { restart: true, announce: round > 0 });
  return last !== undefined || found.length > 0;
}

async function ask() {
  try {
    const changed = await askRequests();
    if (changed || round % SESSIONS_EVERY === 0) {
      timeline.draw((await get(`sessions?limit=${timeline.MOST_SESSIONS + 1}`)).sessions, requests.reads);
    }
    faults.draw(await get("faults"));
    round += 1;
    show($("trouble"), false);
  } catch (error) {
    say($("trouble"), `The server does not answer (${error.message}). Trying again.`);
    show($("trouble"), true);
    round = 0;
  }
}

/** Ask now, then again and again; never twice at once. */
async function refresh() {
  clearTimeout(timer);
  await (asking ??= ask().finally(() => (asking = undefined)));
  clearTimeout(timer);
  if (live && !document.hidden) timer = setTimeout(refresh, INTERVAL);
}

async function pause() {
  live = !live;
  clearTimeout(timer);
  await asking; // what it still brings is shown before the button says that nothing comes any more
  $("live").setAttribute("aria-pressed", String(live));
  say($("live"), live ? "Live" : "Paused");
  if (live) void refresh();
}

async function reset() {
  $("reset-dialog").close();
  try {
    await change("POST", "reset");
    round = 0;
    await refresh();
    say($("news"), "The server was reset.");
  } catch (error) {
    say($("trouble"), `Not reset: ${error.message}`);
    show($("trouble"), true);
  }
}

async function start() {
  const [spec, catalogue] = await Promise.all([get("spec"), get("faults/catalogue")]);
  document.title = `${spec.info.title} mock server`;
  say($("title"), spec.info.title);
  $("subtitle").replaceChildren(spec.info.version, h("span", {}, " · mock server"));
  reference.setUp(spec);
  faults.setUp(catalogue);
  timeline.setUp(spec, { filter: requests.filterSession, move: tryit.move });
  tryit.setUp(spec, () => void refresh());
  requests.setUp(tryit.curl(spec));
  $("live").addEventListener("click", () => void pause());
  $("reset").addEventListener("click", () => $("reset-dialog").showModal());
  $("reset-no").addEventListener("click", () => $("reset-dialog").close());
  $("reset-yes").addEventListener("click", () => void reset());
  document.addEventListener("visibilitychange", () => {
    if (live && !document.hidden) void refresh();
  });
  await refresh();
  // What the address points at exists only now.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

start().catch((error) => {
  say($("trouble"), `The page could not start: ${error.message}. Reload it.`);
  show($("trouble"), true);
});
