// Makes the page from /openapi.json: routes, shapes, failures, and a form to try each request. Everything is
// set as text, never as markup. The token lives in its field only.
"use strict";

const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

let api;

const deref = (schema) =>
  schema && schema.$ref ? schema.$ref.slice(2).split("/").reduce((at, key) => at[key], api) : schema;

// What a shape holds, in one line.
const kind = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const bounds = [
    schema.minimum !== undefined && `≥ ${schema.minimum}`, schema.maximum !== undefined && `≤ ${schema.maximum}`,
    schema.minLength && `at least ${schema.minLength} characters`, schema.maxLength && `at most ${schema.maxLength} characters`,
    schema.maxItems && `at most ${schema.maxItems} items`, schema.default !== undefined && `default ${schema.default}`,
  ].filter(Boolean);
  let name = [].concat(schema.type || []).join(" or ");
  if (schema.enum) name = schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  else if (schema.type === "array") name = `[${kind(schema.items) || "any"}]`;
  else if (schema.anyOf) name = schema.anyOf.map(kind).filter(Boolean).join(" or ");
  return [name, ...bounds].filter(Boolean).join(", ");
};

const table = (rows) => make("table", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))));

const fields = (schema) => {
  const shape = deref(schema) || {};
  const required = shape.required || [];
  const rows = Object.entries(shape.properties || {}).map(([name, field]) =>
    [make("code", {}, required.includes(name) ? `${name} *` : name), [kind(field), field.description].filter(Boolean).join(" · ")]);
  return rows.length ? table(rows) : make("p", {}, kind(schema) || shape.description || "any JSON");
};

const example = (schema) => {
  const shape = deref(schema) || {};
  const properties = shape.properties || {};
  if (properties.payload) return { payload: { text: "the sky is blue" } };
  if (properties.query) return { query: "sky", explain: true };
  return {};
};

const form = (method, path, operation) => {
  const inputs = (operation.parameters || []).map((parameter) =>
    [parameter, make("input", { "aria-label": parameter.name, spellcheck: "false" })]);
  const body = operation.requestBody
    ? make("textarea", { "aria-label": "body", spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example(operation.requestBody.content["application/json"].schema), null, 2);
  const answer = make("pre", { hidden: "", tabindex: "0", "aria-live": "polite" });
  const send = make("button", { type: "button" }, "send");
  send.addEventListener("click", async () => {
    let target = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.append(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    const token = document.getElementById("token").value;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    if (query.size) target += `?${query}`;
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const response = await fetch(target, { method, headers, body: body ? body.value : undefined });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
      answer.textContent = `${method} ${target}\n${response.status} ${response.statusText}\n\n${shown}`;
    } catch (error) {
      answer.textContent = `no answer: ${error.message}`;
    }
  });
  const rows = inputs.map(([parameter, input]) =>
    [make("code", {}, parameter.required ? `${parameter.name} *` : parameter.name), input,
      [kind(parameter.schema || parameter.content["application/json"].schema), parameter.description].filter(Boolean).join(" · ")]);
  return [rows.length ? make("h3", {}, "parameters") : "", table(rows),
    ...(body ? [make("h3", {}, "body"), fields(operation.requestBody.content["application/json"].schema), body] : []), send, answer];
};

const route = (method, path, operation) => {
  const summary = make("summary", {}, make("span", { class: `verb ${method.toLowerCase()}` }, method),
    make("span", { class: "path" }, path), make("span", { class: "what" }, operation.summary || ""));
  const node = make("details", { class: "route", id: operation.operationId }, summary);
  node.dataset.text = `${method} ${path} ${operation.summary} ${operation.description}`.toLowerCase();
  node.addEventListener("toggle", () => {
    if (!node.open || node.children.length > 1) return;
    const answers = Object.entries(operation.responses).map(([status, response]) => {
      const content = Object.values(response.content || {})[0];
      const cell = make("span", {}, response.description);
      if (Number(status) < 300 && content) cell.append(fields(content.schema));
      return [make("code", {}, status), cell];
    });
    node.append(make("div", { class: "body" }, make("p", {}, operation.description || ""), ...form(method, path, operation),
      make("h3", {}, "answers"), table(answers)));
  });
  return node;
};

const show = () => {
  const main = document.getElementById("routes");
  document.getElementById("version").textContent = api.info.version;
  main.replaceChildren(...api.tags.flatMap((tag) => {
    const routes = Object.entries(api.paths).flatMap(([path, item]) =>
      Object.entries(item).filter(([, operation]) => operation.tags.includes(tag.name))
        .map(([method, operation]) => route(method.toUpperCase(), path, operation)));
    return [make("h2", {}, tag.name), ...routes];
  }));
  const named = document.getElementById(location.hash.slice(1));
  if (named && named.open === false) named.open = true;
};

document.getElementById("find").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const node of document.querySelectorAll("details.route")) {
    node.hidden = !words.every((word) => node.dataset.text.includes(word));
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    document.getElementById("find").focus();
  }
});

fetch("/openapi.json").then((response) => response.json()).then((read) => { api = read; show(); })
  .catch((error) => { document.getElementById("routes").textContent = `/openapi.json cannot be read: ${error.message}`; });
