// What moves: readiness, lag, positions, arrivals, dead letters. The server is asked once a second while the
// page is looked at; nothing is asked while it is hidden or paused.

import { call, curl, problemOf } from "./api.js";
import { announce, byId, count, draw, emptyNode, make, problemNode, time } from "./dom.js";
import { item } from "./items.js";

const SECOND = 1000;
const SLOW = 5 * SECOND;
const SAMPLES = 180;
const ARRIVALS = 15;

const samples = [];
let current;
let moved;
let passed = null;
let last = { end: null, letters: null, arrivals: "", open: new Set() };
let paused = false;
let timer = 0;
let round = 0;

const sum = (partitions, name) => partitions.reduce((all, partition) => all + (partition[name] ?? 0), 0);

const tile = (name, value, note, tone = "") => make("div", { class: `tile ${tone}` },
  make("p", { class: "label" }, name), make("p", { class: "value" }, value), make("p", { class: "quiet" }, note));

const rate = () => {
  const [first, now] = [samples[0], samples.at(-1)];
  const seconds = (now.at - first.at) / SECOND;
  return seconds > 1 ? (now.end - first.end) / seconds : 0;
};

const away = (down) => Object.entries(down).map(([name, reason]) => `${name}: ${reason}`).join("; ");

const tiles = (ready, status, stats) => {
  const { lag } = samples.at(-1);
  const down = away(ready.unavailable);
  byId("live-tiles").replaceChildren(
    tile("state", ready.status, down || "everything that it needs is there", ready.status === "ready" ? "good" : "bad"),
    tile("lag", lag.toLocaleString(), lag ? "events that are not yet in the stores" : "the stores have everything", lag ? "warn" : ""),
    tile("log", samples.at(-1).end.toLocaleString(), `events; ${rate().toFixed(1)} per second lately`),
    tile("memories", stats ? stats.memories.toLocaleString() : "–", stats ? `${stats.deleted.toLocaleString()} forgotten, in ${count(stats.namespaces, "namespace")}` : "this token may not count all"),
    tile("paused", status.paused.length ? status.paused.join(", ") : "nothing", status.paused.length ? "it goes on by itself when that is back" : "the stream flows", status.paused.length ? "warn" : ""),
    tile("dead letters", status.dead_letters.toLocaleString(), status.dead_letters ? "refused; see below" : "nothing was refused", status.dead_letters ? "bad" : ""));
};

const chart = () => {
  const most = Math.max(1, ...samples.map((sample) => sample.lag));
  const at = (index) => `${((index + SAMPLES - samples.length) / (SAMPLES - 1)) * 600},${76 - (samples[index].lag / most) * 68}`;
  const points = samples.map((_, index) => at(index));
  const start = at(0).split(",")[0];
  byId("live-chart").replaceChildren(
    draw("polygon", { points: `${start},80 ${points.join(" ")} 600,80` }), draw("polyline", { points: points.join(" ") }));
  byId("live-chart-text").textContent = `${samples.at(-1).lag.toLocaleString()} now, ${most === 1 && !samples.some((s) => s.lag) ? 0 : most.toLocaleString()} at most while this page looked`;
};

const table = (partitions) => {
  const names = ["log", "partition", "first", "next", "end", "indexed", "lag"];
  const row = (partition) => make("tr", {}, names.map((name) => make("td", { class: name === "log" ? "" : "figure", title: name === "log" ? partition.log : null }, name === "log" ? partition.log.slice(0, 8) : String(partition[name] ?? "–"))),
    make("td", {}, partition.updated_at ? time(partition.updated_at) : "–"));
  byId("live-partitions").replaceChildren(
    make("thead", {}, make("tr", {}, names.map((name) => make("th", { scope: "col" }, name)), make("th", { scope: "col" }, "moved"))),
    make("tbody", {}, partitions.map(row)));
};

const arrivals = async (state) => {
  const all = byId("live-all").checked;
  const query = { order: "newest", limit: ARRIVALS, ...(all ? {} : { namespace: state.params.ns }) };
  const path = all ? "/v1/memories?namespace_prefix=" : "/v1/memories";
  const page = all ? await call("GET", `${path}&order=newest&limit=${ARRIVALS}`) : await call("GET", path, { query });
  const known = last.arrivals;
  const list = byId("live-items");
  const focused = document.activeElement?.closest?.("#live-items .item")?.dataset.id;
  const fresh = page.items.filter((memory) => known && !known.has(memory.event_id));
  list.replaceChildren(...page.items.map((memory) => {
    const node = item(memory, state);
    if (fresh.includes(memory)) node.classList.add("fresh");
    return node;
  }));
  if (focused) [...list.children].find((node) => node.dataset.id === focused)?.querySelector("a").focus();
  last.arrivals = new Set(page.items.map((memory) => memory.event_id));
  if (fresh.length) announce(`${count(fresh.length, "arrival")}`);
  byId("live-empty").replaceChildren(...(page.items.length ? [] : [emptyNode("Nothing has arrived yet", "Keep this page open, and write from a terminal:",
    curl("/v1/memories", { namespace: state.params.ns, payload: { text: "the lamp is in the attic" } }))]));
};

