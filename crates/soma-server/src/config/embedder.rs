//! `SOMA_EMBEDDER`, `MEMORY_VECTOR_DIM`, `SOMA_LANGUAGE`.
//!
//! What turns payloads into vectors and words. Changing it for a filled index is an error at start-up.

use soma_core::embed::hash;
use soma_core::embed::language::Language;

use super::number;
use super::source::{Reader, Variable};

const EMBEDDER: Variable = Variable::new("SOMA_EMBEDDER", "hash", "what turns payloads into vectors");
const DIMS: Variable = Variable::new("MEMORY_VECTOR_DIM", "768", "length of the hash embedder's vectors");

const LANGUAGE: Variable =
    Variable::new("SOMA_LANGUAGE", "english", "the language whose suffixes are cut off words, or none");

/// What turns payloads into vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Embedder {
    /// The length of its vectors.
    pub dims: usize,
    /// The language of the words beside them.
    pub language: Language,
}

impl Embedder {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        reader.required(&EMBEDDER, |text| match text {
            "hash" => Ok(()),
            _ => Err("is not an embedder of this build; use hash".to_owned()),
        });
        let dims = reader.required(&DIMS, number(*hash::DIMS.start() as u64, *hash::DIMS.end() as u64));
        let language = reader.required(&LANGUAGE, |text| {
            let known = || Language::ALL.map(Language::as_str).join(", ");
            Language::parse(text).ok_or_else(|| format!("is not a language with a stemmer; known are {}", known()))
        });
        Self { language, dims: usize::try_from(dims).expect("it lies between two of that type") }
    }
}
