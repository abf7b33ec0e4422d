//! Listeners that are no broker: one shakes hands with a certificate of the test, one speaks no TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use soma_testkit::certificates::Signed;

use crate::harness::PATIENCE;

/// A listener behind TLS: it shakes hands, and closes after the first words. Ends with the test's process.
pub(super) fn tls(signed: &Signed) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(&signed.certificate).expect("PEM").collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_file(&signed.key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a pair");
    let config = Arc::new(config);
    serve(move |mut socket| {
        let Ok(mut connection) = ServerConnection::new(Arc::clone(&config)) else { return };
        // What a client says that does not shake hands, or does not trust us, is its affair.
        drop(Stream::new(&mut connection, &mut socket).read(&mut [0; 64]));
    })
}

/// A listener that takes the first words for a request of enormous size, as a broker without TLS does.
pub(super) fn plain() -> SocketAddr {
    serve(|mut socket| {
        drop(socket.read(&mut [0; 64]));
        drop(socket.flush());
    })
}

fn serve(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let each = Arc::new(each);
    let accept = move || {
        for socket in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            drop(socket.set_read_timeout(Some(PATIENCE)));
            let served = std::thread::Builder::new().name("connection".into()).spawn(move || each(socket));
            drop(served.expect("a thread"));
        }
    };
    std::thread::Builder::new().name("listener".into()).spawn(accept).expect("a thread");
    address
}
