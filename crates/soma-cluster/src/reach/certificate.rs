//! What a certificate is asked: everything that a client checks, and why it fails.
//!
//! The handshake itself always goes on, so that the certificate is seen whatever is wrong with it; the
//! connection carries nothing, and is closed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::Timestamp;

use super::{Authorities, Endpoint};

/// Long after any certificate has expired: the year 9999.
const NEVER: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(253_000_000_000));
/// Certificates of a chain whose ends are looked for.
const CHAIN_MAX: usize = 8;

/// A verifier that lets every handshake go on and remembers what it thought of the certificate.
#[derive(Debug)]
pub(super) struct Asking {
    endpoint: Endpoint,
    authorities: Authorities,
    now: Timestamp,
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    found: Mutex<Option<Found>>,
}

#[derive(Clone, Debug)]
struct Found {
    fault: Option<CertificateError>,
    until: Option<UnixTime>,
}

impl Asking {
    /// # Errors
    /// `bad_config` when there are no authorities to trust.
    pub(super) fn new(endpoint: &Endpoint, authorities: &Authorities, now: Timestamp) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let (endpoint, authorities) = (endpoint.clone(), authorities.clone());
        let roots = roots(&authorities)?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let inner = inner.map_err(|e| unusable(&authorities, &e.to_string()))?;
        Ok(Self { endpoint, authorities, now, inner, provider, found: Mutex::new(None) })
    }

    /// A client of this verifier.
    pub(super) fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier: Arc<dyn ServerCertVerifier> = self.clone();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?.dangerous();
        Ok(Arc::new(builder.with_custom_certificate_verifier(verifier).with_no_client_auth()))
    }

    /// Until when the certificate holds, or what is wrong with it; `None` when it was never shown.
    pub(super) fn verdict(&self) -> Option<Result<Option<Timestamp>>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(match found.fault {
            Some(fault) => Err(self.fault(&fault)),
            None => Ok(found.until.map(timestamp)),
        })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may learn of further faults, and each says what it is"
    )]
    fn fault(&self, fault: &CertificateError) -> Error {
        let Self { endpoint, now, .. } = self;
        let (says, remedy) = match fault {
            CertificateError::ExpiredContext { not_after, .. } => (
                format!("has expired at {}; it is {now} here", timestamp(*not_after)),
                "renew the server's certificate, or set this machine's clock".to_owned(),
            ),
            CertificateError::NotValidYetContext { not_before, .. } => (
                format!("does not hold before {}; it is {now} here", timestamp(*not_before)),
                "set the clock of this machine, or of the one that issued the certificate".to_owned(),
            ),
            CertificateError::NotValidForNameContext { presented, .. } => (
                format!("is for {}, not for {}", names(presented), endpoint.host),
                format!(
                    "call the server, also where it advertises itself, by a name of its certificate, or issue one for {}",
                    endpoint.host
                ),
            ),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                format!("is not signed by an authority that we trust: {}", self.trusted()),
                format!("name the authority's certificate in {}", self.authorities.variable),
            ),
            other => (format!("is not good: {other}"), "issue another certificate for the server".to_owned()),
        };
        Error::new(Code::Unavailable, format!("the certificate of {endpoint} {says}")).remedy(remedy)
    }

    fn trusted(&self) -> String {
        let file = self.authorities.file.as_ref();
        file.map_or("the system's".to_owned(), |file| format!("those in {}", file.display()))
    }

    /// When the first of the chain expires.
    fn until(&self, end: &CertificateDer<'_>, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Option<UnixTime> {
        let (mut at, mut until) = (NEVER, None);
        for _ in 0..CHAIN_MAX {
            let Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) =
                self.inner.verify_server_cert(end, chain, name, &[], at)
            else {
                break;
            };
            until = Some(not_after);
            at = not_after;
        }
        until
    }
}

impl ServerCertVerifier for Asking {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let now = Duration::from_micros(u64::try_from(self.now.0).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(now);
        let checked = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let fault = match checked {
            Ok(_) => None,
            Err(rustls::Error::InvalidCertificate(fault)) => Some(fault),
            Err(other) => Some(CertificateError::Other(rustls::OtherError(Arc::new(other)))),
        };
        let until = self.until(end_entity, intermediates, server_name);
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found { fault, until });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The authorities, ready for use.
pub(super) fn roots(authorities: &Authorities) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let added = match &authorities.file {
        Some(file) => {
            let certificates = of_file(file).map_err(|e| unusable(authorities, &e.to_string()))?;
            roots.add_parsable_certificates(certificates)
        }
        // A system may carry roots that are out of date or malformed; the others count.
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if added.0 == 0 { Err(unusable(authorities, "there is no certificate of an authority")) } else { Ok(roots) }
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

fn unusable(authorities: &Authorities, why: &str) -> Error {
    let Authorities { file, variable, .. } = authorities;
    let which = file.as_ref().map_or("of the system".to_owned(), |file| format!("in {}", file.display()));
    Error::new(Code::BadConfig, format!("the authorities {which} cannot be used: {why}"))
        .at(*variable)
        .remedy(format!("name a PEM file with the certificates of the authorities in {variable}"))
}

/// The names as people write them.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    // `DnsName("broker.example")` and `IpAddress(127.0.0.1)`.
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp(i64::try_from(time.as_secs().saturating_mul(1_000_000)).unwrap_or(i64::MAX))
}
