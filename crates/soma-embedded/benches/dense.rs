//! How well and how fast the vector index finds by meaning: `cargo bench -p soma-embedded --bench dense [-- <points> …]`.
//!
//! Writes points of 384 and of 768 dimensions in batches of 1,000 and asks meanwhile, afterwards, and while a third of
//! the points is written again, for the nearest 100. Answers are compared with a look at every vector that was
//! there. A vector is the sum of one of 500 centres in a space of 48 dimensions, of as much spread around it,
//! and of noise in all dimensions, made 1 long: like those of texts they lie in clusters near a space of few
//! dimensions. Numbers without any such shape would all be about as far from each other. Processor times hold
//! on a busy machine too.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and reports")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_embedded::vectors::Vectors;
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: [usize; 2] = [384, 768];
/// How many dimensions the vectors vary in, but for noise.
const LATENT: usize = 48;
const CLUSTERS: usize = 500;
const BATCH: usize = 1_000;
const QUESTIONS: usize = 200;
/// Hits of one search.
const CANDIDATES: usize = 100;
/// How many ask at once.
const TOGETHER: [usize; 2] = [1, 8];
/// One in so many points is written again.
const AGAIN: usize = 3;

/// xorshift64*, so that every run measures the same points.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// About normal, around 0.
    fn bell(&mut self) -> f32 {
        let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        (unit(self.next()) + unit(self.next()) + unit(self.next()) - 1.5) as f32
    }
}

/// Where vectors come from.
struct Shape {
    dims: usize,
    axes: Vec<Vec<f32>>,
    centres: Vec<Vec<f32>>,
}

impl Shape {
    fn new(random: &mut Random, dims: usize) -> Self {
        let mut many = |count, length| (0..count).map(|_| (0..length).map(|_| random.bell()).collect()).collect();
        Self { dims, axes: many(LATENT, dims), centres: many(CLUSTERS, LATENT) }
    }

    fn vector(&self, random: &mut Random) -> Vec<f32> {
        let centre = &self.centres[(random.next() % CLUSTERS as u64) as usize];
        let mut vector: Vec<f32> = (0..self.dims).map(|_| 0.3 * random.bell()).collect();
        for (axis, at) in self.axes.iter().zip(centre) {
            let far = at + 0.8 * random.bell();
            vector.iter_mut().zip(axis).for_each(|(x, along)| *x += far * along);
        }
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vector
    }
}

fn id(n: usize) -> MemoryId {
    MemoryId(Uuid::from_u64_pair((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), n as u64))
}

fn point(n: usize, rev: u64, dense: Vec<f32>) -> Op {
    Op::Upsert(Box::new(Point {
        id: id(n),
        rev,
        event_id: EventId(Uuid::from_u64_pair(rev, n as u64)),
        kind: EventType::Created,
        namespace: Namespace::parse(&format!("space-{}", n % 10)).expect("a valid name"),
        created_at: Timestamp(n as i64),
        updated_at: Timestamp(n as i64),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({ "n": n }),
        dense,
        sparse: Sparse { indices: vec![n as u32 % 1_000], values: vec![1.0] },
    }))
}

