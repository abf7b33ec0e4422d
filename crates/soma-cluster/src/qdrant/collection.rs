//! The collection: how it is made, recognised and described.
//!
//! Its metadata, which the server keeps with its configuration, holds one entry of ours:
//!
//! ```text
//! soma: { format, filled, embedder: { name, revision, dims } }
//! ```
//!
//! Invariants:
//!
//! - Making it is one request, so whoever finds the collection finds the entry. Of several that make it
//!   at once one succeeds, and the others find it.
//! - `filled` appears with the first flush; until then the collection is nothing that anybody relies on.
//! - A collection without the entry is somebody else's and is left alone.
//!
//! Beside each dense vector the server keeps one of a byte a number in memory ([`coarse`]): it looks for the likely
//! points by these, in its graph too, and compares them by their vectors. A collection that was made without
//! is told so at the start; the server makes them while it answers.

use std::collections::HashMap;

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionInfo, CollectionStatus, CreateCollection, CreateFieldIndexCollection, Distance, FieldType,
    GetCollectionInfoRequest, HealthCheckRequest, IntegerIndexParams, KeywordIndexParams, Modifier, PayloadIndexParams,
    QuantizationConfig, QuantizationConfigDiff, QuantizationType, ScalarQuantization, SparseIndexConfig,
    SparseVectorConfig, SparseVectorParams, UpdateCollection, Value as Wired, VectorParams, VectorParamsDiff,
    VectorParamsDiffMap, VectorParamsMap, VectorsConfig, VectorsConfigDiff, quantization_config_diff,
    vectors_config_diff,
};
use serde::{Deserialize, Serialize};
use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::point::FACTS;
use soma_core::point::stored::{DENSE, WORDS};
use tonic::Code as Grpc;

use super::classify::{self, Asked};
use super::wire::Wire;
use super::{Opened, VERSION_MIN};

/// The version of the layout of points and metadata.
pub(super) const FORMAT: u32 = 2;

/// The entry of the metadata that is ours.
const ENTRY: &str = "soma";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    format: u32,
    filled: bool,
    embedder: Embedder,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Embedder {
    name: String,
    revision: String,
    dims: usize,
}

/// A server and its collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The address that is spoken to.
    pub url: String,
    /// The server's version.
    pub version: String,
    /// Whether the server is new enough to be used.
    pub supported: bool,
    /// The collection, if it is there.
    pub collection: Option<Collection>,
}

/// A collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// `green` when everything is well, `yellow` while it is being optimised, `grey` when optimising
    /// waits for a write, `red` when something failed.
    pub status: &'static str,
    /// What failed.
    pub failure: Option<String>,
    /// About how many points there are.
    pub points: u64,
    /// About how many vectors are in a graph or another index.
    pub indexed_vectors: u64,
    /// How many segments there are.
    pub segments: u64,
    /// Which embedder filled it; `None` when the collection is not one of ours.
    pub embedder: Option<Identity>,
}

/// The server's version.
///
/// # Errors
/// As [`classify`] decides.
async fn version(wire: &Wire) -> Result<String> {
    let answer = wire.call(Asked::Setup, wire.server().health_check(HealthCheckRequest {})).await?;
    Ok(answer.version)
}

/// `None` when it is not a version.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Refuses a server that ignores the condition of an upsert.
///
/// # Errors
/// `bad_config`.
pub(super) async fn check_version(wire: &Wire) -> Result<()> {
    let version = version(wire).await?;
    if parsed(&version).is_some_and(|version| version >= VERSION_MIN) {
        return Ok(());
    }
    let (major, minor) = VERSION_MIN;
    Err(Error::new(
        Code::BadConfig,
        format!("the Qdrant server at {} has version {version:?}, and {major}.{minor} is needed", wire.url()),
    )
    .remedy(format!("use a server of version {major}.{minor} or later: an older one lets late writers win")))
}

/// Opens the collection, or makes it.
///
/// # Errors
/// `bad_config` when another embedder or program filled it; `format_too_new`; else as [`classify`] decides.
pub(super) async fn open(wire: &Wire, identity: &Identity) -> Result<Opened> {
    let info = match info(wire).await? {
        Some(info) => info,
        None => create(wire, identity).await?,
    };
    let entry = recognise(wire, &info)?;
    entry.check(wire, identity)?;
    check_vectors(wire, &info, identity)?;
    if !identity.is_searched_exactly()
        && !has_coarse(&info)
        && let Err(error) = add_coarse(wire).await
    {
        // Some keys may not change collections. Searches are right without it, and slower.
        tracing::warn!(
            "the collection keeps no coarse vectors, so searches by meaning are slower; start once with a key that may \
             change collections: {error}"
        );
    }
    for (field, of) in fields() {
        if !info.payload_schema.contains_key(field) {
            index(wire, field, of).await?;
        }
    }
    Ok(if entry.filled { Opened::Existing } else { Opened::Fresh })
}

