//! `SOMA_EMBEDDER`, `MEMORY_VECTOR_DIM`, `SOMA_EMBEDDER_MODEL`, `SOMA_EMBEDDER_API_KEY`, `SOMA_LANGUAGE`.
//!
//! What turns payloads into vectors and words. Changing it for a filled index is an error at start-up. Whether a
//! folder holds a model is found out when it is opened, so that `soma model add` can put it there.

use std::path::PathBuf;

use soma_core::embed::hash;
use soma_core::embed::language::Language;

use super::source::{Reader, Variable};
use super::{Secret, number};

const EMBEDDER: Variable = Variable::new("SOMA_EMBEDDER", "hash", "what turns payloads into vectors");
const DIMS: Variable = Variable::new("MEMORY_VECTOR_DIM", "768", "length of the vectors, for hash and http:URL");
const MODEL: Variable = Variable::new("SOMA_EMBEDDER_MODEL", "", "model that http:URL is asked for");
const API_KEY: Variable = Variable::secret("SOMA_EMBEDDER_API_KEY", "key that http:URL asks for");
const API_KEY_FILE: Variable = Variable::new("SOMA_EMBEDDER_API_KEY_FILE", "", "file that holds that key");

const LANGUAGE: Variable =
    Variable::new("SOMA_LANGUAGE", "english", "the language whose suffixes are cut off words, or none");

/// What turns payloads into vectors.
#[derive(Clone, Debug)]
pub(crate) enum Embedder {
    /// Hashed features, without a model.
    Hash {
        /// The length of its vectors.
        dims: usize,
    },
    /// all-MiniLM-L6-v2 in this process.
    MiniLm {
        /// Where its files are.
        folder: PathBuf,
    },
    /// Static word vectors.
    Static {
        /// Where the files are.
        folder: PathBuf,
    },
    /// Writers bring vectors.
    Given {
        /// What they name as the revision of their model.
        revision: String,
        /// The length of their vectors.
        dims: usize,
    },
    /// An endpoint as OpenAI's `/v1/embeddings`.
    Http {
        /// Where it is.
        url: String,
        /// Which model it is asked for.
        model: String,
        /// What it asks for.
        key: Option<Secret>,
        /// The length of its vectors.
        dims: usize,
    },
}

impl Embedder {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let chosen = reader.required(&EMBEDDER, parse);
        let dims = reader.required(&DIMS, dimensions);
        let model = reader.text(&MODEL);
        let key = reader.secret(&API_KEY, &API_KEY_FILE);
        let own = match &chosen {
            Self::Hash { .. } => return Self::Hash { dims },
            Self::Http { url, .. } => {
                if model.is_none() {
                    let what = format!("{} asks an endpoint, and no model is named; set {}", EMBEDDER.name, MODEL.name);
                    reader.problem(what, MODEL.name);
                }
                return Self::Http { url: url.clone(), model: model.unwrap_or_default(), key, dims };
            }
            Self::MiniLm { .. } | Self::Static { .. } => "that of the model".to_owned(),
            Self::Given { dims, .. } => dims.to_string(),
        };
        if reader.is_set(DIMS.name) && own != dims.to_string() {
            let what =
                format!("{} is set but has no meaning with this {}, which decides itself", DIMS.name, EMBEDDER.name);
            reader.warn(what);
        }
        reader.show(DIMS.name, own);
        chosen
    }

    /// The settings that choose it, if it runs in this process and makes vectors of texts.
    pub(crate) fn in_process(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Hash { dims } => Some((DIMS.name, dims.to_string())),
            Self::MiniLm { folder } => Some((EMBEDDER.name, format!("minilm:{}", folder.display()))),
            Self::Static { folder } => Some((EMBEDDER.name, format!("static:{}", folder.display()))),
            Self::Given { .. } | Self::Http { .. } => None,
        }
    }

    /// Of the same kind if it needs no model, else the default: for measuring what this program does itself.
    pub(crate) const fn without_model(&self) -> Self {
        match self {
            Self::Hash { dims } => Self::Hash { dims: *dims },
            Self::MiniLm { .. } | Self::Static { .. } | Self::Given { .. } | Self::Http { .. } => {
                Self::Hash { dims: hash::DIMS_DEFAULT }
            }
        }
    }
}

/// The language of the words beside the vectors.
pub(crate) fn language(reader: &mut Reader) -> Language {
    reader.required(&LANGUAGE, |text| {
        let known = || Language::ALL.map(Language::as_str).join(", ");
        Language::parse(text).ok_or_else(|| format!("is not a language with a stemmer; known are {}", known()))
    })
}

fn dimensions(text: &str) -> Result<usize, String> {
    let dims = number(*hash::DIMS.start() as u64, *hash::DIMS.end() as u64)(text)?;
    usize::try_from(dims).map_err(|error| error.to_string())
}

/// The choice alone: what other variables say is filled in later.
fn parse(text: &str) -> Result<Embedder, String> {
    if text == "hash" {
        return Ok(Embedder::Hash { dims: 0 });
    }
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let folder = || match rest {
        "" => Err(format!("names no folder; write {name}:FOLDER")),
        folder => Ok(PathBuf::from(folder)),
    };
    match name {
        "minilm" => Ok(Embedder::MiniLm { folder: folder()? }),
        "static" => Ok(Embedder::Static { folder: folder()? }),
        "given" => match rest.rsplit_once(':') {
            Some((revision, dims)) if !revision.is_empty() => {
                Ok(Embedder::Given { revision: revision.to_owned(), dims: given_dimensions(dims)? })
            }
            _ => Err("names no revision and length; write given:REVISION:DIMENSIONS".to_owned()),
        },
        "http" | "https" => endpoint(rest),
        _ => Err("is not an embedder; use hash, minilm:FOLDER, static:FOLDER, given:REVISION:DIMENSIONS or http:URL"
            .to_owned()),
    }
}

fn given_dimensions(text: &str) -> Result<usize, String> {
    dimensions(text).map_err(|why| format!("ends in {text}, which {why}"))
}

fn endpoint(url: &str) -> Result<Embedder, String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    if rest.is_empty() {
        return Err("names no address; write http:http://host:port or http:https://host".to_owned());
    }
    if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
        return Err(format!("holds a user or a password, which would be shown; put the key into {}", API_KEY.name));
    }
    Ok(Embedder::Http { url: url.to_owned(), model: String::new(), key: None, dims: 0 })
}
