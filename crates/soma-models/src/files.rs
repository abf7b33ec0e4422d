//! Model files: read whole, and named by a digest of the weights.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokenizers::Tokenizer;

/// Bytes of the digest that a revision shows, two digits each.
const REVISION_BYTES: usize = 6;

/// The tokenizer of a model.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// A file whole.
///
/// # Errors
/// `bad_config`, naming the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::new(Code::BadConfig, format!("the model file {} cannot be read: {error}", path.display()))
            .at("SOMA_EMBEDDER")
            .remedy("name a folder that holds the model's files; `soma model add` puts them in place")
            .because(error)
    })
}

/// That a file is not what it should be.
pub(crate) fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(Code::BadConfig, format!("the model file {} cannot be used: {why}", path.display()))
        .at("SOMA_EMBEDDER")
        .remedy("fetch the model's files again, or name another folder")
}

/// The revision of a model: the beginning of the SHA-256 of its weights, in hexadecimal.
pub(crate) fn revision(weights: &[u8]) -> String {
    Sha256::digest(weights).iter().take(REVISION_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// The tokenizer of a folder. It neither pads nor cuts.
///
/// # Errors
/// `bad_config`, naming the file.
pub(crate) fn tokenizer(folder: &Path) -> Result<(Tokenizer, PathBuf)> {
    let path = folder.join(TOKENIZER);
    let mut tokenizer = Tokenizer::from_bytes(read(&path)?).map_err(|error| unusable(&path, error))?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| unusable(&path, error))?;
    Ok((tokenizer, path))
}

/// The words of a folder's tokenizer that it does not cut: three ASCII letters and more, in their order.
/// For measuring: they read as text does.
///
/// # Errors
/// `bad_config`, naming the file.
pub fn known_words(folder: &Path) -> Result<Vec<String>> {
    let (tokenizer, _) = tokenizer(folder)?;
    let is_word = |word: &String| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    // Some vocabularies mark the beginning of a word, others its continuation.
    let known = tokenizer.get_vocab(false).into_keys();
    let words = known.map(|word| word.trim_start_matches(['\u{2581}', '\u{120}']).to_owned()).filter(is_word);
    Ok(words.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
}