/// The nearest vectors, by a look at each.
fn nearest(vectors: &[Vec<f32>], question: &[f32]) -> Vec<MemoryId> {
    let mut scores: Vec<(f32, usize)> =
        vectors.iter().enumerate().map(|(n, vector)| (dot(vector, question), n)).collect();
    let most = CANDIDATES.min(scores.len());
    if most < scores.len() {
        scores.select_nth_unstable_by(most, |a, b| b.0.total_cmp(&a.0));
        scores.truncate(most);
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    scores.into_iter().map(|(_, n)| id(n)).collect()
}

/// In eight sums, which a compiler computes at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// What answers found of what they should.
#[derive(Default)]
struct Found {
    ten: usize,
    all: usize,
    asked: usize,
    wanted: usize,
}

impl Found {
    fn add(&mut self, found: &[MemoryId], wanted: &[MemoryId]) {
        let ten: HashSet<&MemoryId> = wanted.iter().take(10).collect();
        let all: HashSet<&MemoryId> = wanted.iter().collect();
        self.ten += found.iter().take(10).filter(|id| ten.contains(id)).count();
        self.all += found.iter().filter(|id| all.contains(id)).count();
        self.asked += ten.len();
        self.wanted += all.len();
    }

    fn say(&self) -> String {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        format!("recall@10 {:.4}, recall@{CANDIDATES} {:.4}", share(self.ten, self.asked), share(self.all, self.wanted))
    }
}

/// Seconds of processor time that this process has used.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.split_whitespace().skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

fn times(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        times.get((times.len().saturating_sub(1) as f64 * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3)
    };
    format!("p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms", at(0.5), at(0.95), at(1.0))
}

async fn ask(vectors: &Vectors, question: &[f32]) -> Result<(Vec<MemoryId>, Duration), soma_core::Error> {
    let query = Query::Dense(question.to_vec());
    let search = Search { query, namespaces: None, filter: None, ids: None, limit: CANDIDATES };
    let start = Instant::now();
    let found = vectors.search(&search).await?;
    Ok((found.found.into_iter().map(|found| found.id).collect(), start.elapsed()))
}

/// Asks every question, so many at once; answers what was found of what should be, and how long each took.
async fn ask_all(vectors: &Arc<Vectors>, bench: &Arc<Bench>, together: usize) -> Result<String, soma_core::Error> {
    let before = processor();
    let mut askers = tokio::task::JoinSet::new();
    for first in 0..together {
        let (vectors, bench) = (Arc::clone(vectors), Arc::clone(bench));
        askers.spawn(async move {
            let mut answers = Vec::new();
            for n in (first..QUESTIONS).step_by(together) {
                answers.push((n, ask(&vectors, &bench.questions[n]).await?));
            }
            Ok::<_, soma_core::Error>(answers)
        });
    }
    let (mut took, mut found) = (Vec::new(), Found::default());
    while let Some(answers) = askers.join_next().await {
        for (n, (ids, time)) in answers.expect("nobody panics")? {
            found.add(&ids, &bench.wanted[n]);
            took.push(time);
        }
    }
    let spent = (processor() - before) * 1e3 / QUESTIONS as f64;
    Ok(format!("{}; {}; processor {spent:.2} ms each", found.say(), times(took)))
}

struct Bench {
    written: Vec<Vec<f32>>,
    questions: Vec<Vec<f32>>,
    /// What should be found once everything is written.
    wanted: Vec<Vec<MemoryId>>,
}

impl Bench {
    fn new(points: usize, dims: usize) -> Self {
        let mut random = Random(42);
        let shape = Shape::new(&mut random, dims);
        let written: Vec<Vec<f32>> = (0..points).map(|_| shape.vector(&mut random)).collect();
        let questions: Vec<Vec<f32>> = (0..QUESTIONS).map(|_| shape.vector(&mut random)).collect();
        let wanted = questions.iter().map(|question| nearest(&written, question)).collect();
        Self { written, questions, wanted }
    }
}

/// Writes everything, flushes each second, and asks between two batches, while the index packs what came before.
async fn fill(vectors: &Vectors, bench: &Bench) -> Outcome {
    let (mut asked, mut found, mut waits, mut flushes) = (Vec::new(), Found::default(), Vec::new(), Vec::new());
    let (start, mut flushed) = (Instant::now(), Instant::now());
    for (batch, chunk) in bench.written.chunks(BATCH).enumerate() {
        let from = batch * BATCH;
        let ops = chunk.iter().enumerate().map(|(n, vector)| point(from + n, 1, vector.clone())).collect();
        let begun = Instant::now();
        vectors.write(ops).await?;
        waits.push(begun.elapsed());
        if flushed.elapsed() > Duration::from_secs(1) {
            let begun = Instant::now();
            vectors.flush().await?;
            flushes.push(begun.elapsed());
            flushed = Instant::now();
        }
        let question = &bench.questions[batch % QUESTIONS];
        let (ids, took) = ask(vectors, question).await?;
        asked.push(took);
        found.add(&ids, &nearest(&bench.written[..from + chunk.len()], question));
    }
    println!("written in {:.1} s; a batch of {BATCH}: {}", start.elapsed().as_secs_f64(), times(waits));
    println!("flushed once a second: {}", times(flushes));
    println!("asked meanwhile: {}; {}", found.say(), times(asked));
    Ok(())
}

/// Writes points again as they are, until it is told that it is enough.
async fn again(vectors: Arc<Vectors>, bench: Arc<Bench>, enough: Arc<AtomicBool>) -> Result<usize, soma_core::Error> {
    let (mut many, mut rev) = (0, 1);
    loop {
        rev += 1;
        for from in (0..bench.written.len()).step_by(BATCH) {
            let until = bench.written.len().min(from + BATCH);
            let chosen = (from..until).filter(|n| n % AGAIN == rev as usize % AGAIN);
            let ops: Vec<Op> = chosen.map(|n| point(n, rev, bench.written[n].clone())).collect();
            many += ops.len();
            vectors.write(ops).await?;
            if enough.load(Ordering::Relaxed) {
                return Ok(many);
            }
        }
    }
}

async fn measure(points: usize, dims: usize) -> Outcome {
    println!("-- {points} points of {dims} dimensions");
    let dir = tempfile::tempdir()?;
    let (vectors, _) = Vectors::open(dir.path(), Identity { name: "bench".into(), revision: "1".into(), dims })?;
    let (vectors, bench) = (Arc::new(vectors), Arc::new(Bench::new(points, dims)));
    fill(&vectors, &bench).await?;
    vectors.flush().await?;
    // Opened again, so that nothing is being packed.
    drop(vectors);
    let (vectors, _) = Vectors::open(dir.path(), Identity { name: "bench".into(), revision: "1".into(), dims })?;
    let vectors = Arc::new(vectors);
    ask_all(&vectors, &bench, 1).await?;
    for together in TOGETHER {
        println!("asked by {together} at once: {}", ask_all(&vectors, &bench, together).await?);
    }
    for together in TOGETHER {
        let enough = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(again(Arc::clone(&vectors), Arc::clone(&bench), Arc::clone(&enough)));
        let said = ask_all(&vectors, &bench, together).await?;
        enough.store(true, Ordering::Relaxed);
        println!("asked by {together} at once while {} points were written again: {said}", writer.await??);
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for points in if asked.is_empty() { vec![100_000] } else { asked } {
        for dims in DIMS {
            measure(points, dims).await?;
        }
    }
    Ok(())
}