/// Writes into the metadata that the collection is filled.
///
/// # Errors
/// As [`classify`] decides.
pub(super) async fn seal(wire: &Wire, identity: &Identity) -> Result<()> {
    let metadata = metadata(identity, true)?;
    let request = UpdateCollection { collection_name: wire.collection(), metadata, ..UpdateCollection::default() };
    wire.call(Asked::Setup, wire.collections().update(request)).await.map(drop)
}

/// What an operator wants to know.
///
/// # Errors
/// As [`classify`] decides.
pub(super) async fn facts(wire: &Wire) -> Result<Facts> {
    let version = version(wire).await?;
    let collection = info(wire).await?.map(|info| Collection {
        name: wire.collection(),
        status: match info.status() {
            CollectionStatus::Green => "green",
            CollectionStatus::Yellow => "yellow",
            CollectionStatus::Grey => "grey",
            CollectionStatus::Red => "red",
            CollectionStatus::UnknownCollectionStatus => "unknown",
        },
        failure: info.optimizer_status.as_ref().filter(|status| !status.ok).map(|status| status.error.clone()),
        points: info.points_count.unwrap_or_default(),
        indexed_vectors: info.indexed_vectors_count.unwrap_or_default(),
        segments: info.segments_count,
        embedder: entry(&info).map(|entry| entry.embedder.identity()),
    });
    let supported = parsed(&version).is_some_and(|version| version >= VERSION_MIN);
    Ok(Facts { url: wire.url().to_owned(), version, supported, collection })
}

/// The collection, if it is there.
async fn info(wire: &Wire) -> Result<Option<CollectionInfo>> {
    let request = GetCollectionInfoRequest { collection_name: wire.collection() };
    match wire.try_call(wire.collections().get(request)).await? {
        Ok(answer) => Ok(answer.result),
        Err(status) if status.code() == Grpc::NotFound => Ok(None),
        Err(status) => Err(classify::error(status, &wire.what(), Asked::Setup)),
    }
}

#[expect(deprecated, reason = "the setting that replaces it is unknown to servers before 1.18, which ignore it")]
async fn create(wire: &Wire, identity: &Identity) -> Result<CollectionInfo> {
    let request = CreateCollection {
        collection_name: wire.collection(),
        vectors_config: Some(VectorsConfig { config: Some(dense(identity)) }),
        sparse_vectors_config: Some(words()),
        on_disk_payload: Some(true),
        metadata: metadata(identity, false)?,
        timeout: wire.timeout_secs(),
        ..CreateCollection::default()
    };
    let created = wire.try_call(wire.collections().create(request)).await?;
    // Another process may have been first; then its collection is there.
    match (info(wire).await?, created) {
        (Some(info), _) => Ok(info),
        (None, Err(status)) => Err(classify::error(status, &wire.what(), Asked::Setup)),
        (None, Ok(_)) => Err(Error::new(Code::Unavailable, format!("{} is not there after it was made", wire.what()))),
    }
}

#[expect(deprecated, reason = "the setting that replaces it is unknown to servers before 1.18, which ignore it")]
fn dense(identity: &Identity) -> Config {
    let dense = VectorParams {
        size: identity.dims as u64,
        distance: Distance::Dot.into(),
        on_disk: Some(true),
        quantization_config: (!identity.is_searched_exactly())
            .then(|| QuantizationConfig { quantization: Some(Quantization::Scalar(coarse())) }),
        ..VectorParams::default()
    };
    Config::ParamsMap(VectorParamsMap { map: HashMap::from([(DENSE.to_owned(), dense)]) })
}

/// One byte a number, over the whole range of the numbers of a segment, in memory: the vectors are on the disk.
#[expect(deprecated, reason = "the setting that replaces it is unknown to servers before 1.18, which ignore it")]
fn coarse() -> ScalarQuantization {
    ScalarQuantization {
        r#type: QuantizationType::Int8.into(),
        always_ram: Some(true),
        ..ScalarQuantization::default()
    }
}

fn has_coarse(info: &CollectionInfo) -> bool {
    let of_all = info.config.as_ref().is_some_and(|config| config.quantization_config.is_some());
    of_all || dense_of(info).is_some_and(|dense| dense.quantization_config.is_some())
}

/// Tells the server to keep coarse vectors.
async fn add_coarse(wire: &Wire) -> Result<()> {
    let quantization = Some(quantization_config_diff::Quantization::Scalar(coarse()));
    let dense = VectorParamsDiff {
        quantization_config: Some(QuantizationConfigDiff { quantization }),
        ..VectorParamsDiff::default()
    };
    let map = VectorParamsDiffMap { map: HashMap::from([(DENSE.to_owned(), dense)]) };
    let config = Some(vectors_config_diff::Config::ParamsMap(map));
    let request = UpdateCollection {
        collection_name: wire.collection(),
        vectors_config: Some(VectorsConfigDiff { config }),
        ..UpdateCollection::default()
    };
    wire.call(Asked::Setup, wire.collections().update(request)).await.map(drop)
}

