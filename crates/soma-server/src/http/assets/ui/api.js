// Calls of this server's API. The token lives in this tab (sessionStorage) and goes to this origin only.

const KEY = "soma.token";

export const token = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/// A refusal (`application/problem+json`), or no answer at all.
export class Problem extends Error {
  constructor({ title, detail, code, field, remedy, status }) {
    super(detail || title);
    Object.assign(this, { title: title || "the request failed", detail, code, field, remedy, status: status || 0 });
  }
}

/// Whatever was thrown, as a problem.
export const problemOf = (error) => (error instanceof Problem ? error
  : new Problem({ title: "the page met a defect", detail: error.message, code: "page", remedy: "reload it, and report it when it stays" }));

const read = async (response) => {
  const text = await response.text();
  try { return JSON.parse(text); } catch { return null; }
};

/// One request; the JSON of its answer. A repeated write carries its own `key`, so it is made once.
export const call = async (method, path, { query = {}, body, key, allow = [] } = {}) => {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== ""));
  const target = parameters.size ? `${path}?${parameters}` : path;
  const headers = { accept: "application/json, application/problem+json" };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  let response;
  try {
    response = await fetch(target, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    throw new Problem({
      title: "the server does not answer", detail: error.message, code: "no_answer",
      remedy: "look whether `soma up` still runs; this page goes on by itself when it is back",
    });
  }
  const answer = await read(response);
  if (response.ok || allow.includes(response.status)) return answer;
  throw new Problem({ title: response.statusText || "refused", ...answer, status: response.status });
};

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/// A command that does the same, for a terminal.
export const curl = (path, body) => {
  const bearer = token.get() ? " -H \"authorization: Bearer $SOMA_API_TOKEN\"" : "";
  return `curl${bearer} ${quoted(location.origin + path)}${body ? ` \\\n  -d ${quoted(JSON.stringify(body))}` : ""}`;
};

/// A key for one write, however often it is sent.
export const freshKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ui-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
};
