// Which words of a text are those that a question shares with it. The server names shared words by their
// stems; here the words of the text are cut by the same rules (Snowball English, "Porter2": M. F. Porter),
// so that exactly they can be marked.

const VOWEL = "aeiouy";
const WHOLE = new Map(Object.entries({
  skis: "ski", skies: "sky", dying: "die", lying: "lie", tying: "tie", idly: "idl", gently: "gentl", ugly: "ugli",
  early: "earli", only: "onli", singly: "singl", sky: "sky", news: "news", howe: "howe", atlas: "atlas",
  cosmos: "cosmos", bias: "bias", andes: "andes",
}));
const KEPT = new Set(["inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"]);

// Longest endings first within each step; the first that fits decides, in its region or not at all.
const STEP2 = [
  ["ational", "ate"], ["fulness", "ful"], ["iveness", "ive"], ["ization", "ize"], ["ousness", "ous"],
  ["biliti", "ble"], ["lessli", "less"], ["tional", "tion"],
  ["alism", "al"], ["aliti", "al"], ["ation", "ate"], ["entli", "ent"], ["fulli", "ful"], ["iviti", "ive"], ["ousli", "ous"],
  ["abli", "able"], ["alli", "al"], ["anci", "ance"], ["ator", "ate"], ["enci", "ence"], ["izer", "ize"],
  ["bli", "ble"], ["ogi", "og"], ["li", ""],
];
const STEP3 = [
  ["ational", "ate"], ["tional", "tion"], ["alize", "al"], ["icate", "ic"], ["iciti", "ic"], ["ative", ""], ["ical", "ic"],
  ["ness", ""], ["ful", ""],
];
const STEP4 = ["ement", "able", "ance", "ence", "ible", "ment", "ant", "ate", "ent", "ion", "ism", "iti", "ive", "ize", "ous", "al", "er", "ic"];

const isVowel = (letter) => letter !== undefined && VOWEL.includes(letter);
const hasVowel = (word) => [...word].some(isVowel);

/// Where the part after the first consonant behind a vowel begins.
const region = (word, from) => {
  for (let at = from + 1; at < word.length; at += 1) {
    if (!isVowel(word[at]) && isVowel(word[at - 1])) return at + 1;
  }
  return word.length;
};

const endsShort = (word) => {
  const [before, vowel, last] = [word.at(-3), word.at(-2), word.at(-1)];
  if (!isVowel(vowel) || isVowel(last)) return false;
  return word.length === 2 || (!isVowel(before) && !"wxY".includes(last));
};

const plural = (word) => {
  if (word.endsWith("sses")) return word.slice(0, -2);
  if (word.endsWith("ied") || word.endsWith("ies")) return word.slice(0, word.length > 4 ? -2 : -1);
  if (word.endsWith("us") || word.endsWith("ss") || !word.endsWith("s")) return word;
  return hasVowel(word.slice(0, -2)) ? word.slice(0, -1) : word;
};

const past = (word, r1) => {
  const long = ["eedly", "eed"].find((end) => word.endsWith(end));
  if (long) return word.length - long.length >= r1 ? `${word.slice(0, -long.length)}ee` : word;
  const end = ["ingly", "edly", "ing", "ed"].find((known) => word.endsWith(known));
  const rest = end && word.slice(0, -end.length);
  if (!end || !hasVowel(rest)) return word;
  if (/(at|bl|iz)$/.test(rest)) return `${rest}e`;
  if (/(bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(rest)) return rest.slice(0, -1);
  return r1 >= rest.length && endsShort(rest) ? `${rest}e` : rest;
};

const exchange = (word, table, r1, r2) => {
  const found = table.find(([end]) => word.endsWith(end));
  if (!found || word.length - found[0].length < r1) return word;
  const [end, by] = found;
  const rest = word.slice(0, -end.length);
  if (end === "ogi" && !rest.endsWith("l")) return word;
  if (end === "li" && !/[cdeghkmnrt]$/.test(rest)) return word;
  if (end === "ative" && rest.length < r2) return word;
  return rest + by;
};

const ending = (word, r2) => {
  const end = STEP4.find((known) => word.endsWith(known));
  const rest = end && word.slice(0, -end.length);
  if (!end || rest.length < r2 || (end === "ion" && !/[st]$/.test(rest))) return word;
  return rest;
};

const last = (word, r1, r2) => {
  const rest = word.slice(0, -1);
  if (word.endsWith("e") && (rest.length >= r2 || (rest.length >= r1 && !endsShort(rest)))) return rest;
  return word.endsWith("ll") && rest.length >= r2 ? rest : word;
};

/// The stem of a word in lower case; a word with anything but ASCII letters is its own.
export const stem = (given) => {
  if (given.length <= 2 || !/^[a-z]+$/.test(given)) return given;
  if (WHOLE.has(given)) return WHOLE.get(given);
  let word = given.replace(/^y|(?<=[aeiouy])y/g, "Y");
  const prefix = ["gener", "commun", "arsen"].find((known) => word.startsWith(known));
  const r1 = prefix ? prefix.length : region(word, 0);
  const r2 = region(word, r1);
  word = plural(word);
  if (KEPT.has(word)) return word;
  word = past(word, r1);
  if (/.[^aeiouy][yY]$/.test(word)) word = `${word.slice(0, -1)}i`;
  word = exchange(word, STEP2, r1, r2);
  word = exchange(word, STEP3, r1, r2);
  word = ending(word, r2);
  return last(word, r1, r2).toLowerCase();
};

const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]/u;

/// The text in pieces, each with the shared word that it is, if it is one.
export const pieces = (text, terms) => {
  const known = new Set(terms);
  const all = [];
  let done = 0;
  const mark = (from, to, term) => {
    if (from > done) all.push({ text: text.slice(done, from) });
    all.push({ text: text.slice(from, to), term });
    done = to;
  };
  for (const match of text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    if (UNSPACED.test(match[0])) {
      let at = match.index;
      for (const letter of match[0]) {
        if (known.has(letter.normalize("NFKC"))) mark(at, at + letter.length, letter);
        at += letter.length;
      }
      continue;
    }
    const word = stem(match[0].normalize("NFKC").toLowerCase());
    if (known.has(word)) mark(match.index, match.index + match[0].length, word);
  }
  if (done < text.length) all.push({ text: text.slice(done) });
  return all;
};
