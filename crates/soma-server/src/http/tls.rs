//! TLS of the API's listener: its certificate, read again whenever the files change.
//!
//! TLS 1.2 and 1.3 with the cipher suites of rustls. A renewed certificate counts for connections that
//! begin after it; a pair that does not fit changes nothing, and says so in the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::config::api::TlsFiles;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The certificate in force.
pub(crate) struct Tls {
    files: TlsFiles,
    in_force: RwLock<Arc<ServerConfig>>,
    /// The files as they were before they were first read.
    first: Stamp,
}

type Stamp = [Option<(u64, SystemTime)>; 2];

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// `bad_config`, naming the file.
    pub(crate) fn new(files: &TlsFiles) -> Result<Arc<Self>> {
        let first = stamp(files);
        let in_force = RwLock::new(Arc::new(read(files)?));
        Ok(Arc::new(Self { files: files.clone(), in_force, first }))
    }

    /// Shakes hands on a connection.
    ///
    /// # Errors
    /// Whatever the client did wrong.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<TlsStream<S>> {
        let in_force = Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(in_force).accept(stream).await
    }

    /// Reads both files again whenever one changes, until `stop`.
    ///
    /// # Errors
    /// None; the type is that of a supervised task.
    pub(crate) async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Result<()> {
        let mut seen = self.first;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = clock.sleep(LOOK_INTERVAL) => {}
            }
            let stamp = stamp(&self.files);
            if stamp == seen {
                continue;
            }
            seen = stamp;
            match read(&self.files) {
                Ok(config) => {
                    *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                    tracing::info!("the certificate of the API was read again");
                }
                Err(error) => tracing::error!("the certificate of before stays in force: {error}"),
            }
        }
    }
}

/// Size and time of both files, which change when they do.
fn stamp(files: &TlsFiles) -> Stamp {
    let of = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.len(), meta.modified().ok()?))
    };
    [of(&files.certificate), of(&files.key)]
}

fn read(files: &TlsFiles) -> Result<ServerConfig> {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let bad_certificate =
        |why: String| bad(format!("the certificate {certificate} cannot be used: {why}"), CERTIFICATE);
    let bad_key = |why: String| bad(format!("the key {key} cannot be used: {why}"), KEY);
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_certificate("there is none in the file".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match is_encrypted(&files.key) {
        true => locked(&files.key),
        false => bad_key(error.to_string()),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Code::Internal, "TLS is not available").because(error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| bad_certificate(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a PEM file holds a key behind a password, in any of the forms that there are.
fn is_encrypted(key: &Path) -> bool {
    let marks = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
    std::fs::read_to_string(key).is_ok_and(|text| marks.iter().any(|mark| text.contains(mark)))
}

/// A password beside its key protects nothing that the permissions of the file do not.
fn locked(key: &Path) -> Error {
    let key = key.display();
    Error::new(Code::BadConfig, format!("the key {key} is behind a password, which nobody can give at a start"))
        .at(KEY)
        .remedy(format!(
            "take the password off (openssl pkey -in {key} -out plain.key), let nobody but soma read the result, and \
             name it in {KEY}"
        ))
}

const CERTIFICATE: &str = "SOMA_API_TLS_CERT";
const KEY: &str = "SOMA_API_TLS_KEY";

fn bad(what: String, field: &str) -> Error {
    Error::new(Code::BadConfig, what)
        .at(field)
        .remedy("name PEM files: the certificate with its chain, and its key without a password")
}
