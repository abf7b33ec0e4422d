// The page by keyboard. Single keys count outside of fields only, and can be switched off in the help.

import { byId } from "./dom.js";

const OFF = "soma.keys";

const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox]), textarea, select"));

const visible = () => [...document.querySelectorAll("section:not([hidden]) .item a.open")];

/// Moves to the memory before or behind the one that has, or had, the focus.
const move = (step) => {
  const all = visible();
  if (!all.length) return;
  const here = document.activeElement.closest?.(".item") || document.querySelector("section:not([hidden]) .item.at");
  const at = here ? all.findIndex((link) => link.closest(".item") === here) : -1;
  const more = document.querySelector("section:not([hidden]) .more:not([hidden])");
  const next = at < 0 ? 0 : at + step;
  const target = next >= all.length && more ? more : all[Math.min(Math.max(next, 0), all.length - 1)];
  target.focus();
  target.scrollIntoView({ block: "nearest" });
};

const explain = () => {
  const here = document.activeElement.closest?.(".item") || document.querySelector("section:not([hidden]) .item.at");
  const why = (here || document.querySelector("section:not([hidden])"))?.querySelector("details.why");
  if (why) why.open = !why.open;
};

/// Connects the keys to what they do: `acts` has a function for each key that leaves the list.
export const start = (acts) => {
  byId("keys-on").checked = localStorage.getItem(OFF) !== "off";
  byId("keys-on").addEventListener("change", (event) => localStorage.setItem(OFF, event.target.checked ? "on" : "off"));
  document.addEventListener("focusin", (event) => {
    const here = event.target.closest?.(".item");
    if (!here) return;
    for (const node of document.querySelectorAll(".item.at")) node.classList.remove("at");
    here.classList.add("at");
  });
  const table = { ...acts, j: () => move(1), k: () => move(-1), e: explain };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      // A field of search would empty itself.
      event.preventDefault();
      if (typing(event.target)) event.target.blur();
      else acts.Escape();
      return;
    }
    if (typing(event.target) || !byId("keys-on").checked || event.key === "Enter" || !Object.hasOwn(table, event.key)) return;
    event.preventDefault();
    table[event.key]();
  });
};
