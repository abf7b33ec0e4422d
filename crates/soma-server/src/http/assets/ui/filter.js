// A filter as people write it: `actor = Ines and seq > 3`. What begins with a brace is taken as the API's
// own JSON. A field that is none of a memory's own is one of its payload.

import { Problem } from "./api.js";

const OWN = new Set(["id", "namespace", "importance", "model_revision", "created_at", "updated_at", "version", "event_id"]);
const TESTS = new Map([["=", "eq"], ["!=", "eq"], [">=", "gte"], ["<=", "lte"], [">", "gt"], ["<", "lt"]]);

const refuse = (detail) => new Problem({
  title: "the filter cannot be read", detail, code: "bad_filter", field: "filter",
  remedy: "write tests like `actor = Ines`, `seq >= 3`, `tag exists`, joined by `and`; or the API's JSON",
});

const value = (text) => {
  if (/^".*"$/s.test(text)) return text.slice(1, -1);
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
};

const path = (name) => (OWN.has(name) || name === "payload" || name.startsWith("payload.") ? name : `payload.${name}`);

const test = (text) => {
  const there = text.match(/^(\S+)\s+(not\s+)?exists$/i);
  if (there) return { field: path(there[1]), exists: !there[2] };
  const parts = text.match(/^([^\s=<>!]+)\s*(>=|<=|!=|=|>|<)\s*(.+)$/s);
  if (!parts) throw refuse(`"${text}" is no test of a field`);
  const one = { field: path(parts[1]), [TESTS.get(parts[2])]: value(parts[3].trim()) };
  return parts[2] === "!=" ? { not: one } : one;
};

/// The filter for the API, or nothing for an empty text.
export const parse = (text) => {
  const trimmed = (text || "").trim();
  if (!trimmed) return undefined;
  if (trimmed.startsWith("{")) {
    try { return JSON.parse(trimmed); } catch (error) { throw refuse(error.message); }
  }
  const tests = trimmed.split(/\s+and\s+/i).map(test);
  return tests.length === 1 ? tests[0] : { and: tests };
};
