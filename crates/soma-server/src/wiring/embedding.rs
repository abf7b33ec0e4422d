//! Which embedder stands behind the port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::{Embedder, Identity, language};
use soma_core::error::Code;
use soma_core::{Error, Result};
use soma_models::given::Given;
use soma_models::http::{self, Endpoint};
use soma_models::minilm::{self, MiniLm};
use soma_models::package;
use soma_models::word_vectors::{self, WordVectors};

use crate::config::Secret;
use crate::config::embedder::{Embedder as Chosen, Kind};

/// Loads the embedder that is configured, or asks its endpoint for a first vector.
///
/// # Errors
/// `bad_config` when it cannot be used, naming file or setting; `unavailable` when its endpoint is away.
pub(crate) async fn open(chosen: &Chosen) -> Result<Arc<dyn Embedder>> {
    let embedder: Arc<dyn Embedder> = match &chosen.kind {
        Kind::Hash { dims } => Arc::new(HashEmbedder::new(*dims)?),
        Kind::Given { revision, dims } => Arc::new(Given::new(revision, *dims)),
        Kind::Http { url, model, key, dims } => {
            Arc::new(Endpoint::open(&settings(url, model, key.as_ref(), *dims)).await?)
        }
        Kind::MiniLm { folder } => Arc::new(load(folder, MiniLm::open).await?),
        Kind::Static { folder } => Arc::new(load(folder, WordVectors::open).await?),
    };
    Ok(language::speaking(embedder, chosen.language))
}

/// Which embedder is configured; asks nobody over the network.
///
/// # Errors
/// `bad_config`, naming the file.
pub(crate) fn identity(chosen: &Chosen) -> Result<Identity> {
    let identity = match &chosen.kind {
        Kind::Hash { dims } => HashEmbedder::new(*dims)?.identity().clone(),
        Kind::Given { revision, dims } => Given::new(revision, *dims).identity().clone(),
        Kind::Http { url, model, key, dims } => http::identity(&settings(url, model, key.as_ref(), *dims)),
        Kind::MiniLm { folder } => minilm::identity(folder)?,
        Kind::Static { folder } => word_vectors::identity(folder)?,
    };
    Ok(language::named(identity, chosen.language))
}

/// Whether it lies on another server, which may be away for a while.
pub(crate) const fn is_remote(chosen: &Chosen) -> bool {
    matches!(chosen.kind, Kind::Http { .. })
}

/// Puts MiniLM's files in place, and tells which embedder they are and where they lie.
///
/// # Errors
/// `bad_request`, `bad_config`, `unavailable`.
pub(crate) fn add_model(from: &Path, to: Option<&Path>, below: &Path) -> Result<(Identity, PathBuf)> {
    let placed = package::add(from, to, below)?;
    Ok((placed.identity, placed.folder))
}

fn settings(url: &str, model: &str, key: Option<&Secret>, dims: usize) -> http::Settings {
    let key = key.map(|key| key.0.clone());
    http::Settings { url: url.to_owned(), model: model.to_owned(), key, dims }
}

async fn load<T: Send + 'static>(folder: &Path, open: fn(&Path) -> Result<T>) -> Result<T> {
    let folder = folder.to_owned();
    let loaded = tokio::task::spawn_blocking(move || open(&folder)).await;
    loaded.map_err(|error| Error::new(Code::Internal, "loading the model met a defect").because(error))?
}
