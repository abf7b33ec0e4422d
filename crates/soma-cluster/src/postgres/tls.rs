//! TLS by rustls: what is checked about the server, and which certificate we show.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use soma_core::error::{Code, Error, Result};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{Settings, SslMode};

/// The connector for a mode that may encrypt.
pub(super) fn connector(settings: &Settings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (settings.ssl_mode, &settings.ssl_root_cert) {
        (SslMode::VerifyFull, _) => chain(settings, &provider)?,
        (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Arc::new(AnyName(chain(settings, &provider)?)),
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => {
            Arc::new(Anyone(Arc::clone(&provider)))
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(Code::Internal, "TLS cannot be set up").because(e))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&settings.ssl_cert, &settings.ssl_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = key_of(key)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| {
                Error::new(Code::BadConfig, format!("our certificate and its key do not fit together: {e}"))
                    .remedy("give the key in POSTGRES_SSL_KEY that the certificate in POSTGRES_SSL_CERT was made for")
            })?
        }
        (Some(_), None) | (None, Some(_)) => {
            let message = "PostgreSQL is given a client certificate without its key, or a key alone";
            return Err(Error::new(Code::BadConfig, message).remedy("set both, POSTGRES_SSL_CERT and POSTGRES_SSL_KEY"));
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn chain(settings: &Settings, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ssl_root_cert {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(unreadable(path, "the root certificate"))?;
        }
    } else {
        // A system may carry roots that are out of date or malformed; the others count.
        let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(|e| {
        Error::new(Code::BadConfig, format!("there are no root certificates to trust: {e}"))
            .remedy("install the system's root certificates, or name a file in POSTGRES_SSL_ROOT_CERT")
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<std::result::Result<Vec<_>, _>>());
    let all = read.map_err(unreadable(path, "the certificate"))?;
    if all.is_empty() {
        return Err(unreadable(path, "the certificate")("the file holds none"));
    }
    Ok(all)
}

fn key_of(path: &Path) -> Result<PrivateKeyDer<'static>> {
    const WHAT: &str = "the key of our certificate";
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        if !crate::tls::is_encrypted(path) {
            return unreadable(path, WHAT)(error);
        }
        let path = path.display();
        Error::new(Code::BadConfig, format!("{WHAT} for PostgreSQL in {path} is behind a password")).remedy(format!(
            "take the password off (openssl pkey -in {path} -out plain.key), let nobody but soma read the result, \
             and name it in POSTGRES_SSL_KEY"
        ))
    })
}

fn unreadable<E: std::fmt::Display>(path: &Path, what: &str) -> impl Fn(E) -> Error {
    let name = format!("{what} for PostgreSQL in {} cannot be used", path.display());
    move |e| Error::new(Code::BadConfig, format!("{name}: {e}")).remedy("name a file in PEM that this process can read")
}

/// Takes any certificate whose chain is good, whatever name it carries.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is checked last, when the chain has been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Takes any certificate: the connection is encrypted, and who is at its other end is not known.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
