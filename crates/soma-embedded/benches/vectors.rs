//! What the vector index costs: `cargo bench -p soma-embedded --bench vectors [-- <points> …]`.
//!
//! Writes points of about 1 kB of text (words drawn from a Zipf vocabulary, whose most frequent ones
//! are stop words and not indexed) with 768 dimensions in batches of 1,000, flushing once a second,
//! and prints one line per figure. Processor times hold on a busy machine too.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and reports")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::filter::{Field, Filter, Test};
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_embedded::vectors::Vectors;
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 768;
const VOCABULARY: f64 = 50_000.0;
/// As many as the stop list has.
const STOP_WORDS: u32 = 60;
const SEARCHES: usize = 300;

/// xorshift64*, so that every run measures the same points.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A word's rank: Zipf with exponent 1, by inversion.
    fn word(&mut self) -> u32 {
        VOCABULARY.powf(self.unit()) as u32
    }

    fn content_word(&mut self) -> u32 {
        std::iter::repeat_with(|| self.word()).find(|word| *word > STOP_WORDS).unwrap_or(STOP_WORDS + 1)
    }

    fn dense(&mut self) -> Vec<f32> {
        let raw: Vec<f64> = (0..DIMS).map(|_| self.unit() - 0.5).collect();
        let norm = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
        raw.iter().map(|x| (x / norm) as f32).collect()
    }
}

const fn term(word: u32) -> u32 {
    word.wrapping_mul(2_654_435_761)
}

fn point(random: &mut Random, n: usize, rev: u64) -> Point {
    let words: Vec<u32> = (0..150).map(|_| random.word()).collect();
    let mut indices: Vec<u32> = words.iter().copied().filter(|word| *word > STOP_WORDS).map(term).collect();
    indices.sort_unstable();
    indices.dedup();
    let text: Vec<String> = words.iter().map(|word| format!("w{word:05}")).collect();
    Point {
        id: MemoryId(Uuid::from_u64_pair(random.next(), n as u64)),
        rev,
        event_id: EventId(Uuid::from_u64_pair(rev, n as u64)),
        kind: EventType::Created,
        namespace: Namespace::parse(&format!("space-{}", n % 10)).expect("a valid name"),
        created_at: Timestamp(1_700_000_000_000_000 + n as i64),
        updated_at: Timestamp(1_700_000_000_000_000 + n as i64),
        importance: Some(random.unit()),
        model_revision: None,
        thread: None,
        payload: json!({"text": text.join(" "), "user": {"id": n % 100}, "tags": ["a", "b"]}),
        dense: random.dense(),
        sparse: Sparse { values: vec![1.0; indices.len()], indices },
    }
}

fn words(random: &mut Random, terms: usize) -> Query {
    let mut indices: Vec<u32> = (0..terms).map(|_| term(random.content_word())).collect();
    indices.sort_unstable();
    indices.dedup();
    Query::Sparse(Sparse { values: vec![1.0; indices.len()], indices })
}

fn disk(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { disk(&entry.path())? } else { entry.metadata()?.blocks() * 512 };
    }
    Ok(bytes)
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| ["VmRSS", "RssAnon", "RssFile"].iter().any(|key| line.starts_with(key)));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

/// Seconds of processor time that this process has used.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.split_whitespace().skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms", at(0.5), at(0.95), at(1.0));
}

async fn searches(vectors: &Vectors, what: &str, mut search: impl FnMut() -> Search) -> Outcome {
    let (mut times, mut hits, before) = (Vec::new(), 0, processor());
    for _ in 0..SEARCHES {
        let search = search();
        let start = Instant::now();
        let found = vectors.search(&search).await?;
        times.push(start.elapsed());
        hits += found.found.len();
    }
    let spent = (processor() - before) * 1e3 / SEARCHES as f64;
    report(&format!("{what}: {} hits, processor {spent:.2} ms", hits / SEARCHES), times);
    Ok(())
}

