//! `soma up`: API and projector in one process.
//!
//! Ports are bound before anything is opened, so an address in use is known at once and nobody is
//! turned away while the stores open. The probes of the metrics port answer from then on. The API
//! answers once the projector has taken its partition: the log is the one that the records were made
//! from, and the index holds what the records hold.

#![expect(clippy::print_stdout, reason = "the command line is where printing belongs")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use soma_core::clock::Clock;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::client::runtime;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::logging::Format;
use crate::http::access::Gatekeeper;
use crate::http::health::{Health, Phase, Probes, Reach};
use crate::http::tls::Tls;
use crate::http::{self, App, serve};
use crate::metrics::Metrics;
use crate::observe::Told;
use crate::supervisor::{Signals, Stage, Supervisor, unless_signalled};
use crate::wiring;

/// Under which name metrics show the journal.
const TOPIC: &str = "memory.events";
/// How often the lag is looked at.
const LAG_INTERVAL: Duration = Duration::from_secs(1);
/// How long requests to the metrics port may take at shutdown.
const PROBE_DRAIN: Duration = Duration::from_secs(1);
/// Connections of the metrics port.
const PROBE_CONNECTIONS_MAX: usize = 64;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Address of the API [variable: SOMA_API_HOST].
    #[arg(long)]
    host: Option<String>,
    /// Port of the API; 0 takes a free one [variable: SOMA_API_PORT].
    #[arg(long, short)]
    port: Option<String>,
    /// Port of the metrics server; 0 takes a free one [variable: CONSUMER_METRICS_PORT].
    #[arg(long)]
    metrics_port: Option<String>,
}

impl Flags {
    /// Adds what was given to the flags that the configuration reads.
    pub(super) fn add_to(&self, flags: &mut BTreeMap<&'static str, String>) {
        let given = [
            ("SOMA_API_HOST", &self.host),
            ("SOMA_API_PORT", &self.port),
            ("CONSUMER_METRICS_PORT", &self.metrics_port),
        ];
        flags.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    }
}

