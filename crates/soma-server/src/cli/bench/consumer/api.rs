//! Durable writes of 64 clients over HTTP, beside a bare producer with 64 records in flight.

use std::sync::Arc;
use std::time::Duration;

use soma_core::Result;
use tokio::task::JoinSet;

use super::super::super::client::Client;
use super::super::batches::per_second;
use super::super::clients::{CLIENTS, together};
use super::super::stats::{Bounds, Samples, alternate, timed};
use super::process::Process;
use super::site::{self, Site};

/// Requests of each client in one round.
const REQUESTS: usize = 50;
const EVENTS: usize = CLIENTS * REQUESTS;
const BOUNDS: Bounds = Bounds { rounds: 7, time: Duration::from_secs(60) };
const ROOM: &str = "api";

/// Events a second: ours, the bare producer's, and requests for nothing.
///
/// # Errors
/// `unavailable`.
pub(super) fn measure(site: &mut Site) -> Result<[Samples; 3]> {
    site.enter(ROOM);
    site.runtime.block_on(site.servers.make_schema(ROOM))?;
    let process = Process::start(site, ROOM, &["api"], "api.url")?;
    let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::at(process.url.clone())).collect();
    let sender = site.servers.sender()?;
    let bodies = site.bodies(EVENTS);
    let events = site.events(EVENTS)?;
    let clock = Arc::clone(&site.clock);
    let clock = clock.as_ref();
    let write = |client: &Client, n: usize| {
        client.send("POST", "/v1/memories", Some(bodies[n].clone())).map(|reply| reply.body)
    };
    let ping = |client: &Client, _| client.send("GET", "/livez", None).map(|reply| reply.body);
    // Connections are made before anything is measured.
    together(clock, &clients, 1, write)?;
    let mut ours = |_| rate(together(clock, &clients, REQUESTS, write)?.0);
    let mut bare = |_| {
        let records: Vec<Vec<(Vec<u8>, Vec<u8>)>> = events.chunks(REQUESTS).map(spelled).collect();
        let sender = sender.clone();
        let (ms, ()) = timed(clock, || site.runtime.block_on(in_flight(sender, records)))?;
        rate(ms)
    };
    let mut nothing = |_| rate(together(clock, &clients, REQUESTS, ping)?.0);
    let all = alternate(clock, BOUNDS, &mut [&mut ours, &mut bare, &mut nothing])?;
    process.stop()?;
    let mut all = all.into_iter();
    Ok(std::array::from_fn(|_| all.next().unwrap_or_default()))
}

fn rate(ms: f64) -> Result<Samples> {
    Ok(Samples::one(per_second(EVENTS, ms)))
}

/// Keys and values as a writer hands them over.
fn spelled(events: &[soma_core::event::Event]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let record = |event| {
        let record = site::record(event);
        (record.key.unwrap_or_default(), record.value.unwrap_or_default())
    };
    events.iter().map(record).collect()
}

/// Each list one record after the other, all lists at once.
async fn in_flight(sender: crate::wiring::servers::Sender, lists: Vec<Vec<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
    let mut going = JoinSet::new();
    for list in lists {
        let sender = sender.clone();
        going.spawn(async move {
            for (key, value) in list {
                sender.send(&key, &value).await?;
            }
            Ok::<(), soma_core::Error>(())
        });
    }
    while let Some(gone) = going.join_next().await {
        gone.map_err(super::steady::lost)??;
    }
    Ok(())
}