async fn fill(vectors: &Vectors, random: &mut Random, points: usize) -> Outcome {
    let before = processor();
    let mut since = before;
    let (mut writing, mut flushes, mut last) = (Duration::ZERO, Vec::new(), Instant::now());
    for batch in 0..points.div_ceil(1_000) {
        let ops = (0..1_000).map(|n| Op::Upsert(Box::new(point(random, batch * 1_000 + n, batch as u64 + 1))));
        let ops: Vec<Op> = ops.collect();
        let start = Instant::now();
        vectors.write(ops).await?;
        if last.elapsed() > Duration::from_secs(1) {
            let start = Instant::now();
            vectors.flush().await?;
            flushes.push(start.elapsed());
            last = Instant::now();
        }
        writing += start.elapsed();
        if batch % 10 == 9 {
            let spent = (processor() - since) * 1e6 / 10_000.0;
            println!("{} points: {spent:.0} µs of processor time for each of the last 10,000", (batch + 1) * 1_000);
            since = processor();
        }
    }
    let start = Instant::now();
    vectors.flush().await?;
    flushes.push(start.elapsed());
    println!(
        "written: {:.0} upserts/s with a flush a second; {:.0} µs of processor time a point, the bench's own included",
        points as f64 / writing.as_secs_f64(),
        (processor() - before) * 1e6 / points as f64
    );
    report("flush", flushes);
    Ok(())
}

async fn search_all(vectors: &Vectors, random: &mut Random) -> Outcome {
    let base = Search { query: Query::Dense(Vec::new()), namespaces: None, filter: None, ids: None, limit: 100 };
    for terms in [3, 8, 20] {
        let search = || Search { query: words(random, terms), ..base.clone() };
        searches(vectors, &format!("sparse, {terms} words"), search).await?;
    }
    let spaces = Some(vec![Namespace::parse("space-3")?]);
    let search = || Search { query: words(random, 8), namespaces: spaces.clone(), ..base.clone() };
    searches(vectors, "sparse, 8 words, one namespace of ten", search).await?;
    let filter = Filter::Field(Field::Payload(vec!["user".into(), "id".into()]), vec![Test::Eq(json!(7))]);
    let search = || Search { query: words(random, 8), filter: Some(filter.clone()), ..base.clone() };
    searches(vectors, "sparse, 8 words, a payload field of one in a hundred", search).await?;
    searches(vectors, "dense", || Search { query: Query::Dense(random.dense()), ..base.clone() }).await?;
    let search = || Search { query: Query::Dense(random.dense()), namespaces: spaces.clone(), ..base.clone() };
    searches(vectors, "dense, one namespace of ten", search).await?;
    Ok(())
}

async fn measure(points: usize) -> Outcome {
    println!("-- {points} points");
    let dir = tempfile::tempdir()?;
    let identity = Identity { name: "bench".into(), revision: "1".into(), dims: DIMS };
    let start = Instant::now();
    let (vectors, _) = Vectors::open(dir.path(), identity.clone())?;
    let opened = start.elapsed();
    vectors.count().await?;
    println!(
        "open empty: {opened:.1?}, usable after {:.1?}; {} kB; {}",
        start.elapsed(),
        disk(dir.path())? / 1024,
        memory()
    );

    let mut random = Random(42);
    fill(&vectors, &mut random, points).await?;
    println!("disk: {} bytes a point; {}", disk(dir.path())? / points as u64, memory());
    search_all(&vectors, &mut random).await?;
    println!("after the searches: {}", memory());

    drop(vectors);
    let start = Instant::now();
    let (vectors, _) = Vectors::open(dir.path(), identity)?;
    println!("open again: {:.1?}; {}", start.elapsed(), memory());
    let mut times = Vec::new();
    let first = vectors.scan(None, 100).await?;
    for stored in first {
        let mut again = point(&mut random, 1, u64::MAX >> 12);
        again.id = stored.id;
        let start = Instant::now();
        vectors.write(vec![Op::Upsert(Box::new(again))]).await?;
        times.push(start.elapsed());
    }
    report("one upsert over a point", times);
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for points in if asked.is_empty() { vec![10_000, 100_000] } else { asked } {
        measure(points).await?;
    }
    Ok(())
}
