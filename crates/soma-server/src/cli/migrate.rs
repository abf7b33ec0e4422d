//! `soma migrate`: makes what is missing (topics, tables, collection), brings it to this version, and ends.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use soma_core::Result;
use soma_core::clock::Clock;
use soma_core::projector::observe::Nobody;
use soma_core::pulse::Pulses;

use super::client::runtime;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wiring::{self, Role};

pub(super) fn run(config: &Config, out: &Output) -> Result<ExitCode> {
    let places = runtime()?.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let pulses = Pulses::new(Arc::clone(&clock));
        let opened = wiring::open(config, Role::Command, Arc::new(Nobody), pulses, clock).await?;
        opened.close().await;
        Ok::<_, soma_core::Error>(opened.places(config))
    })?;
    let shown: serde_json::Map<String, serde_json::Value> =
        places.iter().map(|(what, place)| ((*what).to_owned(), place.clone().into())).collect();
    out.result(&json!({ "ready": shown }), || {
        places.iter().map(|(what, place)| format!("{what:<7}  {place}  ready")).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}
