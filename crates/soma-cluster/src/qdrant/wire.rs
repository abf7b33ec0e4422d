//! The connection: one channel for everything, with a deadline around every call.
//!
//! The channel connects when it is first used and again after it broke. Calls are not repeated.

use std::sync::Arc;
use std::time::Duration;

use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use soma_core::error::{Code, Error, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

use super::classify::{self, Asked};
use super::settings::Settings;

/// The largest message in either direction. Requests are cut far below it.
const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// The longest wait for a connection.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// How often a silent connection is checked, and how long the answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type Keyed = InterceptedService<Channel, Key>;

/// The connection to one collection of one server.
#[derive(Clone)]
pub(super) struct Wire {
    channel: Keyed,
    url: Arc<str>,
    collection: Arc<str>,
    timeout: Duration,
}

impl Wire {
    /// # Errors
    /// `bad_config` when the settings cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let uri = settings.endpoint()?;
        if settings.collection.is_empty() || settings.collection.contains(['/', '\\', '\0']) {
            return Err(Error::new(Code::BadConfig, "the name of the Qdrant collection is empty or holds a slash"));
        }
        let unusable = |error| {
            Error::new(Code::BadConfig, "the TLS settings of the Qdrant server cannot be used")
                .remedy("install the system's root certificates, or name a file of PEM in QDRANT_CA_LOCATION")
                .because(error)
        };
        let mut endpoint = Endpoint::from(uri.clone())
            .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT_MAX))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        if uri.scheme_str() == Some("https") {
            endpoint = endpoint.tls_config(tls(settings)?).map_err(unusable)?;
        }
        let key = Key(settings.api_key.as_deref().map(key).transpose()?);
        Ok(Self {
            channel: InterceptedService::new(endpoint.connect_lazy(), key),
            url: uri.to_string().trim_end_matches('/').into(),
            collection: settings.collection.as_str().into(),
            timeout: settings.timeout,
        })
    }

    /// The collection's name.
    pub(super) fn collection(&self) -> String {
        self.collection.to_string()
    }

    /// The address that is spoken to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The deadline as the server is told it, in seconds.
    pub(super) fn timeout_secs(&self) -> Option<u64> {
        Some(self.timeout.as_secs().max(1))
    }

    /// Server and collection, for errors.
    pub(super) fn what(&self) -> String {
        format!("collection {:?} on the Qdrant server at {}", self.collection, self.url)
    }

    pub(super) fn points(&self) -> PointsClient<Keyed> {
        PointsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn collections(&self) -> CollectionsClient<Keyed> {
        CollectionsClient::new(self.channel.clone())
    }

    pub(super) fn server(&self) -> QdrantClient<Keyed> {
        QdrantClient::new(self.channel.clone())
    }

    /// Waits for one answer.
    ///
    /// # Errors
    /// As [`classify`] decides.
    pub(super) async fn call<T>(
        &self,
        asked: Asked,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T> {
        self.within(async { self.answered(call).await.map_err(|status| classify::error(status, &self.what(), asked)) })
            .await
    }

    /// As [`Self::call`], with the server's own answer.
    pub(super) async fn try_call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Result<T, Status>> {
        self.within(async { Ok(self.answered(call).await) }).await
    }

    async fn answered<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        call.await.map(Response::into_inner)
    }

    /// Runs several calls under one deadline.
    ///
    /// # Errors
    /// `unavailable` when it passes.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => {
                let waited = self.timeout;
                Err(Error::new(Code::Unavailable, format!("{} did not answer within {waited:?}", self.what())))
            }
        }
    }
}

/// Adds the key to every request.
#[derive(Clone)]
pub(super) struct Key(Option<MetadataValue<Ascii>>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("api-key", key.clone());
        }
        Ok(request)
    }
}

fn key(text: &str) -> Result<MetadataValue<Ascii>> {
    let mut key: MetadataValue<Ascii> = text.parse().map_err(|_| {
        Error::new(Code::BadConfig, "the Qdrant API key holds characters that no header can carry")
            .remedy("set QDRANT_API_KEY to the key alone, or QDRANT_API_KEY_FILE to a file of it")
    })?;
    key.set_sensitive(true);
    Ok(key)
}

fn tls(settings: &Settings) -> Result<ClientTlsConfig> {
    let Some(path) = &settings.ca_location else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let refuse = |why: String| {
        let what = format!("the authorities of the Qdrant server in {} cannot be used: {why}", path.display());
        Error::new(Code::BadConfig, what).remedy("name a file in QDRANT_CA_LOCATION that holds certificates in PEM")
    };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()).because(error))?;
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_slice_iter(&pem) {
        let found = found.map_err(|error| refuse(error.to_string()))?;
        roots.add(found).map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}
