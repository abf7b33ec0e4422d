//! Which embedder stands behind the port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};
use soma_models::given::Given;
use soma_models::http::{self, Endpoint};
use soma_models::minilm::{self, MiniLm};
use soma_models::package;
use soma_models::word_vectors::{self, WordVectors};

use crate::config::embedder::Embedder as Chosen;

/// Loads the embedder that is configured, or asks its endpoint for a first vector.
///
/// # Errors
/// `bad_config` when it cannot be used, naming file or setting; `unavailable` when its endpoint is away.
pub(crate) async fn open(chosen: &Chosen) -> Result<Arc<dyn Embedder>> {
    Ok(match chosen {
        Chosen::Hash { dims } => Arc::new(HashEmbedder::new(*dims)?),
        Chosen::Given { revision, dims } => Arc::new(Given::new(revision, *dims)),
        Chosen::Http { .. } => match settings(chosen) {
            Some(settings) => Arc::new(Endpoint::open(&settings).await?),
            None => return Err(defect("an endpoint has no settings")),
        },
        Chosen::MiniLm { folder } => Arc::new(load(folder, MiniLm::open).await?),
        Chosen::Static { folder } => Arc::new(load(folder, WordVectors::open).await?),
    })
}

/// Which embedder is configured; asks nobody over the network.
///
/// # Errors
/// `bad_config`, naming the file.
pub(crate) fn identity(chosen: &Chosen) -> Result<Identity> {
    match chosen {
        Chosen::Hash { dims } => Ok(HashEmbedder::new(*dims)?.identity().clone()),
        Chosen::Given { revision, dims } => Ok(Given::new(revision, *dims).identity().clone()),
        Chosen::Http { .. } => settings(chosen)
            .map(|settings| http::identity(&settings))
            .ok_or_else(|| defect("an endpoint has no settings")),
        Chosen::MiniLm { folder } => minilm::identity(folder),
        Chosen::Static { folder } => word_vectors::identity(folder),
    }
}

/// The words that it knows whole, if it has a model in this process.
///
/// # Errors
/// `bad_config`, naming the file.
pub(crate) fn known_words(chosen: &Chosen) -> Result<Option<Vec<String>>> {
    match chosen {
        Chosen::MiniLm { folder } | Chosen::Static { folder } => soma_models::known_words(folder).map(Some),
        Chosen::Hash { .. } | Chosen::Given { .. } | Chosen::Http { .. } => Ok(None),
    }
}

/// Whether it lies on another server, which may be away for a while.
pub(crate) const fn is_remote(chosen: &Chosen) -> bool {
    matches!(chosen, Chosen::Http { .. })
}

/// Puts MiniLM's files in place, and tells which embedder they are and where they lie.
///
/// # Errors
/// `bad_request`, `bad_config`, `unavailable`.
pub(crate) fn add_model(from: &Path, to: Option<&Path>, below: &Path) -> Result<(Identity, PathBuf)> {
    let placed = package::add(from, to, below)?;
    Ok((placed.identity, placed.folder))
}

fn settings(chosen: &Chosen) -> Option<http::Settings> {
    let Chosen::Http { url, model, key, dims } = chosen else { return None };
    let key = key.as_ref().map(|key| key.0.clone());
    Some(http::Settings { url: url.clone(), model: model.clone(), key, dims: *dims })
}

async fn load<T: Send + 'static>(folder: &Path, open: fn(&Path) -> Result<T>) -> Result<T> {
    let folder = folder.to_owned();
    let loaded = tokio::task::spawn_blocking(move || open(&folder)).await;
    loaded.map_err(|error| defect("loading the model met a defect").because(error))?
}

fn defect(what: &str) -> Error {
    Error::new(Code::Internal, what)
}
