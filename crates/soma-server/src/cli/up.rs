//! `soma up`, `soma api`, `soma consumer`: API and projector in one process, or each in its own.
//!
//! Ports are bound before anything is opened, so an address in use is known at once and nobody is
//! turned away while the stores open. The probes of the metrics port answer from then on, those of the API
//! port once a server that is needed is away. The API answers once the projector has taken its partition:
//! the log is the one that the records were made from, and the index holds what the records hold.

#![expect(clippy::print_stdout, reason = "the command line is where printing belongs")]

mod held;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use soma_core::clock::Clock;
use soma_core::engine::Engine;
use soma_core::error::{Code, Kind};
use soma_core::ids::Partition;
use soma_core::log::ReadLimit;
use soma_core::pulse::Pulses;
use soma_core::{Error, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::held::Held;
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
use crate::traces::Traces;
use crate::wiring::{self, Begun, Change, Changes, Dependencies, Opened, Role};

/// Under which name readiness shows what the start waits for.
const START: &str = "start";
/// Under which name readiness shows that the group does not let this process in.
const GROUP: &str = "consumer group";
/// The first wait for a server that the start needs; it doubles with each further one.
const START_RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest such wait.
const START_RETRY_MAX: Duration = Duration::from_secs(10);
/// How often somebody looks for how long the log keeps a record, which an operator may change.
const RETENTION_EVERY: Duration = Duration::from_secs(300);
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

/// The flags of `soma consumer`.
#[derive(Debug, Args)]
pub(super) struct Consumer {
    #[command(flatten)]
    pub(super) flags: Flags,
    /// Keep records only, without points: a projector of its own, in a schema of its own.
    #[arg(long)]
    records_only: bool,
}

impl Consumer {
    pub(super) const fn role(&self) -> Role {
        if self.records_only { Role::Records } else { Role::Consumer }
    }
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

/// Runs a role until it is told to stop.
///
/// # Errors
/// Why it could not start, or what ended it.
pub(super) fn run(config: Config, role: Role) -> Result<ExitCode> {
    wiring::check(&config, role)?;
    let runtime = runtime()?;
    runtime.block_on(serve_all(config, role))?;
    Ok(ExitCode::SUCCESS)
}

/// What the tasks of a process share.
struct Process {
    config: Config,
    role: Role,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    pulses: Pulses,
    traces: Option<Arc<Traces>>,
    supervisor: Supervisor,
}

async fn serve_all(config: Config, role: Role) -> Result<()> {
    let mut signals = Signals::listen()?;
    let api = match role {
        Role::Consumer | Role::Records => None,
        Role::Up | Role::Api | Role::Command => Some(
            bind(&config.api.host, config.api.port, "SOMA_API_PORT").await.map_err(|error| by_whom(error, &config))?,
        ),
    };
    let probes = match wiring::projects(&config, role) {
        true => Some(bind(&config.metrics.host, config.metrics.port, "CONSUMER_METRICS_PORT").await?),
        false => None,
    };
    let tls = config.api.tls.as_ref().map(Tls::new).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let api_url = api.as_ref().map(|api| url(scheme, api)).transpose()?;
    let metrics_url = probes.as_ref().map(|probes| url("http", probes)).transpose()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let keeper = Gatekeeper::new(&config.api, &clock)?;
    let metrics = Metrics::new(&wiring::topic(&config, role), Arc::clone(&clock));
    let pulses = Pulses::new(Arc::clone(&clock));
    let health = Health::starting(pulses.clone());
    let traces = config.metrics.traces.as_deref().map(Traces::start).transpose()?;
    let supervisor = Supervisor::new();
    let mut process = Process { config, role, clock, metrics, health, pulses, traces: traces.clone(), supervisor };
    if let Some(probes) = probes {
        process.serve_probes(probes)?;
    }
    let opened = process.open_waiting(&mut signals, api.as_ref(), tls.clone()).await?;
    let begun = unless_signalled(&mut signals, opened.projecting.begin()).await?;
    let handed = unless_signalled(&mut signals, opened.forward_journal(&process.config, role)).await?;
    if handed > 0 {
        tracing::info!(records = handed, "appended what the journal kept while events were not published");
    }
    let published = match &api_url {
        Some(url) => opened.publish_address(url)?,
        None => None,
    };
    process.project(&opened, begun);
    if let Some(api) = api {
        process.serve_api(api, &opened, &keeper, tls);
    }
    process.health.enter(Phase::Running);
    welcome(&process.config, &opened, api_url.as_deref(), metrics_url.as_deref());

    let health = Arc::clone(&process.health);
    let ended = process.supervisor.run(signals, || health.enter(Phase::Stopping)).await;
    drop(published);
    opened.close().await;
    if let Some(traces) = traces {
        traces.stop();
    }
    if ended.is_ok() {
        tracing::info!("stopped");
    }
    ended
}

impl Process {
    fn serve_probes(&mut self, probes: TcpListener) -> Result<()> {
        let reach = if loopback(&probes)? { Reach::ThisMachine } else { Reach::Anywhere };
        let shown = Probes { metrics: Arc::clone(&self.metrics), health: Arc::clone(&self.health) };
        let routes = http::health::router(shown, reach);
        let bounds = serve::Bounds {
            connections_max: PROBE_CONNECTIONS_MAX,
            read_timeout: self.config.api.read_timeout,
            drain_timeout: PROBE_DRAIN,
            clock: Arc::clone(&self.clock),
        };
        let stop = self.supervisor.stop(Stage::Watching);
        self.supervisor.spawn(Stage::Watching, "metrics server", serve::serve(probes, routes, bounds, stop));
        Ok(())
    }

    /// Opens the stores. From the first failure on the API port answers probes, so that whoever asks it
    /// learns what the start waits for; until then a request waits for the stores.
    async fn open_waiting(
        &self,
        signals: &mut Signals,
        api: Option<&TcpListener>,
        tls: Option<Arc<Tls>>,
    ) -> Result<Opened> {
        let (failed, stop) = (CancellationToken::new(), CancellationToken::new());
        let opening = async {
            let opened = self.open(signals, &failed).await;
            stop.cancel();
            opened
        };
        let answering = async {
            let Some(api) = api else { return Ok(()) };
            tokio::select! {
                () = failed.cancelled() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let reach = if loopback(api)? { Reach::ThisMachine } else { Reach::Anywhere };
            let routes = http::health::waiting_router(Arc::clone(&self.health), reach);
            serve::serve_with(again(api)?, routes, tls, self.bounds(PROBE_DRAIN), stop.clone()).await
        };
        let (opened, answered) = tokio::join!(opening, answering);
        answered?;
        opened
    }

    fn bounds(&self, drain_timeout: Duration) -> serve::Bounds {
        serve::Bounds {
            connections_max: self.config.api.connections_max,
            read_timeout: self.config.api.read_timeout,
            drain_timeout,
            clock: Arc::clone(&self.clock),
        }
    }

    /// Opens the stores. A server that is away is waited for, and named meanwhile; so is, for some seconds, a
    /// command that has the data directory. Whatever else is wrong ends the start.
    async fn open(&self, signals: &mut Signals, failed: &CancellationToken) -> Result<Opened> {
        let mut wait = START_RETRY_MIN;
        let mut held = Held::new(Arc::clone(&self.clock));
        loop {
            let told = Told::new(&self.metrics, &self.health, self.traces.clone());
            let (pulses, clock) = (self.pulses.clone(), Arc::clone(&self.clock));
            let opening = wiring::open(&self.config, self.role, told, pulses, clock);
            let error = match unless_signalled(signals, opening).await {
                Ok(opened) => {
                    self.health.report(START, None);
                    return Ok(opened);
                }
                Err(error) if error.code == Code::InUse => {
                    self.health.report(START, Some(error.to_string()));
                    let waiting = held.wait_on(error, &self.config);
                    unless_signalled(signals, waiting).await?;
                    continue;
                }
                Err(error) if error.kind() == Kind::Unavailable && wiring::has_servers(&self.config) => error,
                Err(error) => return Err(error),
            };
            let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.health.report(START, Some(error.to_string()));
            tracing::warn!(error.code = error.code.as_str(), retry_ms, "waiting for what the start needs: {error}");
            failed.cancel();
            unless_signalled(signals, self.clock.sleep(wait)).await;
            wait = (wait * 2).min(START_RETRY_MAX);
        }
    }

    fn project(&mut self, opened: &Opened, begun: Begun) {
        let owned: Arc<Mutex<Vec<Partition>>> = Arc::default();
        let is_projecting = begun.is_something();
        if is_projecting {
            let (metrics, health, shared) = (Arc::clone(&self.metrics), Arc::clone(&self.health), Arc::clone(&owned));
            let changes: Changes = Arc::new(move |change| {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match change {
                    Change::Shares(partitions) => {
                        metrics.owned(partitions);
                        partitions.clone_into(&mut shared);
                        health.report(GROUP, None);
                    }
                    // Partitions that it has go on.
                    Change::Denied(error) if shared.is_empty() => health.report(GROUP, Some(error.to_string())),
                    Change::Denied(_) => {}
                }
            });
            let stop = self.supervisor.stop(Stage::Projecting);
            self.supervisor.spawn(Stage::Projecting, "projector", begun.run(changes, stop));
            let (config, stop) = (self.config.clone(), self.supervisor.stop(Stage::Projecting));
            let (metrics, clock) = (Arc::clone(&self.metrics), Arc::clone(&self.clock));
            let watching = watch_retention(config, self.role, metrics, clock, stop);
            self.supervisor.spawn(Stage::Projecting, "retention watch", watching);
        }
        let watch = Watch {
            engine: opened.engine.clone(),
            names: wiring::dependencies(&self.config, self.role),
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
            owned,
        };
        let stop = self.supervisor.stop(Stage::Projecting);
        let watching = self.pulses.begin("watching dependencies").keep(watch.run(stop));
        self.supervisor.spawn(Stage::Projecting, "dependency watch", watching);
    }

    fn serve_api(&mut self, api: TcpListener, opened: &Opened, keeper: &Arc<Gatekeeper>, tls: Option<Arc<Tls>>) {
        let app = App::new(&self.config, &opened.engine, Arc::clone(&self.metrics), Arc::clone(&self.health));
        let app = App { traces: self.traces.clone(), ..app };
        let bounds = self.bounds(self.config.api.shutdown_timeout);
        let routes = http::router(app, keeper);
        let stop = self.supervisor.stop(Stage::Serving);
        let watching = Arc::clone(keeper).watch(Arc::clone(&self.clock), stop);
        self.supervisor.spawn(Stage::Serving, "tokens watch", watching);
        let stop = self.supervisor.stop(Stage::Serving);
        if let Some(tls) = &tls {
            let watching = Arc::clone(tls).watch(Arc::clone(&self.clock), stop.clone());
            self.supervisor.spawn(Stage::Serving, "certificate watch", watching);
        }
        self.supervisor.spawn(Stage::Serving, "api server", serve::serve_with(api, routes, tls, bounds, stop));
    }
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

/// Says so when the port is in use by a server on this very data directory: a second one is not needed.
fn by_whom(error: Error, config: &Config) -> Error {
    let server = wiring::find_server(&config.embedded.data_dir).filter(|_| error.code == Code::InUse);
    let Some(url) = server else { return error };
    let data = config.embedded.data_dir.display();
    Error::new(Code::InUse, format!("soma runs already on {data}, and listens on {url}"))
        .at("SOMA_API_PORT")
        .remedy("use that one: every command finds it; or stop it first")
        .because(error)
}

/// The same listener once more: connections come to whoever accepts first.
fn again(listener: &TcpListener) -> Result<TcpListener> {
    let failed = |error| Error::new(Code::Unavailable, "the API's port cannot be listened on twice").because(error);
    let socket = listener.as_fd().try_clone_to_owned().map_err(failed)?;
    TcpListener::from_std(std::net::TcpListener::from(socket)).map_err(failed)
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

/// Looks at what the process depends on, so that readiness is true though nobody writes.
struct Watch {
    engine: Engine,
    names: Dependencies,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// The partitions of this process, whose lag it shows.
    owned: Arc<Mutex<Vec<Partition>>>,
}

impl Watch {
    async fn run(self, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.look() => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.engine.clock.sleep(self.names.interval) => {}
            }
        }
        Ok(())
    }

    async fn look(&self) {
        let engine = &self.engine;
        let (points, bounds, position) =
            tokio::join!(engine.index.scan(None, 1), engine.log.bounds(), engine.position());
        self.health.report(self.names.index, points.as_ref().err().map(ToString::to_string));
        self.health.report(self.names.log, bounds.as_ref().err().map(ToString::to_string));
        self.health.report(self.names.records, position.as_ref().err().map(ToString::to_string));
        let (Ok(bounds), Ok(position)) = (bounds, position) else { return };
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for bounds in bounds.into_iter().filter(|bounds| owned.contains(&bounds.partition)) {
            let next = position.next(engine.log.id(), bounds.partition).max(bounds.first);
            if self.metrics.lag(bounds.partition, bounds.next.saturating_sub(next)) {
                continue;
            }
            // A start on a backlog: nothing has been projected yet that would tell how old it is.
            let one = ReadLimit { records: 1, bytes: 1 };
            if let Ok([record, ..]) = engine.log.read(bounds.partition, next, one).await.as_deref() {
                self.metrics.waits_since(bounds.partition, record.timestamp);
            }
        }
    }
}

/// Looks now and then for how long the log keeps a record.
async fn watch_retention(
    config: Config,
    role: Role,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<()> {
    while !stop.is_cancelled() {
        let looked = tokio::select! {
            () = stop.cancelled() => break,
            looked = wiring::retention(&config, role, &clock) => looked,
        };
        match looked {
            Ok(retention) => metrics.retention(Some(retention)),
            Err(error) => tracing::debug!("for how long the log keeps a record is not known: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.sleep(RETENTION_EVERY) => {}
        }
    }
    Ok(())
}

/// Says where everything is: to people in words, to programs in one line of the log.
fn welcome(config: &Config, opened: &Opened, api: Option<&str>, metrics: Option<&str>) {
    let stores = opened.places(config);
    match config.logging.format {
        Format::Json => {
            let shown: Vec<String> = stores.iter().map(|(what, place)| format!("{what} {place}")).collect();
            let data = config.embedded.data_dir.display();
            tracing::info!(api.url = api, metrics.url = metrics, data.dir = %data, stores = shown.join(", "), "soma is ready");
        }
        Format::Text => {
            let api_lines = api.map(|api| format!("  API      {api}\n  page     {api}/ui\n"));
            let metrics_line = metrics.map(|metrics| format!("  metrics  {metrics}/metrics\n"));
            let store_lines: String = stores.iter().map(|(what, place)| format!("  {what:<7}  {place}\n")).collect();
            let (api_lines, metrics_line) = (api_lines.unwrap_or_default(), metrics_line.unwrap_or_default());
            println!(
                "soma is ready\n{api_lines}{metrics_line}{store_lines}{}\nStop it with Ctrl-C.",
                trial(config, api)
            );
        }
    }
}

/// Two commands to copy.
fn trial(config: &Config, api: Option<&str>) -> String {
    let token = match config.api.access {
        crate::config::api::Access::Token(_) | crate::config::api::Access::File { .. } => {
            " -H \"Authorization: Bearer $SOMA_API_TOKEN\""
        }
        crate::config::api::Access::Loopback | crate::config::api::Access::Anyone => "",
    };
    let Some(api) = api else { return String::new() };
    format!(
        "\nTry it:\n  curl{token} {api}/v1/memories -d '{{\"payload\": {{\"text\": \"the sky is blue\"}}}}'\n  \
         curl{token} {api}/v1/recall -d '{{\"query\": \"sky\"}}'\n"
    )
}