const letter = (one) => {
  const node = make("details", { class: "letter", "data-source": one.source, open: last.open.has(one.source) },
    make("summary", {}, make("b", {}, one.reason), " ", one.error,
      make("span", { class: "meta" }, time(one.first_seen), make("span", {}, one.redriven_to ? "redriven" : count(one.attempts, "attempt")))),
    make("p", { class: "meta" }, make("code", {}, one.source)));
  const whole = async () => {
    if (!node.open) { last.open.delete(one.source); return; }
    last.open.add(one.source);
    if (node.querySelector("pre, .notice")) return;
    try {
      const read = await call("GET", `/v1/dead-letters/${encodeURIComponent(one.source)}`);
      node.append(make("pre", { tabindex: "0", "aria-label": "the whole letter" }, JSON.stringify(read, null, 2)),
        make("p", { class: "quiet" }, "What a redrive would do: ", make("code", {}, `soma dlq redrive ${one.source}`)));
    } catch (error) {
      node.append(problemNode(problemOf(error)));
    }
  };
  node.addEventListener("toggle", whole);
  return node;
};

const letters = async () => {
  const target = byId("live-letters");
  try {
    const page = await call("GET", "/v1/dead-letters", { query: { limit: 50 } });
    target.replaceChildren(...(page.items.length ? page.items.map(letter) : [make("p", { class: "quiet" }, "Nothing was refused. What cannot be read, or what a store refuses, is kept here with its reason; the stream goes on.")]));
    if (page.next_cursor) target.append(make("p", { class: "quiet" }, "There are more: ", make("code", {}, "soma dlq list")));
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status !== 403) throw problem;
    target.replaceChildren(make("p", { class: "quiet" }, "This token may not see dead letters: that needs the right `admin` for all namespaces."));
  }
};

/// The dot in the header, and what it says.
const pulse = (word, state) => {
  byId("pulse").dataset.state = state;
  byId("pulse-text").textContent = word;
};

const look = async (state) => {
  const ready = await call("GET", "/readyz", { allow: [503] });
  const status = await call("GET", "/v1/status");
  const lag = sum(status.partitions, "lag");
  const end = sum(status.partitions, "end");
  const next = sum(status.partitions, "next");
  if (passed !== null && passed !== next) moved(state);
  passed = next;
  samples.push({ at: performance.now(), lag, end });
  if (samples.length > SAMPLES) samples.shift();
  const word = ready.status === "ready" ? (lag ? `lag ${lag.toLocaleString()}` : "ready") : ready.status;
  pulse(status.dead_letters ? `${word}, ${count(status.dead_letters, "dead letter")}` : word, ready.status !== "ready" ? "bad" : lag || status.dead_letters ? "warn" : "good");
  byId("version").textContent = `soma ${status.version}, embedder ${status.embedder.name}`;
  if (state.view !== "live") { last.end = null; return; }
  const stats = await call("GET", "/v1/stats", { allow: [403] });
  tiles(ready, status, stats?.memories === undefined ? null : stats);
  chart();
  table(status.partitions);
  if (last.end !== next) await arrivals(state);
  if (last.letters !== status.dead_letters || last.end === null) await letters();
  last.end = next;
  last.letters = status.dead_letters;
};

const tick = async () => {
  clearTimeout(timer);
  round += 1;
  const mine = round;
  const state = current();
  let wait = state.view === "live" ? SECOND : SLOW;
  if (!document.hidden && !(paused && state.view === "live")) {
    try {
      await look(state);
      byId("live-problem").replaceChildren();
    } catch (error) {
      const problem = problemOf(error);
      pulse(problem.status === 401 ? "a token is needed" : problem.code === "no_answer" ? "no answer" : problem.title, "bad");
      if (state.view === "live") byId("live-problem").replaceChildren(problemNode(problem));
      wait = problem.status === 429 ? 2 * SLOW : SLOW;
    }
  }
  // One that was started meanwhile goes on instead.
  if (mine === round) timer = setTimeout(tick, wait);
};

/// Looks at once, and again from then on.
export const show = () => {
  last = { ...last, end: null, arrivals: "" };
  tick();
};

/// Stops and goes on.
export const pause = () => {
  paused = !paused;
  byId("live-pause").textContent = paused ? "Go on" : "Pause";
  byId("live-pause").setAttribute("aria-pressed", String(paused));
  announce(paused ? "paused" : "going on");
  if (!paused) tick();
};

/// Connects the controls; `then` is told when the stores have moved on.
export const start = (where, then) => {
  [current, moved] = [where, then];
  byId("live-pause").addEventListener("click", pause);
  byId("live-all").addEventListener("change", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
};
