//! A Qdrant server for tests: the real wire, over qdrant-edge in a folder, on a port of this machine.
//!
//! It answers what our adapter calls and what an operator or another client asks first: health,
//! collections, points by upsert, delete and batch, search, query, scroll, count and retrieve. Everything
//! else is `unimplemented`. Searches look at every point; it builds no graphs.
//!
//! It fails as it is told ([`Fault`]). After [`StandIn::kill`] only what was flushed is left: a real server
//! replays its log, so this is harsher than the truth.

mod collections;
mod points;
mod shelf;
mod translate;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer};
use qdrant_client::qdrant::{HealthCheckReply, HealthCheckRequest};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use self::shelf::Shelf;
use crate::certificates::Signed;

/// The version that it reports unless told otherwise: the oldest that heeds conditions.
pub const VERSION: &str = "1.17.0";

/// The largest message, as a real server has it.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// How a stand-in is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port; 0 is any free one.
    pub port: u16,
    /// Where collections are kept; a temporary folder when there is none.
    pub dir: Option<PathBuf>,
    /// Which version it reports.
    pub version: String,
    /// The key that callers must show.
    pub api_key: Option<String>,
    /// How often it flushes on its own; never, unless told.
    pub flush_every: Option<Duration>,
    /// Its certificate and key; it speaks TLS and nothing else then.
    pub tls: Option<Signed>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, dir: None, version: VERSION.to_owned(), api_key: None, flush_every: None, tls: None }
    }
}

/// How calls fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Every call is refused with this code and text.
    Refuse(Code, String),
    /// Every call waits this long first.
    Slow(Duration),
    /// The next write applies this many of its points, then fails; those after it go through.
    Partial(usize),
}

/// A running stand-in. Dropping it ends it; what it held in a temporary folder goes with it.
pub struct StandIn {
    options: Options,
    server: Arc<State>,
    running: Option<Runtime>,
    address: SocketAddr,
    // Dropped last.
    _temporary: Option<TempDir>,
}

impl StandIn {
    /// Starts one with default options.
    ///
    /// # Errors
    /// When no port or folder can be had.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts one.
    ///
    /// # Errors
    /// When the port or the folder cannot be had.
    pub fn start_with(options: Options) -> io::Result<Self> {
        let (dir, temporary) = match &options.dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let temporary = tempfile::tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let server = Arc::new(State {
            version: options.version.clone(),
            api_key: options.api_key.clone(),
            fault: Mutex::default(),
            shelf: Shelf::open(&dir)?,
        });
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let (running, address) = serve(&server, wanted, &options)?;
        Ok(Self { options, server, running: Some(running), address, _temporary: temporary })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Lets calls fail until [`Self::recover`].
    pub fn fail(&self, fault: Fault) {
        *lock(&self.server.fault) = Some(fault);
    }

    /// Lets calls through again.
    pub fn recover(&self) {
        *lock(&self.server.fault) = None;
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// What the library says.
    pub fn flush(&self) -> io::Result<()> {
        self.server.shelf.flush().map_err(io::Error::other)
    }

    /// Rewrites the segments, so that removed points no longer count in any document frequency.
    ///
    /// # Errors
    /// What the library says.
    pub fn optimise(&self) -> io::Result<()> {
        self.server.shelf.optimise().map_err(io::Error::other)
    }

    /// Ends it as a kill does: calls break off, connections are refused, and what was not flushed is
    /// gone. [`Self::start_again`] brings it back at the same address.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn kill(&mut self) -> io::Result<()> {
        self.stop();
        self.server.shelf.forget()
    }

    /// Listens again after [`Self::kill`].
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.stop();
        let (running, _) = serve(&self.server, self.address, &self.options)?;
        self.running = Some(running);
        Ok(())
    }

    /// Ends the server and waits until its port is free. On a thread of its own, because a runtime may
    /// not be ended from within another.
    fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let end = move || running.shutdown_timeout(Duration::from_secs(5));
        if let Ok(thread) = std::thread::Builder::new().name("stand-in ends".into()).spawn(end) {
            let _ = thread.join();
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the services share.
struct State {
    version: String,
    api_key: Option<String>,
    fault: Mutex<Option<Fault>>,
    shelf: Shelf,
}

/// One service of it.
#[derive(Clone)]
struct Service(Arc<State>);

impl Service {
    /// Lets a call in, or not.
    async fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let fault = lock(&self.0.fault).clone();
        match fault {
            Some(Fault::Refuse(code, text)) => return Err(Status::new(code, text)),
            Some(Fault::Slow(wait)) => delay(wait).await,
            Some(Fault::Partial(_)) | None => {}
        }
        let shown = request.metadata().get("api-key").and_then(|key| key.to_str().ok());
        match self.0.api_key.as_deref() {
            Some(key) if shown != Some(key) => Err(Status::unauthenticated("Invalid API key or JWT")),
            Some(_) | None => Ok(request.into_inner()),
        }
    }

    /// How many points of the next write are applied, if it shall fail half-way.
    fn partial(&self) -> Option<usize> {
        let mut fault = lock(&self.0.fault);
        match *fault {
            Some(Fault::Partial(points)) => {
                *fault = None;
                Some(points)
            }
            Some(Fault::Refuse(..) | Fault::Slow(_)) | None => None,
        }
    }

    /// Runs a call into the library beside the others.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let state = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || work(&state.shelf));
        task.await.map_err(|error| Status::internal(error.to_string()))?
    }
}

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckReply>, Status> {
        self.admit(request).await?;
        Ok(Response::new(HealthCheckReply {
            title: "qdrant stand-in".to_owned(),
            version: self.0.version.clone(),
            commit: None,
        }))
    }
}

#[expect(clippy::disallowed_methods, reason = "a slow server is slow in real time")]
async fn delay(wait: Duration) {
    tokio::time::sleep(wait).await;
}

fn serve(server: &Arc<State>, wanted: SocketAddr, options: &Options) -> io::Result<(Runtime, SocketAddr)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("qdrant-stand-in")
        .enable_all()
        .build()?;
    let service = Service(Arc::clone(server));
    let guard = runtime.enter();
    let incoming = TcpIncoming::bind(wanted)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    drop(guard);
    let points = PointsServer::new(service.clone())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(usize::MAX);
    let mut builder = Server::builder();
    if let Some(signed) = &options.tls {
        let identity = Identity::from_pem(std::fs::read(&signed.certificate)?, std::fs::read(&signed.key)?);
        builder = builder.tls_config(ServerTlsConfig::new().identity(identity)).map_err(io::Error::other)?;
    }
    let router = builder
        .add_service(points)
        .add_service(CollectionsServer::new(service.clone()))
        .add_service(QdrantServer::new(service.clone()));
    runtime.spawn(async move { router.serve_with_incoming(incoming).await });
    if let Some(interval) = options.flush_every {
        runtime.spawn(async move {
            loop {
                delay(interval).await;
                // What cannot be flushed is tried again.
                let _ = service.run(|shelf| shelf.flush().map_err(Status::internal)).await;
            }
        });
    }
    Ok((runtime, address))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, to) = (entry?, to);
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
