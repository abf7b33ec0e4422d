//! How the servers are, for the doctor: each looked at by itself, and nothing changed.

mod broker;
mod reaching;
mod stores;

use std::sync::Arc;

use soma_core::Error;
use soma_core::clock::Clock;
use soma_core::embed::Identity;

use crate::config::Config;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work, or will not for long.
    Failed,
}

/// What was seen of a server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was measured.
    pub measured: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Seen {
    fn ok(check: &'static str, measured: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, measured: measured.into(), remedy: None }
    }

    fn odd(check: &'static str, measured: impl Into<String>, remedy: &str) -> Self {
        Self { check, verdict: Verdict::Warning, measured: measured.into(), remedy: Some(remedy.to_owned()) }
    }

    fn failed(check: &'static str, measured: impl Into<String>, remedy: &str) -> Self {
        Self { check, verdict: Verdict::Failed, measured: measured.into(), remedy: Some(remedy.to_owned()) }
    }

    fn of_error(check: &'static str, error: &Error) -> Self {
        let (measured, remedy) = (error.message.clone(), error.remedy.clone());
        Self { check, verdict: Verdict::Failed, measured, remedy }
    }
}

/// Looks at every server that is configured; changes nothing.
pub(crate) async fn examine(config: &Config, identity: &Identity, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    let (reaching, kafka, postgres, qdrant, registry) = tokio::join!(
        reaching::all(config, clock),
        broker::broker(config, clock),
        stores::records(config, clock),
        stores::points(config, identity),
        broker::registry(config)
    );
    [reaching, kafka, postgres, qdrant, registry].concat()
}
