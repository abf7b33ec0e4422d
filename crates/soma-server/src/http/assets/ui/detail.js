// One memory: what it says, its history, and its JSON.

import { call, problemOf } from "./api.js";
import { announce, byId, make, problemNode, time } from "./dom.js";
import { turn } from "./items.js";
import { go } from "./route.js";

let opened = null;
let asked = 0;

/// The memory that is open, if one is.
export const current = () => opened;

const term = (name, value) => (value === null || value === undefined || value === "" ? []
  : [make("dt", {}, name), make("dd", {}, value)]);

const json = (value) => make("pre", { tabindex: "0", "aria-label": "JSON" }, JSON.stringify(value, null, 2));

const entry = (event) => make("li", {},
  make("p", { class: "meta" }, make("b", { class: `kind ${event.type}` }, event.type), time(event.timestamp)),
  event.payload === null || event.payload === undefined ? make("p", { class: "quiet" }, "no content")
    : make("p", { class: "text" }, turn(event.payload).text));

const facts = (memory, said) => make("dl", { class: "facts" },
  ...term("said by", said.actor), ...term("thread", said.thread), ...term("happened", said.when && time(said.when)),
  ...term("namespace", memory.namespace), ...term("importance", memory.importance === null ? null : String(memory.importance)),
  ...term("created", time(memory.created_at)), ...term("updated", time(memory.updated_at)),
  ...term("version", String(memory.version)), ...term("id", make("code", {}, memory.id)),
  ...term("event", make("code", {}, memory.event_id)), ...term("model", memory.model_revision));

const head = (title, close) => make("div", { class: "headline" },
  make("h2", { id: "detail-title", tabindex: "-1" }, title),
  make("button", { type: "button", class: "close", "aria-label": "close", title: "close (Esc)", onclick: close }, "×"));

const fill = (memory, history, close, forget) => {
  const said = turn(memory.payload);
  byId("detail").replaceChildren(
    head("Memory", close),
    said.raw ? json(memory.payload) : make("p", { class: "saying" }, said.text),
    facts(memory, said),
    make("h3", {}, "History"),
    make("ol", { class: "history" }, history.map(entry)),
    make("details", { class: "json" }, make("summary", {}, "raw JSON"), json(memory)),
    make("p", { class: "actions" }, make("button", { type: "button", class: "danger", id: "forget-open", onclick: forget }, "Forget …")));
};

/// Leaves the memory, back to the list that it was opened from.
export const close = (state) => {
  const { id, ...rest } = state.params;
  if (!id) return false;
  go(state.view, rest);
  const origin = [...document.querySelectorAll("section:not([hidden]) .item")].find((node) => node.dataset.id === id);
  (origin?.querySelector("a.open") || byId("content")).focus();
  return true;
};

/// Shows the memory that this state names, or nothing.
export const show = async (state, { anew = false, forget } = {}) => {
  const panel = byId("detail");
  const { id } = state.params;
  byId("columns").classList.toggle("split", Boolean(id));
  if (!id) {
    [opened, panel.hidden] = [null, true];
    asked += 1;
    panel.replaceChildren();
    return;
  }
  if (opened?.id === id && !anew) return;
  asked += 1;
  const mine = asked;
  const leave = () => close(state);
  panel.hidden = false;
  opened = null;
  const path = `/v1/memories/${encodeURIComponent(id)}`;
  try {
    const [memory, history] = await Promise.all([call("GET", path), call("GET", `${path}/history`)]);
    if (mine !== asked) return;
    opened = memory;
    fill(memory, history.items, leave, () => forget(memory));
    byId("detail-title").focus({ preventScroll: window.innerWidth >= 960 });
    announce("memory opened");
  } catch (error) {
    if (mine !== asked) return;
    panel.replaceChildren(head("Memory", leave), problemNode(problemOf(error), () => show(state, { anew: true, forget })));
  }
};
