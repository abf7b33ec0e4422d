//! Where a command does its work: on a server over HTTP, or in process on the data directory.
//!
//! A server that is named is used; else the one that runs on the data directory; else the directory
//! is opened here, its projector catches up, and the same routes answer without a network.

mod remote;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use soma_core::clock::Clock;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::pulse::Pulses;
use soma_core::{Error, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::api::Access;
use crate::http::health::{Health, Phase};
pub(super) use crate::http::local::encoded;
use crate::http::local::{Local, Reply};
use crate::metrics::Metrics;
use crate::observe::Told;
use crate::wiring::{self, Opened, Role};

use remote::Remote;

/// One request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) body: Option<Value>,
}

impl<'a> Call<'a> {
    pub(super) const fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: None }
    }

    pub(super) const fn post(target: &'a str, body: Value) -> Self {
        Self { method: "POST", target, body: Some(body) }
    }

    pub(super) const fn delete(target: &'a str) -> Self {
        Self { method: "DELETE", target, body: None }
    }
}

/// Whoever answers.
pub(super) enum Client {
    /// A server.
    Remote(Remote),
    /// This process.
    Here(Box<Here>),
}

impl Client {
    /// Finds the server, or opens the directory.
    ///
    /// # Errors
    /// Those of opening the stores.
    pub(super) fn connect(config: &Config) -> Result<Self> {
        match Self::server(config) {
            Some(remote) => Ok(Self::Remote(remote)),
            None => Self::here(config),
        }
    }

    /// The server at an address of this machine that asks for no token.
    pub(super) fn at(url: String) -> Self {
        Self::Remote(Remote::new(url, &Access::Loopback, None))
    }

    /// Opens the directory in this process, whatever server is named or runs elsewhere.
    ///
    /// # Errors
    /// Those of opening the stores.
    pub(super) fn here(config: &Config) -> Result<Self> {
        Here::open(config).map(Box::new).map(Self::Here)
    }

    /// The server, if one is named or runs.
    pub(super) fn server(config: &Config) -> Option<Remote> {
        let url = config.client.url.clone().or_else(|| wiring::find_server(&config.embedded.data_dir))?;
        Some(Remote::new(url, &config.api.access, config.client.ca.as_deref()))
    }

    /// Where the server is, if there is one.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Remote(remote) => Some(remote.url()),
            Self::Here(_) => None,
        }
    }

    /// Waits until both stores have passed a position, so that the next command sees it; `false` when
    /// that takes longer than a read may wait.
    ///
    /// # Errors
    /// Whatever the other side answers.
    pub(super) fn wait_for(&self, position: Option<&Value>) -> Result<bool> {
        let Some(position) = position.and_then(Value::as_str) else { return Ok(true) };
        let wait_ms = soma_core::limits::WAIT_MAX.as_millis();
        match self.call(&Call::get(&format!("/v1/stats?after={position}&wait_ms={wait_ms}"))) {
            Ok(_) => Ok(true),
            Err(error) if error.code == Code::PositionNotReached => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a request; an answer that is a problem is an error.
    ///
    /// # Errors
    /// Whatever the other side answers; `unavailable` when it does not.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Value> {
        self.reply(call).map(|reply| reply.body)
    }

    /// The same, with what stands beside the body.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) fn reply(&self, call: &Call<'_>) -> Result<Reply> {
        self.send(call.method, call.target, call.body.as_ref().map(|body| body.to_string().into_bytes()))
    }

    /// The same with a body that is written down already.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) fn send(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Reply> {
        let reply = match self {
            Self::Remote(remote) => remote.send(method, target, body)?,
            Self::Here(here) => here.send(method, target, body)?,
        };
        reply.success()
    }

    /// Ends what was begun here.
    ///
    /// # Errors
    /// What stopped the projector.
    pub(super) fn close(self) -> Result<()> {
        match self {
            Self::Remote(_) => Ok(()),
            Self::Here(here) => here.close(),
        }
    }
}

/// The data directory, for what can be done on it only.
///
/// # Errors
/// `bad_request` when a server is named, which may have another one.
pub(super) fn data_dir<'a>(config: &'a Config, doing: &str) -> Result<&'a Path> {
    if let Some(url) = &config.client.url {
        let what = format!("{doing} needs the data directory itself, and {url} is named instead");
        return Err(Error::new(Code::BadRequest, what)
            .remedy("leave --url and SOMA_URL out, on the machine that has the directory"));
    }
    Ok(&config.embedded.data_dir)
}

/// The data directory, opened in this process.
pub(super) struct Here {
    runtime: Runtime,
    local: Local,
    stop: CancellationToken,
    projector: JoinHandle<Result<()>>,
    opened: Opened,
}

impl Here {
    /// Opens the directory and lets its stores catch up.
    ///
    /// # Errors
    /// Those of opening the stores.
    pub(super) fn open(config: &Config) -> Result<Self> {
        let runtime = runtime()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Metrics::new(&wiring::topic(config, Role::Command), Arc::clone(&clock));
        let pulses = Pulses::new(Arc::clone(&clock));
        let health = Health::starting(pulses.clone());
        let told = Told::new(&metrics, &health, None);
        let opened = runtime.block_on(wiring::open(config, Role::Command, told, pulses, clock))?;
        let stop = CancellationToken::new();
        let begun = runtime.block_on(opened.projecting.begin())?;
        let projects = begun.is_something();
        let projector = runtime.spawn(begun.run(Arc::new(|_| {}), stop.clone()));
        health.enter(Phase::Running);
        let local = Local::new(crate::http::App::new(config, &opened.engine, metrics, health));
        let here = Self { runtime, local, stop, projector, opened };
        if !projects {
            return Ok(here);
        }
        match here.catch_up() {
            Ok(()) => Ok(here),
            // What stopped the projector says more than that the stores stay behind.
            Err(error) => here.close().and(Err(error)),
        }
    }

    /// Waits until the stores show all that the log holds.
    fn catch_up(&self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(1);
        let engine = &self.opened.engine;
        self.runtime.block_on(async {
            let end = engine.end().await?;
            if end.is_empty() {
                return Ok(());
            }
            loop {
                match engine.wait(&end, PATIENCE).await {
                    Err(error) if error.code == Code::PositionNotReached && !self.projector.is_finished() => {
                        tracing::warn!("waiting until the stores show all that the log holds");
                    }
                    other => return other,
                }
            }
        })
    }

    fn send(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Reply> {
        self.runtime.block_on(self.local.call(method, target, body))
    }

    /// The engine behind the routes.
    pub(super) fn engine(&self) -> &Engine {
        &self.opened.engine
    }

    /// Waits for what the engine does.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Stops the projector and closes the stores.
    ///
    /// # Errors
    /// What stopped the projector.
    pub(super) fn close(self) -> Result<()> {
        self.stop.cancel();
        let lost = |error| Error::new(Code::Internal, "the projector met a defect").because(error);
        let ended = self.runtime.block_on(self.projector).map_err(lost)?;
        self.runtime.block_on(self.opened.close());
        ended
    }
}

/// A runtime for the whole process.
///
/// # Errors
/// `unavailable` when the operating system refuses threads.
pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("soma")
        .build()
        .map_err(|error| Error::new(Code::Unavailable, "threads cannot be started").because(error))
}
