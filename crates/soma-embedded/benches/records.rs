//! What the record store costs: `cargo bench --workspace --bench records [-- <memories>]`.
//!
//! Writes memories of about 1 kB in batches of 1,000 through fold, stage and commit, then reads
//! them; prints one line per figure. Ids are random, which is the worst case for the indexes.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and reports")]

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use soma_core::event::{Content, Event, EventType};
use soma_core::filter::Filter;
use soma_core::fold::{self, Entry};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Place, Timestamp};
use soma_core::store::{Advance, Claim, ListKey, ListQuery, Order, Projecting, ProjectorName, Reading};
use soma_embedded::DataDir;
use soma_embedded::records::Records;
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const BATCH: u64 = 1_000;
const READS: u64 = 300;

/// Spreads the numbers from 1 on over all ids.
fn id(number: u64) -> Uuid {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Uuid::from_u64_pair(spread, spread.rotate_left(32))
}

fn created(number: u64, place: Place) -> Outcome<Entry> {
    let words = (0..140).map(|n| format!("w{:05}", number.wrapping_mul(31).wrapping_add(n) % 50_000));
    let words: Vec<String> = words.collect();
    let content = Content {
        payload: json!({"text": words.join(" "), "n": number, "tags": ["a", format!("t{}", number % 1_000)]}),
        importance: Some(number as f64 % 100.0),
        embedding: None,
        model_revision: None,
    };
    let event = Event {
        event_id: EventId(id(number ^ (1 << 40))),
        id: MemoryId(id(number)),
        namespace: Some(Namespace::parse("bench")?),
        kind: EventType::Created,
        timestamp: Timestamp(i64::try_from(number)? * 1_000),
        content: Some(content),
    };
    Ok(Entry { event, place })
}

/// Time in stage, and in commit.
async fn batch(records: &Records, claim: &Claim, from: u64) -> Outcome<(Duration, Duration, Duration)> {
    let place = |offset| Place { log: claim.log.clone(), partition: claim.partition, offset };
    let entries = (from..from + BATCH).map(|number| created(number, place(number))).collect::<Outcome<Vec<_>>>()?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.event.id).collect();
    let events: Vec<_> = entries.iter().map(|entry| entry.event.event_id).collect();
    let started = Instant::now();
    let mut staging = records.begin(claim).await?;
    let loaded = staging.load(&ids, &events).await?;
    let load = started.elapsed();
    let folded = fold::batch(&loaded, &entries, &HashMap::new()).map_err(|_| "an event is late")?;
    let started = Instant::now();
    staging.stage(&folded.changes).await?;
    let stage = started.elapsed();
    let started = Instant::now();
    staging.commit(Advance { next: from + BATCH, last: None, now: Timestamp(1) }).await?;
    Ok((load, stage, started.elapsed()))
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{name:44} p50 {:8.3} ms  p95 {:8.3} ms  max {:8.3} ms", at(50), at(95), at(100));
}

async fn lists(records: &Records, memories: u64) -> Outcome {
    let none: Option<Value> = None;
    let cases = [
        ("list page of 100, newest", Order::Newest, none.clone()),
        ("list page of 100, oldest", Order::Oldest, none.clone()),
        ("list page of 100, importance", Order::Importance, none),
        ("… one in 1,000 by payload.tags", Order::Newest, Some(json!({"field": "payload.tags", "eq": "t7"}))),
        ("… none by payload", Order::Newest, Some(json!({"field": "payload.n", "eq": -1}))),
        ("… none by time", Order::Newest, Some(json!({"field": "created_at", "gt": "2100-01-01T00:00:00Z"}))),
    ];
    for (name, order, filter) in cases {
        let filter = filter.as_ref().map(Filter::parse).transpose()?;
        let rounds = if filter.is_some() { 5 } else { READS };
        let mut times = Vec::new();
        for round in 0..rounds {
            let number = round.wrapping_mul(7_919) % memories;
            let updated_at = Timestamp(i64::try_from(number)? * 1_000);
            let key = ListKey { updated_at, importance: Some(number as f64 % 100.0), id: MemoryId(id(number)) };
            let namespaces = Some(vec![Namespace::parse("bench")?]);
            let after = Some(key).filter(|_| filter.is_none());
            let started = Instant::now();
            records.list(&ListQuery { namespaces, filter: filter.clone(), order, after, limit: 100 }).await?;
            times.push(started.elapsed());
        }
        report(name, times);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let memories: u64 = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let directory = DataDir::open(folder.path())?;
    let records = Records::open(&directory)?;
    let claimed = records.claim(&ProjectorName::memory(), &LogId::new("bench"), 0, Timestamp(1)).await?;
    let (mut load, mut stage, mut commit) = (Vec::new(), Vec::new(), Vec::new());
    for from in (0..memories).step_by(1_000) {
        let times = batch(&records, &claimed.claim, from).await?;
        load.push(times.0);
        stage.push(times.1);
        commit.push(times.2);
    }
    let total: Duration = load.iter().chain(&stage).chain(&commit).sum();
    println!("{memories} memories: {:.0} rows/s (load, stage and commit)", memories as f64 / total.as_secs_f64());
    report("load of 1,000", load);
    report("stage of 1,000", stage);
    report("commit of 1,000", commit);

    let mut times = Vec::new();
    for round in 0..READS {
        let ids: Vec<_> = (0..100).map(|n| MemoryId(id((round * 100 + n).wrapping_mul(7_919) % memories))).collect();
        let started = Instant::now();
        records.states(&ids).await?;
        times.push(started.elapsed());
    }
    report("states of 100 ids", times);
    lists(&records, memories).await?;
    let mut times = Vec::new();
    for _ in 0..READS {
        let started = Instant::now();
        records.counts().await?;
        times.push(started.elapsed());
    }
    report("counts", times);
    records.close().await?;
    let bytes = fs::metadata(records.path())?.len();
    println!("{:.0} bytes on disk per memory", bytes as f64 / memories as f64);
    Ok(())
}
