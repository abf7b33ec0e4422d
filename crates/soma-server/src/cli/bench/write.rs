//! One durable write by one client, over HTTP and in process, beside a bare commit of the same bytes
//! in the same folder.

use soma_core::engine::Context;
use soma_core::error::Code;
use soma_core::event::build::Draft;
use soma_core::ids::Namespace;
use soma_core::{Error, Result};

use super::super::client::{Call, Client, Here};
use super::lab::{Bare, Lab};
use super::report::Figure;
use super::server::drain;
use super::stats::{Samples, alternate, sampled, timed};
use super::texts::Item;
use crate::wiring::bare::Row;

/// Over HTTP, beside a commit and beside a request that does nothing.
pub(super) fn http(lab: &mut Lab, client: &Client, bare: &mut Bare, size: u64) -> Result<Vec<Figure>> {
    let items = lab.texts.items(lab.bounds.rounds);
    let rows = lab.bare_items(&items)?.rows;
    let mut bodies: Vec<Vec<u8>> = items.iter().map(|item| item.body().to_string().into_bytes()).collect();
    let clock = lab.clock.as_ref();
    let mut last = None;
    let mut ours = |round: usize| {
        let body = std::mem::take(&mut bodies[round]);
        let (ms, reply) = timed(clock, || client.send("POST", "/v1/memories", Some(body)))?;
        last = reply.body.get("position").cloned();
        Ok(Samples::one(ms))
    };
    let mut commit = |round: usize| sampled(clock, || bare.commits.commit(&rows[round..=round]));
    let mut ping = |_| sampled(clock, || client.call(&Call::get("/livez")));
    let mut all = alternate(clock, lab.bounds, &mut [&mut ours, &mut commit, &mut ping])?;
    if let Some(position) = last {
        drain(client, &position)?;
    }
    let bare = all.split_off(1);
    Ok(vec![Figure::new("write_http", size, all.swap_remove(0), bare)])
}

/// In process, on the same directory once nobody serves it.
pub(super) fn engine(lab: &mut Lab, bare: &mut Bare, size: u64) -> Result<Vec<Figure>> {
    let items = lab.texts.items(lab.bounds.rounds);
    let rows: Vec<Row> = lab.bare_items(&items)?.rows;
    let mut drafts = items.iter().map(draft).collect::<Result<Vec<_>>>()?.into_iter();
    let here = Here::open(&lab.config)?;
    let clock = lab.clock.as_ref();
    let mut ours = |_| {
        let draft: Vec<Draft> = drafts.next().into_iter().collect();
        sampled(clock, || {
            let written = here.block_on(here.engine().remember(draft, Context::default()))?;
            written.into_iter().next().unwrap_or_else(|| Err(Error::new(Code::Internal, "a write has no answer")))
        })
    };
    let mut commit = |round: usize| sampled(clock, || bare.commits.commit(&rows[round..=round]));
    let measured = alternate(clock, lab.bounds, &mut [&mut ours, &mut commit]);
    here.close()?;
    let mut all = measured?;
    let bare = all.split_off(1);
    Ok(vec![Figure::new("write_engine", size, all.swap_remove(0), bare)])
}

fn draft(item: &Item) -> Result<Draft> {
    Ok(Draft::created(Namespace::parse(&item.namespace)?, item.payload.clone()))
}
