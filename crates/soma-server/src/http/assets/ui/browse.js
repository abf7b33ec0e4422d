// The memories of a namespace, page by page.

import { call, curl, problemOf } from "./api.js";
import { go } from "./route.js";
import { announce, byId, count, emptyNode, make, problemNode } from "./dom.js";
import { parse } from "./filter.js";
import { item } from "./items.js";

const PAGE = 50;
let shown = "";
let cursor = null;
let turn = 0;

const empty = (state) => {
  const { ns, filter } = state.params;
  if (filter) return emptyNode("Nothing matches", "No memory of this namespace passes the filter. Change it, or empty it.");
  return emptyNode(`“${ns}” holds no memories yet`,
    "Press n to remember something, or write from a terminal; it shows up here in a few seconds.",
    curl("/v1/memories?wait=stored", { namespace: ns, payload: { text: "the lamp is in the attic" } }));
};

const load = async (state, from) => {
  turn += 1;
  const mine = turn;
  const list = byId("browse-items");
  const more = byId("browse-more");
  list.setAttribute("aria-busy", "true");
  try {
    const filter = parse(state.params.filter);
    const page = await call("GET", "/v1/memories", {
      query: { namespace: state.params.ns, order: state.params.order, limit: PAGE, cursor: from || "", filter: filter && JSON.stringify(filter) },
    });
    if (mine !== turn) return;
    const nodes = page.items.map((memory) => item(memory, state));
    if (from) list.append(...nodes);
    else list.replaceChildren(...nodes);
    cursor = page.next_cursor;
    more.hidden = !cursor;
    byId("browse-problem").replaceChildren();
    byId("browse-empty").replaceChildren(...(list.children.length ? [] : [empty(state)]));
    if (from) nodes[0]?.querySelector("a").focus();
    announce(list.children.length ? `${count(list.children.length, "memory", "memories")} shown${cursor ? ", there are more" : ""}` : "no memories");
  } catch (error) {
    if (mine !== turn) return;
    if (!from) list.replaceChildren();
    more.hidden = true;
    byId("browse-empty").replaceChildren();
    byId("browse-problem").replaceChildren(problemNode(problemOf(error), () => load(state, from)));
  } finally {
    list.removeAttribute("aria-busy");
  }
};

/// Shows the list of this state; asks the server when it differs from the one that is shown, or when told to.
export const show = (state, { anew = false } = {}) => {
  const { ns, filter = "", order = "newest" } = state.params;
  byId("browse-filter").value = filter;
  byId("browse-order").value = order;
  const wanted = JSON.stringify([ns, filter, order]);
  if (wanted === shown && !anew) {
    for (const node of byId("browse-items").children) node.classList.toggle("current", node.dataset.id === state.params.id);
    return;
  }
  shown = wanted;
  byId("browse-items").replaceChildren(...Array.from({ length: 3 }, () => make("li", { class: "item ghost", "aria-hidden": "true" })));
  load(state, null);
};

/// Something was written: a list that shows nothing yet looks again.
export const moved = (state) => {
  if (byId("browse-items").children.length === 0) show(state, { anew: true });
};

/// Connects the controls.
export const start = (current) => {
  const ask = () => go("browse", { ...current().params, id: "", filter: byId("browse-filter").value.trim(), order: byId("browse-order").value });
  byId("browse-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  byId("browse-order").addEventListener("change", ask);
  byId("browse-more").addEventListener("click", () => load(current(), cursor));
};