pub(super) fn run(config: Config) -> Result<ExitCode> {
    let runtime = runtime()?;
    runtime.block_on(serve_all(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_all(config: Config) -> Result<()> {
    let mut signals = Signals::listen()?;
    let api = bind(&config.api.host, config.api.port, "SOMA_API_PORT").await?;
    let probes = bind(&config.metrics.host, config.metrics.port, "CONSUMER_METRICS_PORT").await?;
    let tls = config.api.tls.as_ref().map(Tls::new).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (api_url, metrics_url) = (url(scheme, &api)?, url("http", &probes)?);

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let keeper = Gatekeeper::new(&config.api, &clock)?;
    let metrics = Metrics::new(TOPIC, Arc::clone(&clock));
    let health = Health::starting();
    let mut supervisor = Supervisor::new();
    let reach = if loopback(&probes)? { Reach::ThisMachine } else { Reach::Anywhere };
    let routes = http::health::router(Probes { metrics: Arc::clone(&metrics), health: Arc::clone(&health) }, reach);
    let bounds = serve::Bounds {
        connections_max: PROBE_CONNECTIONS_MAX,
        read_timeout: config.api.read_timeout,
        drain_timeout: PROBE_DRAIN,
        clock: Arc::clone(&clock),
    };
    let stop = supervisor.stop(Stage::Watching);
    supervisor.spawn(Stage::Watching, "metrics server", serve::serve(probes, routes, bounds, stop));

    let told = Told::new(&metrics, &health);
    let opened = unless_signalled(&mut signals, wiring::open(&config, told, Arc::clone(&clock))).await?;
    let mut worker = opened.worker();
    unless_signalled(&mut signals, worker.take()).await?;
    let published = opened.publish_address(&api_url)?;
    let stop = supervisor.stop(Stage::Projecting);
    supervisor.spawn(Stage::Projecting, "projector", worker.run(stop));
    let stop = supervisor.stop(Stage::Projecting);
    supervisor.spawn(
        Stage::Projecting,
        "lag watch",
        watch_lag(opened.engine.clone(), Arc::clone(&metrics), Arc::clone(&health), stop),
    );

    let app = App::new(&config, &opened.engine, metrics, Arc::clone(&health));
    let bounds = serve::Bounds {
        connections_max: config.api.connections_max,
        read_timeout: config.api.read_timeout,
        drain_timeout: config.api.shutdown_timeout,
        clock,
    };
    let routes = http::router(app, &keeper);
    let stop = supervisor.stop(Stage::Serving);
    supervisor.spawn(Stage::Serving, "tokens watch", keeper.watch(Arc::clone(&bounds.clock), stop));
    let stop = supervisor.stop(Stage::Serving);
    if let Some(tls) = &tls {
        let watching = Arc::clone(tls).watch(Arc::clone(&bounds.clock), stop.clone());
        supervisor.spawn(Stage::Serving, "certificate watch", watching);
    }
    supervisor.spawn(Stage::Serving, "api server", serve::serve_with(api, routes, tls, bounds, stop));
    health.enter(Phase::Running);
    welcome(&config, &api_url, &metrics_url);

    let ended = supervisor.run(signals, || health.enter(Phase::Stopping)).await;
    drop(published);
    opened.close().await;
    if ended.is_ok() {
        tracing::info!("stopped");
    }
    ended
}

async fn bind(host: &str, port: u16, variable: &str) -> Result<TcpListener> {
    TcpListener::bind((host, port)).await.map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::AddrInUse { Code::InUse } else { Code::BadConfig };
        Error::new(code, format!("{host}:{port} cannot be listened on: {error}"))
            .at(variable)
            .remedy(format!("stop what uses it, or choose another port with {variable}"))
            .because(error)
    })
}

/// Whether only this machine reaches the listener.
fn loopback(listener: &TcpListener) -> Result<bool> {
    let unknown = |error| Error::new(Code::Internal, "a listener does not know its address").because(error);
    Ok(listener.local_addr().map_err(unknown)?.ip().is_loopback())
}

/// An address of this machine at which the listener is reached.
fn url(scheme: &str, listener: &TcpListener) -> Result<String> {
    let unknown = |error| Error::new(Code::Internal, "a listener does not know its address").because(error);
    let mut address = listener.local_addr().map_err(unknown)?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(format!("{scheme}://{address}"))
}

/// Shows how far the projector is behind, and whether the index can be read: nobody might write for long.
async fn watch_lag(engine: Engine, metrics: Arc<Metrics>, health: Arc<Health>, stop: CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        health.report("vector_index", engine.index.scan(None, 1).await.err().map(|error| error.message));
        if let (Ok(all), Ok(position)) = (engine.log.bounds().await, engine.position().await) {
            for bounds in all {
                let next = position.next(engine.log.id(), bounds.partition);
                metrics.lag(bounds.partition, bounds.next.saturating_sub(next.max(bounds.first)));
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = engine.clock.sleep(LAG_INTERVAL) => {}
        }
    }
    Ok(())
}

/// Says where everything is: to people in words, to programs in one line of the log.
fn welcome(config: &Config, api: &str, metrics: &str) {
    let data = config.embedded.data_dir.display();
    match config.logging.format {
        Format::Json => {
            tracing::info!(api.url = api, metrics.url = metrics, data.dir = %data, "soma is ready");
        }
        Format::Text => {
            let token = match config.api.access {
                crate::config::api::Access::Token(_) | crate::config::api::Access::File { .. } => {
                    " -H \"Authorization: Bearer $SOMA_API_TOKEN\""
                }
                crate::config::api::Access::Loopback | crate::config::api::Access::Anyone => "",
            };
            println!(
                "soma is ready\n  API      {api}\n  page     {api}/ui\n  metrics  {metrics}/metrics\n  data     {data}\n\nTry it:\n  \
                 curl{token} {api}/v1/memories -d '{{\"payload\": {{\"text\": \"the sky is blue\"}}}}'\n  \
                 curl{token} {api}/v1/recall -d '{{\"query\": \"sky\"}}'\n\nStop it with Ctrl-C."
            );
        }
    }
}
