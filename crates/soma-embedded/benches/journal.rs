//! What durable appends cost: `cargo bench -p soma-embedded --bench journal [-- <folder>]`.
//!
//! Values of 1 kB, a UUID as key, an event id each. One client, 64 clients, and batches of 1,000; and
//! in the same run, in the same folder, a bare SQLite file in WAL mode with `synchronous=FULL` that
//! commits one row of 1 kB at a time, which is the floor. The rounds of both alternate, so that a disk
//! that changes its mood does so for both. Prints one line per figure.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and reports")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use soma_core::ids::EventId;
use soma_core::log::{EventLog, NewRecord, ReadLimit};
use soma_core::testing::SeededClock;
use soma_embedded::DataDir;
use soma_embedded::journal::Journal;
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const VALUE_BYTES: usize = 1_000;
const ROUNDS: usize = 10;
const COMMITS: usize = 200;
const CLIENTS: usize = 64;
const BATCHES: usize = 50;
const BATCH: usize = 1_000;

/// Ids that grow like UUIDv7: a time in front, noise behind.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u64_pair(self.0 << 16, self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn record(&mut self) -> NewRecord {
        NewRecord {
            key: Some(self.next().to_string().into_bytes()),
            value: Some(vec![b'v'; VALUE_BYTES]),
            headers: vec![("content-type".into(), b"application/json".to_vec())],
            event_id: Some(EventId(self.next())),
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn report(name: &str, mut latencies: Vec<Duration>, events: usize, took: Duration) -> Duration {
    latencies.sort_unstable();
    let (p50, p99) = (percentile(&latencies, 50), percentile(&latencies, 99));
    let rate = events as f64 / took.as_secs_f64();
    println!("{name:<34} {rate:>9.0} events/s   p50 {p50:>9.1?}   p99 {p99:>9.1?}");
    p50
}

/// Commits of one row each, on a connection of its own.
struct Bare(rusqlite::Connection);

impl Bare {
    fn open(folder: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(folder.join("bare.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB)",
        )?;
        Ok(Self(connection))
    }

    fn commit(&self) -> Outcome<Duration> {
        let begun = Instant::now();
        self.0.prepare_cached("INSERT INTO t (v) VALUES (?1)")?.execute([vec![b'v'; VALUE_BYTES]])?;
        Ok(begun.elapsed())
    }
}

async fn one_client(journal: &Journal, bare: &Bare, ids: &mut Ids) -> Outcome {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..COMMITS {
            floor.push(bare.commit()?);
        }
        for _ in 0..COMMITS {
            let record = ids.record();
            let begun = Instant::now();
            journal.append(vec![record]).await?;
            ours.push(begun.elapsed());
        }
    }
    let (floor_took, ours_took) = (floor.iter().sum(), ours.iter().sum());
    let floor = report("bare SQLite commit", floor, ROUNDS * COMMITS, floor_took);
    let ours = report("1 client", ours, ROUNDS * COMMITS, ours_took);
    println!("{:<34} {:>9.2}", "1 client p50 / bare commit p50", ours.as_secs_f64() / floor.as_secs_f64());
    Ok(())
}

async fn many_clients(journal: &Arc<Journal>) -> Outcome {
    let before = journal.stats();
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let journal = Arc::clone(journal);
        tokio::spawn(async move {
            let mut ids = Ids((client as u64 + 1) << 32);
            let mut latencies = Vec::new();
            for _ in 0..COMMITS {
                let record = ids.record();
                let begun = Instant::now();
                journal.append(vec![record]).await?;
                latencies.push(begun.elapsed());
            }
            Ok::<_, soma_core::Error>(latencies)
        })
    });
    let mut latencies = Vec::new();
    for client in join_all(clients).await {
        latencies.extend(client??);
    }
    let took = begun.elapsed();
    let stats = journal.stats();
    report(&format!("{CLIENTS} clients"), latencies, CLIENTS * COMMITS, took);
    let per_commit = (stats.records - before.records) as f64 / (stats.commits - before.commits) as f64;
    println!("{:<34} {per_commit:>9.1}", "events per commit");
    Ok(())
}

async fn batches(journal: &Journal, ids: &mut Ids) -> Outcome {
    let mut latencies = Vec::new();
    let mut took = Duration::ZERO;
    for _ in 0..BATCHES {
        let records = (0..BATCH).map(|_| ids.record()).collect();
        let begun = Instant::now();
        journal.append(records).await?;
        latencies.push(begun.elapsed());
        took += begun.elapsed();
    }
    report(&format!("batches of {BATCH}"), latencies, BATCHES * BATCH, took);
    Ok(())
}

async fn reads(journal: &Journal) -> Outcome {
    let begun = Instant::now();
    let (mut from, mut latencies) = (0, Vec::new());
    loop {
        let begun = Instant::now();
        let page = journal.read(0, from, ReadLimit { records: BATCH, bytes: 8 << 20 }).await?;
        if page.is_empty() {
            break;
        }
        from += page.len() as u64;
        latencies.push(begun.elapsed());
    }
    report(&format!("reading {BATCH} at a time"), latencies, usize::try_from(from)?, begun.elapsed());
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let told = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let folder = match told {
        Some(folder) => tempfile::tempdir_in(PathBuf::from(folder))?,
        None => tempfile::tempdir()?,
    };
    let begun = Instant::now();
    let journal = Arc::new(Journal::open(&DataDir::open(&folder.path().join("data"))?, Arc::new(SeededClock::new(1)))?);
    println!("{:<34} {:>9.1?}", "opening an empty folder", begun.elapsed());
    let bare = Bare::open(folder.path())?;
    let mut ids = Ids(1);
    one_client(&journal, &bare, &mut ids).await?;
    many_clients(&journal).await?;
    batches(&journal, &mut ids).await?;
    reads(&journal).await?;
    let records = journal.bounds().await?[0].next;
    journal.close().await?;
    let bytes = folder.path().join("data/journal.db").metadata()?.len();
    println!("{:<34} {:>9}", "bytes on disk per event of 1 kB", bytes / records);
    Ok(())
}
