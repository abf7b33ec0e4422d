//! Text to words: the one tokeniser of the sparse vector, the hash vector and the ranking.
//!
//! Lower case, `'s` dropped, runs of letters and digits. Text beyond ASCII is brought to one
//! spelling (NFKC) and cut at the word boundaries of Unicode (UAX #29); scripts written without
//! spaces between words (Chinese, Japanese, Thai and their like; Korean too, whose particles stick
//! to the words) give every character and every pair of neighbouring characters. Suffixes are cut off
//! by the stemmer of one language (Snowball), English unless another one is set.
//!
//! What a text gives never depends on the platform. It may change only together with the revision
//! of the vectors that are made of it.

mod stop;

use std::borrow::Cow;
use std::ops::Range;

use rust_stemmers::Stemmer;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::language::Language;

/// The words of a text, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    folded: String,
    spans: Vec<Range<usize>>,
}

impl Words {
    /// Cuts a text into words.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.is_ascii() {
            let folded = text.to_ascii_lowercase();
            let mut spans = Vec::with_capacity(folded.len() / 5);
            ascii_spans(folded.as_bytes(), 0, &mut spans);
            return Self { folded, spans };
        }
        let folded: String = text.nfkc().flat_map(char::to_lowercase).map(plain_apostrophe).collect();
        let spans = unicode_spans(&folded);
        Self { folded, spans }
    }

    /// How many words there are, function words included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Every word, function words included.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(|span| &self.folded[span.clone()])
    }

    /// The words that carry meaning in a language.
    pub fn content(&self, language: Language) -> impl Iterator<Item = &str> {
        self.iter().filter(move |word| !is_stop(word, language))
    }

    /// Whether these words, function words included, contain all of `other` one after the other.
    #[must_use]
    pub fn contain(&self, other: &Self) -> bool {
        let wanted: Vec<&str> = other.iter().collect();
        let have: Vec<&str> = self.iter().collect();
        !wanted.is_empty() && have.windows(wanted.len()).any(|window| window == wanted)
    }
}

/// A text without these names, wherever their words stand one after the other (`'s` behind them goes
/// too). `None` when no name stands there, or when nothing that carries meaning would be left.
#[must_use]
pub fn without(text: &str, names: &[Words], language: Language) -> Option<String> {
    let words = Words::of(text);
    let mut named = vec![false; words.spans.len()];
    for name in names {
        let name: Vec<&str> = name.iter().collect();
        let starts = 0..(words.spans.len() + 1).saturating_sub(name.len());
        for start in starts.filter(|start| words.iter().skip(*start).zip(&name).all(|(word, name)| word == *name)) {
            named[start..start + name.len()].fill(true);
        }
    }
    let left = words.iter().zip(&named).any(|(word, named)| !named && !is_stop(word, language));
    if !left || !named.contains(&true) {
        return None;
    }
    // Spans are places of the folded text; for ASCII they are those of the text itself.
    let text = if text.is_ascii() { text } else { &words.folded };
    let (mut rest, mut at) = (String::with_capacity(text.len()), 0);
    for (span, _) in words.spans.iter().zip(&named).filter(|(_, named)| **named) {
        if span.start >= at {
            rest.push_str(&text[at..span.start]);
        }
        at = at.max(span.end);
        let behind = &text[at..];
        let possessive = behind.strip_prefix("'s").or_else(|| behind.strip_prefix("'S"));
        if let Some(after) = possessive.filter(|after| !after.starts_with(char::is_alphanumeric)) {
            at = text.len() - after.len();
        }
    }
    rest.push_str(&text[at..]);
    Some(rest.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a word, in lower case, is a function word: it carries no meaning of its own, so it is not indexed.
#[must_use]
pub fn is_stop(word: &str, language: Language) -> bool {
    stop::words(language).binary_search(&word).is_ok()
}

/// Whether a language has a list of function words of its own; the others have that of English.
#[must_use]
pub(super) const fn has_own_stops(language: Language) -> bool {
    stop::own(language).is_some()
}

/// Cuts the suffixes of one language off words.
pub struct Stems {
    stemmer: Option<Stemmer>,
    language: Language,
}

impl Stems {
    /// Those of a language.
    #[must_use]
    pub fn in_language(language: Language) -> Self {
        Self { stemmer: language.algorithm().map(Stemmer::create), language }
    }

    /// The language.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// The words of a text that carry meaning.
    pub fn content<'a>(&self, words: &'a Words) -> impl Iterator<Item = &'a str> {
        words.content(self.language)
    }

    /// The stem of a word in lower case. A word that the language does not write (of English, one with
    /// anything but ASCII letters; else with anything but letters) is its own.
    #[must_use]
    pub fn of<'a>(&self, word: &'a str) -> Cow<'a, str> {
        // English is written in ASCII letters alone.
        let ascii = self.language == Language::English;
        let written = |c: char| if ascii { c.is_ascii_lowercase() } else { c.is_alphabetic() };
        match &self.stemmer {
            // Most writers leave the dots of ё out.
            Some(stemmer) if self.language == Language::Russian && word.contains('ё') && word.chars().all(written) => {
                Cow::Owned(stemmer.stem(&word.replace('ё', "е")).into_owned())
            }
            Some(stemmer) if word.chars().all(written) => stemmer.stem(word),
            Some(_) | None => Cow::Borrowed(word),
        }
    }
}

