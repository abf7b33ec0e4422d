//! What MiniLM costs: `cargo bench -p soma-models --bench minilm -- <folder of the model>`.
//!
//! Texts are made of the words of the model's own vocabulary, of so many words each, all different. One line per
//! figure; processor times hold on a busy machine too.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and reports")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use soma_core::embed::Embedder as _;
use soma_models::known_words;
use soma_models::minilm::MiniLm;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How many questions are asked for one figure.
const QUESTIONS: usize = 400;
/// How many ask at once.
const TOGETHER: usize = 8;

/// xorshift64*, so that every run measures the same texts.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

fn text(random: &mut Random, words: &[String], count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| words[random.below(words.len())].as_str()).collect();
    words.join(" ")
}

/// Seconds of processor time that this process has used.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.split_whitespace().skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

fn report(what: &str, spent: f64, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms; processor {:.2} ms each",
        at(0.5),
        at(0.95),
        at(1.0),
        spent * 1e3 / times.len() as f64
    );
}

async fn questions(model: &Arc<MiniLm>, random: &mut Random, words: &[String], count: usize) -> Outcome {
    let (before, mut times) = (processor(), Vec::new());
    for _ in 0..QUESTIONS {
        let text = text(random, words, count);
        let start = Instant::now();
        model.query(&text).await?;
        times.push(start.elapsed());
    }
    report(&format!("a question of {count} words"), processor() - before, times);

    let (before, mut times) = (processor(), Vec::new());
    for _ in 0..QUESTIONS / TOGETHER {
        let texts: Vec<String> = (0..TOGETHER).map(|_| text(random, words, count)).collect();
        let start = Instant::now();
        let mut asked = tokio::task::JoinSet::new();
        for text in texts {
            let model = Arc::clone(model);
            asked.spawn(async move { model.query(&text).await.map(|_| start.elapsed()) });
        }
        while let Some(took) = asked.join_next().await {
            times.push(took??);
        }
    }
    report(&format!("{TOGETHER} questions of {count} words at once"), processor() - before, times);
    Ok(())
}

async fn documents(model: &MiniLm, random: &mut Random, words: &[String], count: usize) -> Outcome {
    let number = 8_000 / count;
    let payloads: Vec<Value> = (0..number).map(|_| json!({ "text": text(random, words, count) })).collect();
    let (before, start) = (processor(), Instant::now());
    model.documents(&payloads.iter().collect::<Vec<_>>()).await?;
    let (spent, took) = (processor() - before, start.elapsed().as_secs_f64());
    println!(
        "{number} memories of {count} words: {:.0} a second, {:.0} a second of one core",
        number as f64 / took,
        number as f64 / spent
    );
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let Some(folder) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from) else {
        println!("no folder of a model is named, so nothing is measured");
        return Ok(());
    };
    let words = known_words(&folder)?;
    let model = Arc::new(MiniLm::open(&folder)?);
    let mut random = Random(42);
    questions(&model, &mut random, &words, 8).await?;
    for count in [8, 20] {
        questions(&model, &mut random, &words, count).await?;
    }
    for count in [20, 150] {
        documents(&model, &mut random, &words, count).await?;
    }
    Ok(())
}
