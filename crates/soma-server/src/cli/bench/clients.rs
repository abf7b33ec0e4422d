//! 64 clients that each write one memory after the other, beside single commits, beside 64 clients that
//! ask for nothing, and beside upserts of the same memories.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::ids::Position;
use soma_core::{Error, Result};

use super::super::client::Client;
use super::batches::{per_second, unheard};
use super::lab::{Bare, BareItems, Lab};
use super::report::Figure;
use super::server::{Server, drain};
use super::stats::{Bounds, Samples, alternate, timed};
use super::texts::Item;

pub(super) const CLIENTS: usize = 64;
/// Requests of each client in one round.
const REQUESTS: usize = 10;
const EVENTS: usize = CLIENTS * REQUESTS;
/// Rounds are long; this many are enough.
const ROUNDS_MAX: usize = 5;

pub(super) fn measure(lab: &mut Lab, server: &Server, bare: &mut Bare, size: u64) -> Result<Vec<Figure>> {
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let bounds = Bounds { rounds: lab.bounds.rounds.min(ROUNDS_MAX), ..lab.bounds };
    let rounds: Vec<Vec<Item>> = (0..bounds.rounds).map(|_| lab.texts.items(EVENTS)).collect();
    let mut twins = rounds.iter().map(|items| lab.bare_items(items)).collect::<Result<Vec<_>>>()?;
    let clock = lab.clock.as_ref();
    let (mut stored, mut upserts) = (Samples::default(), Samples::default());
    let mut write = |round: usize| {
        let bodies: Vec<Vec<u8>> = rounds[round].iter().map(|item| item.body().to_string().into_bytes()).collect();
        let (storing, accepting) = timed(clock, || {
            let accepting = together(clock, &clients, REQUESTS, |client, n| {
                client.send("POST", "/v1/memories", Some(bodies[n].clone())).map(|reply| reply.body)
            })?;
            drain(&clients[0], &newest(&accepting.1)?)?;
            Ok(accepting.0)
        })?;
        stored.push(per_second(EVENTS, storing));
        Ok(Samples::one(per_second(EVENTS, accepting)))
    };
    let mut commit = |round: usize| {
        let BareItems { rows, ops } = &mut twins[round];
        let (upserting, ()) = timed(clock, || lab.runtime.block_on(bare.index.write(std::mem::take(ops))))?;
        upserts.push(per_second(EVENTS, upserting));
        let (ms, ()) = timed(clock, || rows.chunks(1).try_for_each(|row| bare.commits.commit(row)))?;
        Ok(Samples::one(per_second(EVENTS, ms)))
    };
    let mut ping = |_| {
        let ping = |client: &Client, _| client.send("GET", "/livez", None).map(|reply| reply.body);
        let (ms, _) = together(clock, &clients, REQUESTS, ping)?;
        Ok(Samples::one(per_second(EVENTS, ms)))
    };
    let mut all = alternate(clock, bounds, &mut [&mut write, &mut commit, &mut ping])?;
    let beside = all.split_off(1);
    Ok(vec![
        Figure::new("clients_accepted", size, all.swap_remove(0), beside),
        Figure::new("clients_stored", size, stored, vec![upserts]),
    ])
}

/// Every client makes its requests, all clients at once: the milliseconds until the last one is done, and
/// what each client heard last.
pub(super) fn together(
    clock: &dyn Clock,
    clients: &[Client],
    requests: usize,
    request: impl Fn(&Client, usize) -> Result<Value> + Sync,
) -> Result<(f64, Vec<Value>)> {
    let barrier = Barrier::new(clients.len() + 1);
    let answers = Mutex::new(Vec::with_capacity(clients.len()));
    let one = |(at, client): (usize, &Client)| -> Result<()> {
        barrier.wait();
        let mut last = Value::Null;
        for n in 0..requests {
            last = request(client, at * requests + n)?;
        }
        answers.lock().unwrap_or_else(PoisonError::into_inner).push(last);
        Ok(())
    };
    let ms = thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = clients.iter().enumerate().map(|item| scope.spawn(move || one(item))).collect();
        barrier.wait();
        timed(clock, || {
            for thread in threads {
                thread.join().map_err(|_| Error::new(Code::Internal, "a client met a defect"))??;
            }
            Ok(())
        })
    })?;
    Ok((ms.0, answers.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// A position that covers all answers.
fn newest(answers: &[Value]) -> Result<Value> {
    let mut all = Position::default();
    for answer in answers {
        let position = answer.get("position").and_then(Value::as_str).ok_or_else(unheard)?;
        all.merge(&Position::parse(position)?);
    }
    Ok(all.to_string().into())
}
