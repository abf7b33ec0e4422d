//! The terms of words that were met lately: most words of a text have been met before, and cutting their
//! suffixes off is the larger part of reading it.
//!
//! Each thread remembers its own, a bounded number; what it remembers is what it would make again.

use std::cell::RefCell;
use std::collections::HashMap;

use super::super::language::Language;
use super::super::words::{Stems, Words, is_stop};
use super::term;

/// Words that a thread remembers; then it begins anew.
const WORDS_MAX: usize = 16_384;

/// The bytes of a short word and, in the last place, how many they are: compared without looking elsewhere.
type Short = [u8; 16];

#[derive(Default)]
struct Known {
    language: Language,
    /// `None` for function words.
    terms: HashMap<Short, Option<u32>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The terms of the words that carry meaning, in their order.
pub(super) fn terms(words: &Words, language: Language) -> Vec<u32> {
    KNOWN.with_borrow_mut(|known| {
        if known.language != language {
            *known = Known { language, terms: HashMap::new() };
        }
        let stems = Stems::in_language(language);
        let mut terms = Vec::with_capacity(words.len());
        terms.extend(words.iter().filter_map(|word| known.term(word, &stems)));
        terms
    })
}

impl Known {
    fn term(&mut self, word: &str, stems: &Stems) -> Option<u32> {
        let make = || (!is_stop(word)).then(|| term(&stems.of(word)));
        let Some(short) = short(word) else { return make() };
        if let Some(term) = self.terms.get(&short) {
            return *term;
        }
        if self.terms.len() >= WORDS_MAX {
            self.terms.clear();
        }
        let term = make();
        self.terms.insert(short, term);
        term
    }
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
