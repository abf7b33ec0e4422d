//! Vectors that were made lately, by payload.
//!
//! An embedder that mixes neighbours asks for the vectors of turns that earlier batches have brought:
//! kept here, each text is embedded once in most conversations. A payload is known by a digest that
//! nobody can forge, so nobody's text gets another one's vector.

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;

/// Vectors that are kept at least; at most twice as many.
const KEPT: usize = 2_048;

type Key = [u8; 32];

/// The vectors of two generations: what is asked for stays among the young.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    young: HashMap<Key, Vec<f32>>,
    old: HashMap<Key, Vec<f32>>,
}

impl Vectors {
    /// The vector of a payload, if it is at hand.
    pub(super) fn of(&mut self, payload: &Value) -> Option<Vec<f32>> {
        let key = key(payload);
        if let Some(vector) = self.young.get(&key) {
            return Some(vector.clone());
        }
        let vector = self.old.remove(&key)?;
        self.insert(key, vector.clone());
        Some(vector)
    }

    /// Keeps the vector that the embedder made of a payload.
    pub(super) fn keep(&mut self, payload: &Value, vector: &[f32]) {
        self.insert(key(payload), vector.to_vec());
    }

    fn insert(&mut self, key: Key, vector: Vec<f32>) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, vector);
    }
}

fn key(payload: &Value) -> Key {
    Sha256::digest(json::canonical(payload)).into()
}

#[cfg(test)]
mod tests;
