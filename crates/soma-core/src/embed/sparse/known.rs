//! The stems of words that were met lately: most words of a text have been met before, and cutting their
//! suffixes off is the larger part of reading it.
//!
//! Each thread remembers its own, a bounded number; what it remembers is what it would make again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use super::super::language::Language;
use super::super::words::{Stems, Words, is_stop};
use super::Lexicon;

/// Words that a thread remembers; then it begins anew.
const WORDS_MAX: usize = 16_384;

/// The bytes of a short word and, in the last place, how many they are: compared without looking elsewhere.
type Short = [u8; 16];

#[derive(Default)]
struct Known {
    language: Language,
    /// `None` for function words.
    stems: HashMap<Short, Option<Box<str>>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The terms of the words that carry meaning, in their order.
pub(super) fn terms(words: &Words, lexicon: &Lexicon) -> Vec<u32> {
    KNOWN.with_borrow_mut(|known| {
        let language = lexicon.stems.language();
        if known.language != language {
            *known = Known { language, stems: HashMap::new() };
        }
        let mut terms = Vec::with_capacity(words.len());
        terms.extend(words.iter().filter_map(|word| known.term(word, lexicon)));
        terms
    })
}

impl Known {
    fn term(&mut self, word: &str, lexicon: &Lexicon) -> Option<u32> {
        let Some(short) = short(word) else {
            return stem(word, &lexicon.stems).map(|stem| lexicon.number(&stem));
        };
        if self.stems.len() >= WORDS_MAX && !self.stems.contains_key(&short) {
            self.stems.clear();
        }
        let known = self.stems.entry(short);
        let stem = known.or_insert_with(|| stem(word, &lexicon.stems).map(|stem| stem.into_owned().into_boxed_str()));
        stem.as_ref().map(|stem| lexicon.number(stem))
    }
}

/// `None` for a function word.
fn stem<'a>(word: &'a str, stems: &Stems) -> Option<Cow<'a, str>> {
    (!is_stop(word, stems.language())).then(|| stems.of(word))
}

/// `None` for a word that is too long to be remembered.
fn short(word: &str) -> Option<Short> {
    let mut short = Short::default();
    let (len, place) = short.split_last_mut()?;
    place.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    *len = u8::try_from(word.len()).ok()?;
    Some(short)
}

#[cfg(test)]
mod tests;
