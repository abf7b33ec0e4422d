//! The texts that are measured with: made here, from a seed, the same on every machine.
//!
//! Words are drawn from a vocabulary with Zipf's frequencies. Its most frequent words are function
//! words of English, which are not indexed, as in real text; random letters in their place would give
//! every question posting lists as long as the store. All other words are made of syllables, or, when
//! a model reads them, are those that it knows: it would cut made-up ones into many pieces. No text here
//! was written by anybody.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The head of the vocabulary, most frequent first.
const FUNCTION_WORDS: [&str; 60] = [
    "the", "of", "and", "to", "a", "in", "is", "that", "for", "it", "was", "on", "with", "as", "i", "be", "he", "by",
    "at", "this", "are", "you", "from", "or", "had", "his", "but", "they", "have", "she", "which", "we", "her", "an",
    "were", "can", "their", "has", "if", "will", "what", "would", "been", "who", "my", "when", "me", "so", "them",
    "your", "could", "do", "its", "our", "did", "how", "am", "where", "why", "does",
];
const CONSONANTS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u64 = 100;
/// Frequent words are short: so many have two syllables, all others have three.
const SHORT_WORDS: u64 = 4_000;
/// Words in the vocabulary.
const VOCABULARY: u64 = 50_000;
/// Characters of one text: with its frame, a payload of about 1 kB.
const TEXT_CHARS: usize = 960;
/// Words of one text that a model reads, unless told: as many as one sentence of a conversation has. Longer
/// ones take a model the longer, and a machine without a graphics card an hour for a hundred thousand.
const MODEL_WORDS: usize = 20;
/// Words of one question.
const QUESTION_WORDS: usize = 8;
/// Over how many namespaces the memories are spread.
pub(super) const NAMESPACES: u64 = 10;
/// How many values the field has that a filter asks for.
pub(super) const OWNERS: u64 = 100;

/// A reproducible stream of texts.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    /// By rank.
    words: Vec<String>,
    /// How long one text is.
    length: Length,
    /// The state of xorshift64*, never 0.
    state: u64,
    /// How many payloads were made.
    made: u64,
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Chars(usize),
    Words(usize),
}

/// A memory to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) namespace: String,
    pub(super) payload: Value,
}

impl Item {
    /// As `POST /v1/memories` takes it.
    pub(super) fn body(&self) -> Value {
        json!({ "namespace": self.namespace, "payload": self.payload })
    }
}

impl Texts {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let words = (0..VOCABULARY).map(word).collect();
        Self { words, length: Length::Chars(TEXT_CHARS), state: (seed ^ 0x9e37_79b9_7f4a_7c15) | 1, made: 0 }
    }

    /// The stream of a seed, of words that a model knows.
    pub(super) fn known(seed: u64, known: Vec<String>) -> Self {
        let mut texts = Self { length: Length::Words(MODEL_WORDS), ..Self::new(seed) };
        let mut words: Vec<String> =
            known.into_iter().filter(|word| !FUNCTION_WORDS.contains(&word.as_str())).collect();
        // Whatever order a model knows them in, frequent ones are no more alike than others.
        for last in (1..words.len()).rev() {
            words.swap(last, (texts.next() % (last as u64 + 1)) as usize);
        }
        texts.words = FUNCTION_WORDS.iter().map(|word| (*word).to_owned()).chain(words).collect();
        texts
    }

    /// The same with texts of so many words.
    pub(super) fn of_words(self, words: usize) -> Self {
        Self { length: Length::Words(words), ..self }
    }

    /// The next memory.
    pub(super) fn item(&mut self) -> Item {
        let n = self.made;
        self.made += 1;
        let payload = json!({ "text": self.text(), "owner": { "id": n / NAMESPACES % OWNERS } });
        Item { namespace: namespace(n % NAMESPACES), payload }
    }

    /// The next so many.
    pub(super) fn items(&mut self, count: usize) -> Vec<Item> {
        (0..count).map(|_| self.item()).collect()
    }

    /// A question: a few words as the texts have them, at least one of which is indexed.
    pub(super) fn question(&mut self) -> String {
        let mut ranks: Vec<usize> = (1..QUESTION_WORDS).map(|_| self.rank()).collect();
        let others = (self.words.len() - FUNCTION_WORDS.len()) as u64;
        ranks.push(FUNCTION_WORDS.len() + (self.next() % SHORT_WORDS.min(others)) as usize);
        let words: Vec<&str> = ranks.into_iter().map(|rank| self.words[rank].as_str()).collect();
        words.join(" ")
    }

    fn text(&mut self) -> String {
        let mut text = String::with_capacity(TEXT_CHARS + 8);
        let mut words = 0;
        while match self.length {
            Length::Chars(chars) => text.len() < chars,
            Length::Words(count) => words < count,
        } {
            words += 1;
            let rank = self.rank();
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.words[rank]);
        }
        text
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A rank under Zipf's law with exponent 1, by inversion of its continuous form.
    fn rank(&mut self) -> usize {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (self.words.len() as f64).powf(unit) as usize;
        rank.clamp(1, self.words.len()) - 1
    }
}

/// The namespace of that number.
pub(super) fn namespace(number: u64) -> String {
    format!("bench-{number}")
}

/// The word of a rank; no two ranks share one.
fn word(rank: u64) -> String {
    let head = usize::try_from(rank).ok().and_then(|rank| FUNCTION_WORDS.get(rank));
    if let Some(word) = head {
        return (*word).to_owned();
    }
    let number = rank - FUNCTION_WORDS.len() as u64;
    // A factor without a common divisor visits every combination once and keeps neighbours apart.
    let (mut code, syllables) = match number.checked_sub(SHORT_WORDS) {
        None => (number * 7_919 % SYLLABLES.pow(2), 2),
        Some(long) => (long * 611_953 % SYLLABLES.pow(3), 3),
    };
    let mut word = String::with_capacity(2 * syllables);
    for _ in 0..syllables {
        let syllable = (code % SYLLABLES) as usize;
        word.push(char::from(CONSONANTS[syllable / VOWELS.len()]));
        word.push(char::from(VOWELS[syllable % VOWELS.len()]));
        code /= SYLLABLES;
    }
    if FUNCTION_WORDS.contains(&word.as_str()) {
        word.push('n');
    }
    word
}
