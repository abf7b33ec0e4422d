// A question, its hits, and why each of them is one.

import { call, curl, problemOf } from "./api.js";
import { go } from "./route.js";
import { announce, byId, count, emptyNode, make, problemNode } from "./dom.js";
import { parse } from "./filter.js";
import { item, turn as said } from "./items.js";
import { pieces } from "./stem.js";

const PARTS = {
  bm25: "words that it shares with the question",
  cosine: "nearness of its vector to the question's",
  actor: "the question names who said it",
  asks: "it asks rather than answers",
  length: "it says enough to answer something",
};

let shown = "";
let turn = 0;

const bar = (name, value, most) => {
  const inner = make("span", { class: value < 0 ? "fill minus" : `fill ${name in PARTS ? name : "other"}` });
  inner.style.width = `${most ? Math.max(1, (Math.abs(value) / most) * 100) : 0}%`;
  return make("div", { class: "part" },
    make("dt", {}, make("b", {}, name), make("small", {}, PARTS[name] || "")),
    make("dd", {}, make("span", { class: "track", "aria-hidden": "true" }, inner),
      make("span", { class: "number" }, `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`)));
};

const number = (value) => (value === null ? "not used" : value.toFixed(4));

const why = (hit, most, open) => {
  const { parts, terms, context, bm25, cosine } = hit.explain;
  const inText = new Set(pieces(said(hit.payload).text, terms).map((piece) => piece.term));
  const chips = terms.map((term) => make("li", { class: inText.has(term) ? "term" : "term elsewhere" }, term,
    !inText.has(term) && make("small", {}, " beside the text")));
  const lent = context.map((term) => make("li", { class: "term elsewhere" }, term, make("small", {}, " in a turn nearby")));
  return make("details", { class: "why", open },
    make("summary", {}, "why this hit"),
    make("dl", { class: "parts" }, Object.entries(parts).map(([name, value]) => bar(name, value, most))),
    make("p", { class: "meta" }, make("span", {}, "raw BM25 ", make("b", {}, number(bm25))), make("span", {}, "raw cosine ", make("b", {}, number(cosine)))),
    chips.length + lent.length ? make("ul", { class: "terms", "aria-label": "shared words, by their stems" }, chips, lent)
      : make("p", { class: "meta" }, "It shares no word with the question."));
};

const largest = (hits) => Math.max(0, ...hits.flatMap((hit) => Object.values(hit.explain?.parts || {})).map(Math.abs));

const nothing = (state) => emptyNode("No hit",
  state.params.mode === "dense" || !state.params.mode ? "Nothing answers in this namespace. Try other words, or take away the filter."
    : "No memory of this namespace shares a word with the question.",
  curl("/v1/recall", { namespace: state.params.ns, query: state.params.q, explain: true }));

const welcome = (state) => emptyNode("Ask your memory",
  "Give a question or some words, and press Enter. Each hit shows which words it shares with the question and what its score is the sum of.",
  curl("/v1/recall", { namespace: state.params.ns, query: "where is the lamp?", explain: true }));

const ask = async (state) => {
  turn += 1;
  const mine = turn;
  const list = byId("recall-items");
  list.setAttribute("aria-busy", "true");
  const started = performance.now();
  try {
    const { ns, q, mode, k, filter, why: explain } = state.params;
    const answer = await call("POST", "/v1/recall", {
      body: { namespace: ns, query: q, mode: mode || "hybrid", top_k: k ? Number(k) : 10, filter: parse(filter), explain: explain !== "no" },
    });
    if (mine !== turn) return;
    const most = largest(answer.hits);
    list.replaceChildren(...answer.hits.map((hit, at) => item(hit, state, {
      rank: at + 1, score: hit.score, terms: hit.explain?.terms, after: hit.explain && why(hit, most, at === 0),
    })));
    byId("recall-problem").replaceChildren();
    byId("recall-empty").replaceChildren(...(answer.hits.length ? [] : [nothing(state)]));
    const summary = `${count(answer.hits.length, "hit")} in ${Math.round(performance.now() - started)} ms`;
    byId("recall-summary").textContent = summary;
    announce(summary);
  } catch (error) {
    if (mine !== turn) return;
    list.replaceChildren();
    byId("recall-summary").textContent = "";
    byId("recall-empty").replaceChildren();
    byId("recall-problem").replaceChildren(problemNode(problemOf(error), () => ask(state)));
  } finally {
    list.removeAttribute("aria-busy");
  }
};

/// Shows the hits of this state's question.
export const show = (state, { anew = false } = {}) => {
  const { ns, q = "", mode = "hybrid", k = "10", filter = "", why: explain = "" } = state.params;
  const wanted = JSON.stringify([ns, q, mode, k, filter, explain]);
  if (wanted === shown && !anew) {
    for (const node of byId("recall-items").children) node.classList.toggle("current", node.dataset.id === state.params.id);
    return;
  }
  shown = wanted;
  byId("recall-query").value = q;
  byId("recall-mode").value = mode;
  byId("recall-top").value = k;
  byId("recall-filter").value = filter;
  byId("recall-explain").checked = explain !== "no";
  if (q) { ask(state); return; }
  byId("recall-items").replaceChildren();
  byId("recall-problem").replaceChildren();
  byId("recall-summary").textContent = "";
  byId("recall-empty").replaceChildren(welcome(state));
};

/// Connects the controls.
export const start = (current) => {
  const submit = () => {
    const params = {
      ...current().params, id: "", q: byId("recall-query").value.trim(), filter: byId("recall-filter").value.trim(),
      mode: byId("recall-mode").value, k: byId("recall-top").value, why: byId("recall-explain").checked ? "" : "no",
    };
    if (!go("recall", params)) show(current(), { anew: true });
  };
  byId("recall-form").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  for (const id of ["recall-mode", "recall-explain"]) byId(id).addEventListener("change", () => byId("recall-query").value.trim() && submit());
};
