// How a memory looks: in a list, and in words.

import { make, time } from "./dom.js";
import { link } from "./route.js";
import { pieces } from "./stem.js";

const first = (payload, names) => names.map((name) => payload[name]).find((value) => typeof value === "string" && value.trim());

/// What a payload says about itself, as recall reads it.
export const turn = (payload) => {
  if (typeof payload === "string") return { text: payload };
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) return { text: JSON.stringify(payload), raw: true };
  const text = first(payload, ["text", "content", "task"]);
  return {
    text: text ?? JSON.stringify(payload), raw: text === undefined,
    actor: first(payload, ["actor", "speaker", "role", "user"]),
    thread: first(payload, ["thread", "session", "conversation"]),
    when: typeof payload.occurred_at === "string" ? payload.occurred_at : undefined,
  };
};

/// A text with the shared words marked.
export const marked = (text, terms = []) =>
  pieces(text, terms).map((piece) => (piece.term === undefined ? piece.text : make("mark", {}, piece.text)));

const LONG = 420;

/// One memory in a list. `after` stands below it.
export const item = (memory, state, { terms = [], rank, score, after } = {}) => {
  const said = turn(memory.payload);
  const text = said.text.length > LONG ? `${said.text.slice(0, LONG)} …` : said.text;
  const open = make("a", { class: "open", href: link(state.view, { ...state.params, id: memory.id }), "data-id": memory.id },
    rank !== undefined && make("span", { class: "rank" }, String(rank)),
    make("span", { class: said.raw ? "text raw" : "text" },
      said.actor && make("b", { class: "who" }, said.actor, " "), marked(text, terms)));
  const meta = make("p", { class: "meta" },
    time(said.when || memory.updated_at),
    said.thread && make("span", { class: "thread" }, said.thread),
    state.params.ns !== memory.namespace && make("span", { class: "thread" }, memory.namespace),
    memory.importance !== null && make("span", {}, `importance ${memory.importance}`),
    memory.version > 1 && make("span", {}, `version ${memory.version}`),
    score !== undefined && make("span", { class: "score" }, `score ${score.toFixed(3)}`));
  const node = make("li", { class: "item", "data-id": memory.id }, open, meta, after);
  if (state.params.id === memory.id) node.classList.add("current");
  return node;
};
