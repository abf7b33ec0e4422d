//! A write, then a read that sees it, beside a commit, an upsert and a select without anything between.

use soma_core::Result;
use soma_core::index::Op;

use super::super::client::{Call, Client};
use super::super::output::text;
use super::batches::unheard;
use super::lab::{Bare, BareItems, Lab};
use super::report::Figure;
use super::server::after;
use super::stats::{alternate, sampled};

pub(super) fn measure(lab: &mut Lab, client: &Client, bare: &mut Bare, size: u64) -> Result<Vec<Figure>> {
    let items = lab.texts.items(lab.bounds.rounds);
    let BareItems { rows, ops } = lab.bare_items(&items)?;
    let mut ops = ops.into_iter();
    let mut bodies: Vec<Vec<u8>> = items.iter().map(|item| item.body().to_string().into_bytes()).collect();
    let (clock, runtime) = (lab.clock.as_ref(), &lab.runtime);
    let mut ours = |round: usize| {
        let body = std::mem::take(&mut bodies[round]);
        sampled(clock, || {
            let written = client.send("POST", "/v1/memories", Some(body))?.body;
            let (id, position) = (text(&written, "id"), text(&written, "position"));
            if position.is_empty() {
                return Err(unheard());
            }
            client.call(&Call::get(&after(&format!("/v1/memories/{id}"), position)))
        })
    };
    let mut theirs = |round: usize| {
        let op: Vec<Op> = ops.next().into_iter().collect();
        sampled(clock, || {
            bare.commits.commit(&rows[round..=round])?;
            runtime.block_on(bare.index.write(op))?;
            bare.commits.read(rows[round].id)
        })
    };
    let mut all = alternate(clock, lab.bounds, &mut [&mut ours, &mut theirs])?;
    let bare = all.split_off(1);
    Ok(vec![Figure::new("write_then_read", size, all.swap_remove(0), bare)])
}
