// Nodes from text. A memory is untrusted input: whatever it holds is set as text, never as markup.

/// A node with attributes and children. `on…` attributes are listeners; null, false and undefined are left out.
export const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/// A node of a drawing. The name space is taken from the page's own drawing.
export const draw = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(byId("mark").namespaceURI, name), attributes, children);

const fill = (node, attributes, children) => {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};

export const byId = (id) => document.getElementById(id);

/// Says it to those who do not see the page.
export const announce = (text) => { byId("said").textContent = text; };

/// A moment, short, with the whole of it as a title.
export const time = (text) => {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return make("time", {}, String(text));
  const sameDay = new Date().toDateString() === moment.toDateString();
  const shown = sameDay
    ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
    : moment.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
  return make("time", { datetime: text, title: text }, shown);
};

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

/// A failure, with what the server says and what to do about it.
export const problemNode = (problem, retry) => make("div", { class: "notice bad", role: "alert" },
  make("p", {}, make("strong", {}, problem.title), problem.field && [" · ", make("code", {}, problem.field)]),
  problem.detail && make("p", {}, problem.detail),
  problem.remedy && make("p", { class: "remedy" }, make("span", {}, "What to do: "), problem.remedy),
  make("p", { class: "quiet" }, [problem.status || "", problem.code].filter(Boolean).join(" · ")),
  make("p", { class: "actions" },
    problem.status === 401 && make("button", { type: "button", onclick: () => byId("open-token").click() }, "Enter a token"),
    retry && make("button", { type: "button", onclick: retry }, "Try again")));

/// What a newcomer does where there is nothing yet.
export const emptyNode = (title, text, command) => make("div", { class: "notice empty" },
  make("h2", {}, title), make("p", {}, text),
  command && make("pre", { tabindex: "0", "aria-label": "a command to copy" }, command));
