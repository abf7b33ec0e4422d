//! Static word vectors: one row of a matrix per token, and a text is the mean of its tokens.
//!
//! A folder holds `tokenizer.json` and one `.safetensors` file with one matrix (WordLlama's has 256
//! columns). No network is computed, so a vector costs microseconds, is the same in every batch, and
//! knows nothing of the order of words.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use candle_core::{DType, Device, Tensor, safetensors};
use serde_json::Value;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokenizers::Tokenizer;

use crate::{files, text, unit};

/// Bytes of a text that are read.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The matrix in memory.
pub struct WordVectors {
    identity: Identity,
    tokenizer: Tokenizer,
    /// Row by row.
    matrix: Vec<f32>,
}

impl std::fmt::Debug for WordVectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordVectors").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Which embedder a folder holds.
///
/// # Errors
/// `bad_config`, naming the file.
pub fn identity(folder: &Path) -> Result<Identity> {
    Ok(load(folder)?.0)
}

/// The matrix of a folder, its rows and columns, and its identity.
fn load(folder: &Path) -> Result<(Identity, Tensor, PathBuf)> {
    let path = weights(folder)?;
    let bytes = files::read(&path)?;
    let tensors = safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|error| files::unusable(&path, error))?;
    let mut matrices: Vec<Tensor> = tensors.into_values().filter(|tensor| tensor.rank() == 2).collect();
    let (Some(matrix), true) = (matrices.pop(), matrices.is_empty()) else {
        return Err(files::unusable(&path, "it does not hold one matrix"));
    };
    let dims = matrix.dims()[1];
    if dims == 0 {
        return Err(files::unusable(&path, "its matrix has no columns"));
    }
    let identity = Identity { name: "static".to_owned(), revision: files::revision(&bytes), dims };
    Ok((identity, matrix, path))
}

/// The only file of weights in a folder.
fn weights(folder: &Path) -> Result<PathBuf> {
    let unread = |error: std::io::Error| {
        Error::new(Code::BadConfig, format!("the model folder {} cannot be read: {error}", folder.display()))
            .at("SOMA_EMBEDDER")
            .remedy("name a folder that holds the model's files")
            .because(error)
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            found.push(path);
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        _ => Err(files::unusable(folder, "it does not hold one file that ends in .safetensors")),
    }
}

impl WordVectors {
    /// Loads the matrix of a folder.
    ///
    /// # Errors
    /// `bad_config`, naming the file.
    pub fn open(folder: &Path) -> Result<Self> {
        let (identity, matrix, path) = load(folder)?;
        let rows = matrix.dims()[0];
        let matrix = matrix.to_dtype(DType::F32).and_then(|matrix| matrix.flatten_all()?.to_vec1::<f32>());
        let matrix = matrix.map_err(|error| files::unusable(&path, error))?;
        let (tokenizer, file) = files::tokenizer(folder)?;
        let highest = tokenizer.get_vocab(false).into_values().max().unwrap_or(0) as usize;
        if highest >= rows {
            return Err(files::unusable(&file, format!("it knows token {highest}, and the matrix has {rows} rows")));
        }
        Ok(Self { identity, tokenizer, matrix })
    }

    /// The mean of the tokens' rows. A text without any, or whose rows cancel out, lies on the last axis:
    /// no vector is zero.
    fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let tokens = self
            .tokenizer
            .encode(text::first_bytes(text, TEXT_BYTES_MAX), false)
            .map_err(|error| Error::new(Code::Internal, format!("a text cannot be cut into tokens: {error}")))?;
        let dims = self.identity.dims;
        let mut vector = vec![0.0_f32; dims];
        for token in tokens.get_ids() {
            let start = *token as usize * dims;
            // A special token may have no row.
            let row = self.matrix.get(start..start + dims).unwrap_or_default();
            vector.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        if !unit::normalise(&mut vector) {
            vector.fill(0.0);
            vector[dims - 1] = 1.0;
        }
        Ok(vector)
    }
}

#[async_trait]
impl Embedder for WordVectors {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Half of what a transformer counts.
    fn hybrid_weight(&self) -> f64 {
        0.4
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        payloads.iter().map(|payload| self.embed(&text::of(payload))).collect()
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        self.embed(text)
    }
}

#[cfg(test)]
mod tests;