fn plain_apostrophe(c: char) -> char {
    if c == '\u{2019}' { '\'' } else { c }
}

/// Runs of letters and digits, `'s` at the end of one left out; `base` is where `bytes` begin.
fn ascii_spans(bytes: &[u8], base: usize, spans: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        spans.push(base + start..base + at);
        let possessive = bytes[at..].starts_with(b"'s");
        if possessive && !bytes.get(at + 2).is_some_and(u8::is_ascii_alphanumeric) {
            at += 2;
        }
    }
}

fn unicode_spans(folded: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut previous: Option<Range<usize>> = None;
    for (at, word) in folded.unicode_word_indices() {
        if word.is_ascii() {
            ascii_spans(word.as_bytes(), at, &mut spans);
            continue;
        }
        if word.chars().next().is_some_and(is_unspaced) {
            for (offset, unit) in word.grapheme_indices(true) {
                let span = at + offset..at + offset + unit.len();
                if let Some(before) = previous.filter(|before| before.end == span.start) {
                    spans.push(before.start..span.end);
                }
                spans.push(span.clone());
                previous = Some(span);
            }
            continue;
        }
        let word = word.strip_suffix("'s").unwrap_or(word);
        let mut start = at;
        for piece in word.split(is_joint) {
            if !piece.is_empty() {
                spans.push(start..start + piece.len());
            }
            start += piece.len() + word[start - at + piece.len()..].chars().next().map_or(0, char::len_utf8);
        }
    }
    spans
}

/// Characters that hold a word of Unicode together where ours ends.
fn is_joint(c: char) -> bool {
    (c.is_ascii() && !c.is_ascii_alphanumeric()) || matches!(c, '\u{b7}' | '\u{2010}'..='\u{2027}')
}

/// Characters of scripts whose words are not told apart by spaces.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'     // Thai, Lao
        | '\u{1000}'..='\u{109f}'   // Myanmar
        | '\u{1100}'..='\u{11ff}'   // Hangul Jamo
        | '\u{1780}'..='\u{17ff}'   // Khmer
        | '\u{3005}'..='\u{3007}'   // ideographic marks and zero
        | '\u{3040}'..='\u{30ff}'   // Hiragana, Katakana
        | '\u{31f0}'..='\u{31ff}'   // Katakana extensions
        | '\u{3400}'..='\u{4dbf}'   // Han, extension A
        | '\u{4e00}'..='\u{9fff}'   // Han
        | '\u{ac00}'..='\u{d7af}'   // Hangul
        | '\u{f900}'..='\u{faff}'   // Han, compatibility
        | '\u{20000}'..='\u{3ffff}' // Han, further extensions
    )
}

#[cfg(test)]
mod tests;
