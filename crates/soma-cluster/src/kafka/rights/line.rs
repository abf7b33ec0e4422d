//! A connection to one broker, protected and authenticated as the settings say, for a few questions. Blocks.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};

use super::answer::Reader;
use super::scram::Exchange;
use crate::kafka::diagnose::trusted;
use crate::kafka::oauth::Source;
use crate::kafka::settings::{Mechanism, Settings};
use crate::reach::{self, Endpoint};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the broker may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

pub(super) struct Line {
    stream: Box<dyn Stream>,
    asked: i32,
}

impl Line {
    /// Connects, and says who we are.
    ///
    /// # Errors
    /// `unavailable`, `bad_config`: the caller can do without.
    pub(super) fn open(settings: &Settings, clock: &Arc<dyn Clock>, place: &Endpoint) -> Result<Self> {
        let failed = |e: std::io::Error| Error::new(Code::Unavailable, format!("cannot connect to {place}")).because(e);
        let mut addresses = (place.host.as_str(), place.port).to_socket_addrs().map_err(failed)?;
        let connect = |address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).ok();
        let stream = addresses.find_map(connect).ok_or_else(|| away("it does not answer"))?;
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(failed)?;
        stream.set_write_timeout(Some(SILENCE_MAX)).map_err(failed)?;
        let stream: Box<dyn Stream> = match tls(settings)? {
            Some(config) => {
                let name = ServerName::try_from(place.host.clone()).map_err(|_| away("its name is none"))?;
                let connection = ClientConnection::new(config, name).map_err(|_| away("TLS cannot be set up"))?;
                Box::new(StreamOwned::new(connection, stream))
            }
            None => Box::new(stream),
        };
        let mut line = Self { stream, asked: 0 };
        if settings.security.protocol.sasl() {
            line.sign_in(settings, clock)?;
        }
        Ok(line)
    }

    /// Asks, and answers with what follows the header.
    ///
    /// # Errors
    /// `unavailable`, also when the broker does not know the question.
    pub(super) fn call(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        self.asked += 1;
        let mut request = vec![0; 4];
        request.extend(key.to_be_bytes());
        request.extend(version.to_be_bytes());
        request.extend(self.asked.to_be_bytes());
        text(&mut request, "soma");
        request.extend(body);
        let length = i32::try_from(request.len() - 4).map_err(|_| away("the question is too long"))?;
        request[..4].copy_from_slice(&length.to_be_bytes());
        let broke = |e: std::io::Error| away(&e.to_string());
        self.stream.write_all(&request).and_then(|()| self.stream.flush()).map_err(broke)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(broke)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
        if !(4..=ANSWER_BYTES_MAX).contains(&length) {
            return Err(away("its answer is of another form"));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).map_err(broke)?;
        if answer[..4] != self.asked.to_be_bytes() {
            return Err(away("it answers another question"));
        }
        Ok(answer.split_off(4))
    }

    fn sign_in(&mut self, settings: &Settings, clock: &Arc<dyn Clock>) -> Result<()> {
        let security = &settings.security;
        let mut body = Vec::new();
        text(&mut body, security.mechanism.as_str());
        let answer = self.call(17, 1, &body)?;
        if Reader::new(&answer).number_16()? != 0 {
            return Err(away("it does not take the mechanism"));
        }
        let user = security.username.as_deref().unwrap_or_default();
        let password = security.password.as_ref().map_or("", |password| password.reveal());
        match security.mechanism {
            Mechanism::Plain => self.show(format!("\0{user}\0{password}").as_bytes()).map(drop),
            Mechanism::OauthBearer => {
                let oauth = security.oauth.clone().ok_or_else(|| away("there is no token endpoint"))?;
                let token = Source::new(oauth, Arc::clone(clock)).token()?.token;
                self.show(format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes()).map(drop)
            }
            Mechanism::ScramSha256 | Mechanism::ScramSha512 => {
                let exchange = Exchange::new(security.mechanism, user, clock.random());
                let challenge = self.show(exchange.first().as_bytes())?;
                let (last, signature) = exchange.last(password, &challenge).ok_or_else(|| away("it is no SCRAM"))?;
                let answer = self.show(last.as_bytes())?;
                // A broker that does not know the password itself is not the one that we mean.
                if answer == signature { Ok(()) } else { Err(away("it does not know the password")) }
            }
        }
    }

    /// `SaslAuthenticate` in version 1.
    fn show(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut body = i32::try_from(bytes.len()).unwrap_or(0).to_be_bytes().to_vec();
        body.extend(bytes);
        let answer = self.call(36, 1, &body)?;
        let mut answer = Reader::new(&answer);
        if answer.number_16()? != 0 {
            return Err(away("it does not accept who we say we are"));
        }
        answer.text()?;
        Ok(answer.bytes()?.to_vec())
    }
}

/// Appends a text as the protocol writes it.
pub(super) fn text(body: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(text.bytes().take(usize::try_from(length).unwrap_or(0)));
}

fn away(why: &str) -> Error {
    Error::new(Code::Unavailable, format!("a Kafka broker cannot be asked: {why}"))
}

/// How the connection is encrypted; `None` when it is not.
fn tls(settings: &Settings) -> Result<Option<Arc<ClientConfig>>> {
    let Some(authorities) = trusted(settings) else { return Ok(None) };
    let builder = reach::client(&authorities)?;
    let security = &settings.security;
    let config = match (&security.certificate_location, &security.key_location) {
        (Some(certificate), Some(key)) => {
            let bad = |_| away("our certificate or its key cannot be used here");
            builder.with_client_auth_cert(chain(certificate)?, private(key)?).map_err(bad)?
        }
        (_, _) => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    read.map_err(|_| away("our certificate cannot be read"))
}

/// A key with a password is the client library's to open.
fn private(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| away("our key cannot be read here"))
}
