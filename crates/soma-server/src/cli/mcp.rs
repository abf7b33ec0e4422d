//! `soma mcp`: the memory as tools for one agent, on standard input and output.
//!
//! Standard output carries the protocol and nothing else; the log goes to standard error. It ends when
//! standard input does, or at a signal, after the answers in hand.

mod door;
mod wire;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rmcp::ServiceExt as _;
use rmcp::service::{QuitReason, ServerInitializeError};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::client::runtime;
use crate::config::Config;
use crate::mcp::{Server, Session};
use crate::supervisor::Signals;
use door::Door;
use wire::Wire;

/// How long threads may take that wait for input which nobody needs any more.
const LEFT_OVER: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Where the agent works when it names no namespace [variable: SOMA_MEMORY_NAMESPACE].
    #[arg(long, short)]
    namespace: Option<String>,
}

impl Flags {
    /// Adds what was given to the flags that the configuration reads.
    pub(super) fn add_to(&self, flags: &mut BTreeMap<&'static str, String>) {
        flags.extend(self.namespace.clone().map(|name| ("SOMA_MEMORY_NAMESPACE", name)));
    }
}

pub(super) fn run(config: Config) -> Result<ExitCode> {
    // A server has a default of its own, which counts unless this agent was given one.
    let named = config.is_set("SOMA_MEMORY_NAMESPACE");
    let namespace = named.then(|| config.api.namespace.to_string());
    let runtime = runtime()?;
    let door = Arc::new(Door::new(config));
    let session = Session { routes: Arc::<Door>::clone(&door), namespace, seen: Arc::default() };
    let served = runtime.block_on(serve(Server::new(session)));
    let closed = runtime.block_on(door.close());
    runtime.shutdown_timeout(LEFT_OVER);
    served.and(closed).map(|()| ExitCode::SUCCESS)
}

/// Serves until standard input ends, or a signal comes.
async fn serve(server: Server) -> Result<()> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let serving = async {
        let (input, output) = rmcp::transport::io::stdio_pipes();
        let running = match server.serve_with_ct(Wire::new(input, output), stop.clone()).await {
            Ok(running) => running,
            // Whoever started this went away before it said anything.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
            Err(error) => {
                return Err(Error::new(Code::BadRequest, format!("the client does not begin as it should: {error}"))
                    .remedy("start `soma mcp` from an agent that speaks the Model Context Protocol over stdio"));
            }
        };
        match running.waiting().await {
            Ok(QuitReason::JoinError(error)) | Err(error) => {
                Err(Error::new(Code::Internal, "serving the agent met a defect").because(error))
            }
            Ok(_) => Ok(()),
        }
    };
    tokio::pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => ended,
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            stop.cancel();
            serving.await
        }
    }
}
