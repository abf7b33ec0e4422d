//! A registry that answers as a test says and remembers what it was asked.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

type Answers = Arc<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

/// A registry on a port of its own. Its thread ends with the test process.
pub(super) struct Stub {
    scheme: &'static str,
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub(super) fn answering(answers: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::listen("http", None, Arc::new(answers))
    }

    pub(super) fn with_tls(
        certificate: &Path,
        key: &Path,
        answers: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_reader_iter(File::open(certificate).expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(chain.expect("PEM"), key)
            .expect("the key is that of the certificate");
        Self::listen("https", Some(Arc::new(config)), Arc::new(answers))
    }

    /// An address at which nobody listens.
    pub(super) fn closed() -> String {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        format!("http://127.0.0.1:{port}")
    }

    fn listen(scheme: &'static str, tls: Option<Arc<ServerConfig>>, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that does not trust us hangs up.
                let _ = match &tls {
                    None => answer(stream, &answers, &seen),
                    Some(tls) => ServerConnection::new(Arc::clone(tls))
                        .ok()
                        .and_then(|connection| answer(StreamOwned::new(connection, stream), &answers, &seen)),
                };
            }
        };
        thread::Builder::new().name("registry".into()).spawn(serve).expect("a thread");
        Self { scheme, port, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a lock").clone()
    }
}

fn answer<S: Read + Write>(stream: S, answers: &Answers, seen: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let asked = read(&mut reader)?;
    let (status, body) = answers(&asked);
    seen.lock().expect("a lock").push(asked);
    let body = body.to_string();
    let length = body.len();
    let stream = reader.get_mut();
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
    stream.flush().ok()
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, n)| n.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, target, headers, body })
}