#[expect(deprecated, reason = "the setting that replaces it is unknown to servers before 1.18, which ignore it")]
fn words() -> SparseVectorConfig {
    let index = SparseIndexConfig { on_disk: Some(true), ..SparseIndexConfig::default() };
    let words = SparseVectorParams { index: Some(index), modifier: Some(Modifier::Idf.into()) };
    SparseVectorConfig { map: HashMap::from([(WORDS.to_owned(), words)]) }
}

/// The payload fields that have an index: `namespace` and the facts for filters, `rev` for the
/// condition of every write.
#[expect(deprecated, reason = "the setting that replaces it is unknown to servers before 1.18, which ignore it")]
fn fields() -> [(&'static str, (FieldType, IndexParams)); 3] {
    let integer = |lookup, range, on_disk| {
        let (lookup, range, on_disk) = (Some(lookup), Some(range), Some(on_disk));
        let params = IntegerIndexParams { lookup, range, on_disk, ..IntegerIndexParams::default() };
        (FieldType::Integer, IndexParams::IntegerIndexParams(params))
    };
    let namespace = KeywordIndexParams { is_tenant: Some(true), ..KeywordIndexParams::default() };
    [
        ("namespace", (FieldType::Keyword, IndexParams::KeywordIndexParams(namespace))),
        ("rev", integer(false, true, false)),
        (FACTS, integer(true, false, true)),
    ]
}

async fn index(wire: &Wire, field: &str, (of, params): (FieldType, IndexParams)) -> Result<()> {
    let request = CreateFieldIndexCollection {
        collection_name: wire.collection(),
        wait: Some(true),
        field_name: field.to_owned(),
        field_type: Some(of.into()),
        field_index_params: Some(PayloadIndexParams { index_params: Some(params) }),
        ordering: None,
        timeout: wire.timeout_secs(),
    };
    wire.call(Asked::Setup, wire.points().create_field_index(request)).await.map(drop)
}

fn metadata(identity: &Identity, filled: bool) -> Result<HashMap<String, Wired>> {
    let Identity { name, revision, dims } = identity.clone();
    let entry = Entry { format: FORMAT, filled, embedder: Embedder { name, revision, dims } };
    let value = serde_json::to_value(entry)
        .map_err(|error| Error::new(Code::Internal, "the collection cannot be described").because(error))?;
    Ok(HashMap::from([(ENTRY.to_owned(), Wired::from(value))]))
}

fn entry(info: &CollectionInfo) -> Option<Entry> {
    let value = info.config.as_ref()?.metadata.get(ENTRY)?;
    serde_json::from_value(serde_json::to_value(value).ok()?).ok()
}

fn recognise(wire: &Wire, info: &CollectionInfo) -> Result<Entry> {
    entry(info).ok_or_else(|| {
        Error::new(Code::BadConfig, format!("{} does not say which embedder filled it", wire.what())).remedy(
            "name another collection, or delete this one: the start makes it anew and fills it from the records",
        )
    })
}

impl Embedder {
    fn identity(&self) -> Identity {
        Identity { name: self.name.clone(), revision: self.revision.clone(), dims: self.dims }
    }
}

impl Entry {
    fn check(&self, wire: &Wire, identity: &Identity) -> Result<()> {
        let what = wire.what();
        let anew = "name another collection, or delete this one: the start makes it anew and fills it from the records";
        if self.format != FORMAT {
            let code = if self.format > FORMAT { Code::FormatTooNew } else { Code::BadConfig };
            let format = self.format;
            return Err(Error::new(code, format!("{what} has format {format}, and this program uses {FORMAT}"))
                .remedy(format!("start the version that made it, or {anew}")));
        }
        let filled = self.embedder.identity();
        if filled != *identity {
            return Err(Error::new(
                Code::BadConfig,
                format!("{what} was filled by {filled}, and this start uses {identity}"),
            )
            .remedy(format!("start with the embedder that filled it, or {anew}")));
        }
        Ok(())
    }
}

/// Whether the vectors are those that the entry promises: a snapshot may have been restored under it.
fn check_vectors(wire: &Wire, info: &CollectionInfo, identity: &Identity) -> Result<()> {
    let params = info.config.as_ref().and_then(|config| config.params.as_ref());
    let dense = dense_of(info);
    let words = params.and_then(|params| params.sparse_vectors_config.as_ref()?.map.get(WORDS));
    let fits = dense.is_some_and(|d| d.size == identity.dims as u64 && d.distance() == Distance::Dot)
        && words.is_some_and(|words| words.modifier() == Modifier::Idf);
    if fits {
        return Ok(());
    }
    Err(Error::new(Code::Corrupt, format!("{} does not have the vectors that its own description names", wire.what()))
        .remedy("delete it: the start makes it anew and fills it from the records"))
}

fn dense_of(info: &CollectionInfo) -> Option<&VectorParams> {
    match info.config.as_ref()?.params.as_ref()?.vectors_config.as_ref()?.config.as_ref()? {
        Config::ParamsMap(map) => map.map.get(DENSE),
        Config::Params(_) => None,
    }
}

#[cfg(test)]
mod tests;
