//! Where the tools of `soma mcp` do their work: as every command, on the server that is named, else on the one
//! that runs on the data directory, else on the directory itself.
//!
//! An agent lives long and asks seldom, so the directory is not kept: it is closed again when nobody has
//! asked for a while, and between two calls of an agent that asks all the time, for the next agent, command
//! or server. Who meets it in use waits for a moment. A server that has started meanwhile is talked to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::super::client::{self, Client};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::mcp::{Call, Routes};

/// How long the directory stays open after the last call.
const IDLE: Duration = Duration::from_secs(1);
/// How long it stays open while there are calls, before others get a chance.
const TURN: Duration = Duration::from_secs(2);
/// How long to wait for a directory that is in use, and how often to look.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Finds whoever answers, for each call anew.
pub(super) struct Door {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    here: Arc<Mutex<Opened>>,
}

/// The directory, while it is open here.
#[derive(Default)]
struct Opened {
    client: Option<Client>,
    since: Duration,
    calls: u64,
}

impl Door {
    pub(super) fn new(config: Config) -> Self {
        Self { config: Arc::new(config), clock: Arc::new(SystemClock::new()), here: Arc::default() }
    }

    /// Closes what is open.
    ///
    /// # Errors
    /// What stopped the projector.
    pub(super) async fn close(&self) -> Result<()> {
        let opened = Arc::clone(&self.here).lock_owned().await;
        blocking(move || closed(opened)).await
    }

    /// Opens the directory, or finds who has it.
    async fn enter(&self, mut opened: OwnedMutexGuard<Opened>) -> Result<OwnedMutexGuard<Opened>> {
        let began = self.clock.elapsed();
        loop {
            let config = Arc::clone(&self.config);
            let entered = blocking(move || {
                let entered = Client::connect(&config).map(|client| opened.client = Some(client));
                Ok((opened, entered))
            });
            let entered = entered.await?;
            opened = entered.0;
            match entered.1 {
                Ok(()) => {
                    opened.since = self.clock.elapsed();
                    return Ok(opened);
                }
                Err(error) if error.code == Code::InUse && self.clock.elapsed().saturating_sub(began) < PATIENCE => {
                    self.clock.sleep(LOOK_INTERVAL).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes a directory that has been open for long, and lets whoever waits for it in.
    async fn give_way(&self, mut opened: OwnedMutexGuard<Opened>) -> Result<OwnedMutexGuard<Opened>> {
        if opened.client.is_none() || self.clock.elapsed().saturating_sub(opened.since) < TURN {
            return Ok(opened);
        }
        let closing = blocking(move || {
            let closed = opened.client.take().map_or(Ok(()), Client::close);
            closed.map(|()| opened)
        });
        let opened = closing.await?;
        self.clock.sleep(LOOK_INTERVAL).await;
        Ok(opened)
    }

    /// Closes the directory unless it is used again within [`IDLE`].
    fn close_when_idle(&self, calls: u64) {
        let (here, clock) = (Arc::clone(&self.here), Arc::clone(&self.clock));
        let waiting = async move {
            clock.sleep(IDLE).await;
            let opened = here.lock_owned().await;
            if opened.calls == calls
                && let Err(error) = blocking(move || closed(opened)).await
            {
                tracing::warn!("the data directory could not be closed in order: {error}");
            }
        };
        #[expect(clippy::disallowed_methods, reason = "ends by itself, and its end matters to nobody")]
        drop(tokio::spawn(waiting));
    }
}

#[async_trait]
impl Routes for Door {
    async fn call(&self, call: Call) -> Result<Value> {
        let mut opened = self.give_way(Arc::clone(&self.here).lock_owned().await).await?;
        if opened.client.is_none() {
            opened = self.enter(opened).await?;
        }
        // A server takes calls side by side, the directory one after the other.
        if let Some(server) = opened.client.take_if(|client| client.url().is_some()) {
            drop(opened);
            return blocking(move || ask(&server, &call)).await;
        }
        opened.calls += 1;
        self.close_when_idle(opened.calls);
        // The client stays where it is, and is closed in order even if nobody waits for the answer any more.
        blocking(move || {
            let lost = || Error::new(Code::Internal, "the data directory is not open");
            ask(opened.client.as_ref().ok_or_else(lost)?, &call)
        })
        .await
    }
}

/// Closes what is open, and lets nobody in before that is done.
fn closed(mut opened: OwnedMutexGuard<Opened>) -> Result<()> {
    opened.client.take().map_or(Ok(()), Client::close)
}

fn ask(client: &Client, call: &Call) -> Result<Value> {
    client.call(&client::Call { method: call.method, target: &call.target, body: call.body.clone() })
}

/// Does work that blocks, beside the tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let lost = |error| Error::new(Code::Internal, "a call met a defect").because(error);
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}
