// The two things that change something: remember a text, forget a memory. Both wait until the stores have it.

import { call, freshKey, problemOf } from "./api.js";
import { announce, byId, problemNode } from "./dom.js";
import { turn } from "./items.js";

const PATIENCE_MS = 5000;
let key = "";
let doomed = null;
let done;

const said = (id, error) => byId(id).replaceChildren(problemNode(problemOf(error)));

/// Asks for a text.
export const remember = (namespace) => {
  key = freshKey();
  byId("remember-namespace").value = namespace;
  byId("remember-problem").replaceChildren();
  byId("remember").showModal();
  byId("remember-text").focus();
};

const send = async () => {
  const importance = byId("remember-importance").value;
  const body = { namespace: byId("remember-namespace").value, payload: { text: byId("remember-text").value } };
  if (importance) body.importance = Number(importance);
  try {
    const written = await call("POST", "/v1/memories", { query: { wait: "stored", wait_ms: PATIENCE_MS }, body, key });
    byId("remember").close();
    byId("remember-form").reset();
    announce(written.stored ? "remembered" : "it is durable, and not yet in the stores");
    done({ namespace: body.namespace, id: written.stored ? written.id : "" });
  } catch (error) {
    said("remember-problem", error);
    // Another text under the same key would be refused.
    if (problemOf(error).status === 422) key = freshKey();
  }
};

/// Asks whether to forget it.
export const forget = (memory) => {
  doomed = memory;
  byId("forget-text").textContent = turn(memory.payload).text.slice(0, 300);
  byId("forget-problem").replaceChildren();
  byId("forget").showModal();
};

const drop = async () => {
  try {
    await call("DELETE", `/v1/memories/${encodeURIComponent(doomed.id)}`, { query: { wait: "stored", wait_ms: PATIENCE_MS } });
    byId("forget").close();
    announce("forgotten");
    done({ gone: doomed.id });
  } catch (error) {
    said("forget-problem", error);
  }
};

const once = async (button, work) => {
  button.disabled = true;
  try { await work(); } finally { button.disabled = false; }
};

/// Connects the dialogues; `after` is told what has changed.
export const start = (after) => {
  done = after;
  byId("remember-form").addEventListener("submit", (event) => {
    event.preventDefault();
    once(event.submitter || byId("remember-text"), send);
  });
  byId("remember-form").addEventListener("input", () => { key = freshKey(); });
  byId("remember-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("remember-form").requestSubmit();
  });
  byId("forget-do").addEventListener("click", (event) => once(event.currentTarget, drop));
};
