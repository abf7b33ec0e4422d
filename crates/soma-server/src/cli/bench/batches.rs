//! Filling the stores in batches of 1000, beside bare inserts and upserts of the same memories.
//!
//! A round sends some batches over HTTP and waits until both stores have them; then the same memories go
//! into the bare table and the bare index. So the store that everything else is measured on and its bare
//! twin hold the same, and grow alike.

use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result, limits};

use super::super::client::Client;
use super::lab::{Bare, BareItems, Lab};
use super::report::Figure;
use super::server::drain;
use super::stats::{Samples, timed};
use super::texts::Item;

/// Memories between two waits, while there are few and when there are many: rounds must be many
/// enough to have a median, and long enough for the projector to work beside the writer.
const ROUND_SMALL: usize = 2_000;
const ROUND_LARGE: usize = 5_000;
const LARGE: usize = 50_000;

#[derive(Default)]
struct Rates {
    accepted: Samples,
    stored: Samples,
    table: Samples,
    index: Samples,
    embedding: Samples,
}

/// Adds so many memories to the server and to the bare stores.
///
/// # Errors
/// Those of the server and of the bare stores.
pub(super) fn fill(lab: &mut Lab, client: &Client, bare: &mut Bare, count: usize, size: u64) -> Result<Vec<Figure>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut rates = Rates::default();
    let round = if count < LARGE { ROUND_SMALL } else { ROUND_LARGE };
    let mut left = count;
    while left > 0 {
        let items = lab.texts.items(left.min(round));
        left -= items.len();
        ours(lab, client, &items, &mut rates)?;
        theirs(lab, bare, &items, &mut rates)?;
    }
    let Rates { accepted, stored, table, index, embedding } = rates;
    Ok(vec![
        Figure::new("batch_accepted", size, accepted, vec![table.clone()]),
        Figure::new("batch_stored", size, stored, vec![index, table, embedding]),
    ])
}

fn ours(lab: &Lab, client: &Client, items: &[Item], rates: &mut Rates) -> Result<()> {
    let bodies: Vec<Vec<u8>> = items.chunks(limits::BATCH_ITEMS_MAX).map(body).collect();
    let mut accepting = 0.0;
    let (storing, ()) = timed(lab.clock.as_ref(), || {
        let mut position = Value::Null;
        for body in bodies {
            let sent = timed(lab.clock.as_ref(), || client.send("POST", "/v1/memories/batch", Some(body)))?;
            accepting += sent.0;
            position = sent.1.body.get("position").cloned().ok_or_else(unheard)?;
        }
        drain(client, &position)
    })?;
    rates.accepted.push(per_second(items.len(), accepting));
    rates.stored.push(per_second(items.len(), storing));
    Ok(())
}

fn theirs(lab: &Lab, bare: &mut Bare, items: &[Item], rates: &mut Rates) -> Result<()> {
    let (embedding, BareItems { rows, mut ops }) = timed(lab.clock.as_ref(), || lab.bare_items(items))?;
    let (inserting, ()) = timed(lab.clock.as_ref(), || {
        rows.chunks(limits::BATCH_ITEMS_MAX).try_for_each(|chunk| bare.table.commit(chunk))
    })?;
    let mut batches = Vec::new();
    while !ops.is_empty() {
        batches.push(ops.drain(..ops.len().min(limits::BATCH_ITEMS_MAX)).collect());
    }
    let (upserting, ()) = timed(lab.clock.as_ref(), || {
        lab.runtime.block_on(async {
            for batch in batches {
                bare.index.write(batch).await?;
            }
            bare.index.flush().await
        })
    })?;
    rates.embedding.push(per_second(items.len(), embedding));
    rates.table.push(per_second(items.len(), inserting));
    rates.index.push(per_second(items.len(), upserting));
    Ok(())
}

fn body(items: &[Item]) -> Vec<u8> {
    Value::Array(items.iter().map(Item::body).collect()).to_string().into_bytes()
}

pub(super) fn per_second(events: usize, ms: f64) -> f64 {
    events as f64 * 1e3 / ms.max(1e-6)
}

/// A write was answered without the position that the contract promises.
pub(super) fn unheard() -> Error {
    Error::new(Code::Internal, "an answer to a write has no position").remedy("report this")
}
