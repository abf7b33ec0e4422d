//! The text of a payload that a model reads.

use serde_json::Value;
use soma_core::json;
use soma_core::turn::Turn;

/// What recall searches first: `actor: text` and the caption. A payload without a word of text is read
/// as its canonical JSON, so that no model meets an empty text.
pub(crate) fn of(payload: &Value) -> String {
    let text = Turn::of(payload).text;
    if text.trim().is_empty() { json::canonical(payload) } else { text }
}

/// The first bytes of a text, cut between characters.
pub(crate) fn first_bytes(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests;
