// The page: reads the address, shows the view that it names, and connects everything once.

import { call, problemOf, token } from "./api.js";
import * as browse from "./browse.js";
import * as detail from "./detail.js";
import { announce, byId, count, make } from "./dom.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as recall from "./recall.js";
import { VIEWS, carried, go, link, read } from "./route.js";
import * as write from "./write.js";

const views = { browse, recall, live };
let home = "default";
let before = "";

/// Where the page stands, with a namespace whatever the address says.
const current = () => {
  const state = read();
  return { ...state, params: { ...state.params, ns: state.params.ns || home } };
};

const render = ({ anew = false } = {}) => {
  const state = current();
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== state.view;
  for (const anchor of document.querySelectorAll("nav a")) {
    const { view } = anchor.dataset;
    anchor.href = link(view, carried(state));
    if (view === state.view) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  document.querySelector(".brand").href = link("browse", carried(state));
  byId("pulse").href = link("live", carried(state));
  byId("namespace").value = state.params.ns;
  document.title = `${state.params.ns} · ${state.view} · SomaFractalMemory`;
  if (state.view !== "live" || before !== `live ${state.params.ns}` || anew) views[state.view].show(state, { anew });
  else for (const node of byId("live-items").children) node.classList.toggle("current", node.dataset.id === state.params.id);
  before = `${state.view} ${state.params.ns}`;
  detail.show(state, { anew, forget: write.forget });
};

/// What there is to choose from.
const namespaces = async () => {
  try {
    const page = await call("GET", "/v1/namespaces", { query: { limit: 1000 } });
    byId("namespaces").replaceChildren(...page.items.map((one) => make("option", { value: one.namespace }, count(one.memories, "memory", "memories"))));
    byId("namespace-count").textContent = page.items.length ? `${page.next_cursor ? "more than " : ""}${count(page.items.length, "namespace")}` : "none holds memories yet";
    if (!page.items.some((one) => one.namespace === home) && page.items.length) home = page.items[0].namespace;
  } catch (error) {
    const problem = problemOf(error);
    byId("namespace-count").textContent = problem.status === 401 ? "" : problem.title;
    if (problem.status === 401) byId("open-token").click();
  }
};

const ask = () => {
  const state = current();
  if (state.view !== "recall") { go("recall", carried(state)); render(); }
  byId("recall-query").focus();
  byId("recall-query").select();
};

const tokens = () => {
  const shown = () => { byId("open-token").dataset.set = token.get() ? "yes" : "no"; };
  const use = async (text, word) => {
    token.set(text);
    shown();
    byId("token-dialog").close();
    announce(word);
    await namespaces();
    render({ anew: true });
    if (current().view !== "live") live.show();
  };
  byId("open-token").addEventListener("click", () => { byId("token").value = ""; if (!byId("token-dialog").open) byId("token-dialog").showModal(); byId("token").focus(); });
  byId("token-form").addEventListener("submit", (event) => { event.preventDefault(); use(byId("token").value.trim(), "the token is used"); });
  byId("token-drop").addEventListener("click", () => use("", "the token is removed"));
  shown();
};

const changed = async ({ namespace, id, gone }) => {
  await namespaces();
  const state = current();
  if (gone) {
    const rest = { ...state.params, id: state.params.id === gone ? "" : state.params.id };
    go(state.view, rest);
    render({ anew: true });
    byId("content").focus();
    return;
  }
  go(state.view === "live" ? "live" : "browse", { ns: namespace, id });
  render({ anew: true });
};

const start = async () => {
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  byId("scope").addEventListener("submit", (event) => { event.preventDefault(); byId("namespace").blur(); });
  byId("namespace").addEventListener("change", () => {
    const state = current();
    const ns = byId("namespace").value.trim();
    if (ns && ns !== state.params.ns) go(state.view, { ...state.params, id: "", ns });
    else byId("namespace").value = state.params.ns;
  });
  byId("open-remember").addEventListener("click", () => write.remember(current().params.ns));
  byId("open-help").addEventListener("click", () => byId("help").showModal());
  const to = (view) => () => go(view, carried(current()));
  keys.start({
    "/": ask, "?": () => byId("help").showModal(), 1: to("browse"), 2: to("recall"), 3: to("live"),
    n: () => write.remember(current().params.ns),
    s: () => { byId("namespace").focus(); byId("namespace").select(); },
    x: () => detail.current() && write.forget(detail.current()),
    r: () => render({ anew: true }),
    p: () => current().view === "live" && live.pause(),
    Escape: () => detail.close(current()),
  });
  tokens();
  write.start(changed);
  browse.start(current);
  recall.start(current);
  live.start(current, (state) => state.view === "browse" && browse.moved(state));
  await namespaces();
  window.addEventListener("hashchange", () => render());
  render();
  if (current().view !== "live") live.show();
};

start();
