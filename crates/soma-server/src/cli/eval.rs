//! `soma eval`: how often recall finds what answers a question, on a data set of the reader's own.
//!
//! Every memory goes in as an event and every question through recall, as users do it: over the HTTP
//! surface, in a fresh directory that is removed afterwards, or on a server that is named, where the
//! namespaces of the data set are deleted afterwards and have to be empty before. Nothing is measured
//! offline.
//!
//! A question counts by the share of its relevant memories among the first k hits (R@k), and by
//! whether any of them is there (any@k). A question without relevant memories is not asked.

mod chats;
mod conversations;
mod lines;
mod score;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use soma_core::clock::Clock as _;
use soma_core::error::Code;
use soma_core::{Error, Result, json as bounded, limits};

use super::client::{Call, Client, encoded};
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use score::{Asked, Scores};

/// At which ranks hits are counted.
const RANKS: [usize; 4] = [1, 5, 10, 20];

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    set: Data,
    /// hybrid, dense or lexical.
    #[arg(long, global = true, default_value = "hybrid")]
    mode: String,
}

#[derive(Debug, Subcommand)]
enum Data {
    /// Conversations of LoCoMo (Maharana et al. 2024), in the JSON file that its authors publish.
    Locomo {
        /// The file.
        file: PathBuf,
    },
    /// Chats of BEAM (Tavakoli et al. 2025), in the folder of one size that its authors publish.
    Beam {
        /// The folder: chat.json and probing_questions/probing_questions.json in a folder for each chat.
        folder: PathBuf,
    },
    /// Any memories and questions, as lines of JSON.
    Jsonl {
        /// Memories, an object on each line: id (a name of your own), payload, and namespace if you like.
        corpus: PathBuf,
        /// Questions, an object on each line: query, relevant (the ids that answer it), and namespace and
        /// category if you like.
        queries: PathBuf,
    },
}

/// What is asked about what.
#[derive(Debug, Default)]
struct Set {
    memories: Vec<Memory>,
    questions: Vec<Question>,
}

#[derive(Debug)]
struct Memory {
    /// How the data set names it, unique in its namespace.
    name: String,
    namespace: String,
    payload: Value,
}

#[derive(Debug)]
struct Question {
    namespace: String,
    text: String,
    /// Names of memories.
    relevant: Vec<String>,
    category: String,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let (kind, set) = match &flags.set {
        Data::Locomo { file } => ("locomo", conversations::read(&content(file)?)?),
        Data::Beam { folder } => ("beam", chats::read(folder)?),
        Data::Jsonl { corpus, queries } => ("jsonl", lines::read(&content(corpus)?, &content(queries)?)?),
    };
    let Measured { scores, embedder } = match config.client.url {
        Some(_) => elsewhere(config, &set, &flags.mode)?,
        None => here(config, &set, &flags.mode)?,
    };
    if scores.asked() == 0 {
        return Err(Error::new(
            Code::BadRequest,
            "there is no question that a memory answers, so nothing was measured",
        ));
    }
    let recipe = soma_core::recall::RECIPE;
    let answer = json!({
        "set": kind,
        "memories": set.memories.len(),
        "questions": scores.asked(),
        "skipped": set.questions.len() - scores.asked(),
        "mode": flags.mode,
        "embedder": embedder,
        "recipe": recipe,
        "scores": scores.to_json(),
    });
    out.result(&answer, || scores.table(&format!("{kind}, {}, {embedder}, recipe {recipe}", flags.mode)));
    Ok(ExitCode::SUCCESS)
}

/// What questions scored, and with which embedder.
struct Measured {
    scores: Scores,
    embedder: String,
}

/// In a directory of its own, whatever servers the settings name.
fn here(config: &Config, set: &Set, mode: &str) -> Result<Measured> {
    let fresh = tempfile::tempdir()
        .map_err(|error| Error::new(Code::Unavailable, "no temporary directory can be made").because(error))?;
    let mut here = config.alone();
    here.embedded.data_dir = fresh.path().to_owned();
    let client = Client::here(&here)?;
    let measured = measure(&client, set, mode);
    client.close()?;
    measured
}

/// On the server that is named, which keeps nothing of it.
fn elsewhere(config: &Config, set: &Set, mode: &str) -> Result<Measured> {
    let client = Client::connect(config)?;
    let namespaces: BTreeSet<&str> = set.memories.iter().map(|memory| &*memory.namespace).collect();
    for namespace in &namespaces {
        refuse_filled(&client, namespace)?;
    }
    let measured = measure(&client, set, mode);
    let removed = namespaces.iter().try_for_each(|namespace| {
        let answer = client.call(&Call::delete(&format!("/v1/memories?namespace={}", encoded(namespace))))?;
        shown(&client, answer.get("position"), "the deletion")
    });
    client.close()?;
    let measured = measured?;
    removed?;
    Ok(measured)
}

/// Waits until recall sees what was written.
fn shown(client: &Client, position: Option<&Value>, what: &str) -> Result<()> {
    while !client.wait_for(position)? {
        tracing::info!("waiting until the stores show {what}");
    }
    Ok(())
}

/// A namespace that is going to be deleted must not hold what somebody else put there.
fn refuse_filled(client: &Client, namespace: &str) -> Result<()> {
    let listed = client.call(&Call::get(&format!("/v1/memories?limit=1&namespace={}", encoded(namespace))))?;
    if listed.get("items").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let what = format!("namespace {namespace} of the server holds memories, and would be deleted after the evaluation");
    Err(Error::new(Code::BadRequest, what).remedy(format!(
        "delete it (`soma forget --namespace {namespace}`) if an evaluation left it, or evaluate without --url"
    )))
}

fn content(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| Error::new(Code::BadRequest, format!("{} cannot be read", file.display())).because(error))
}

/// Writes every memory, waits until recall sees them, and asks every question.
fn measure(client: &Client, set: &Set, mode: &str) -> Result<Measured> {
    let embedder = embedder(client)?;
    let ids = write(client, &set.memories)?;
    let most = RANKS.iter().copied().max().unwrap_or(1);
    let clock = SystemClock::new();
    let mut scores = Scores::default();
    for question in &set.questions {
        let named = question.relevant.iter().map(|name| (question.namespace.as_str(), name.as_str()));
        let relevant: Vec<&String> = named.filter_map(|name| ids.get(&name)).collect();
        if relevant.is_empty() {
            continue;
        }
        let body = json!({
            "namespace": question.namespace, "query": question.text, "top_k": most, "mode": mode,
        });
        let start = clock.elapsed();
        let answer = client.call(&Call::post("/v1/recall", body)).map_err(|error| asked(error, question))?;
        let took = clock.elapsed().saturating_sub(start);
        let hits = answer.get("hits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ranks = hits.iter().enumerate().filter_map(|(rank, hit)| {
            let id = hit.get("id").and_then(Value::as_str)?;
            relevant.iter().any(|wanted| *wanted == id).then_some(rank + 1)
        });
        scores.add(Asked { category: &question.category, relevant: relevant.len(), ranks: ranks.collect(), took });
    }
    Ok(Measured { scores, embedder })
}

/// Which question it was that failed.
fn asked(mut error: Error, question: &Question) -> Error {
    let start: String = question.text.chars().take(60).collect();
    error.message = format!("{} (the question that begins with \"{start}\")", error.message);
    error
}

/// Which embedder answers, in words.
fn embedder(client: &Client) -> Result<String> {
    let status = client.call(&Call::get("/v1/status"))?;
    let fact = |name: &str| status.get("embedder").and_then(|embedder| embedder.get(name)).cloned().unwrap_or_default();
    Ok(format!("{} with {} dimensions", fact("name").as_str().unwrap_or("an embedder"), fact("dimensions")))
}

type Ids<'a> = HashMap<(&'a str, &'a str), String>;

fn write<'a>(client: &Client, memories: &'a [Memory]) -> Result<Ids<'a>> {
    let mut ids = Ids::with_capacity(memories.len());
    let mut positions = Vec::new();
    for chunk in memories.chunks(limits::BATCH_ITEMS_MAX) {
        let items = chunk.iter().map(|memory| json!({"namespace": memory.namespace, "payload": memory.payload}));
        let answer = client.call(&Call::post("/v1/memories/batch", items.collect()))?;
        let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (memory, item) in chunk.iter().zip(items) {
            let Some(id) = item.get("id").and_then(Value::as_str) else {
                let why = item.get("error").map(Value::to_string).unwrap_or_default();
                let what = format!("memory {} of namespace {} was refused: {why}", memory.name, memory.namespace);
                return Err(Error::new(Code::BadRequest, what));
            };
            if ids.insert((&memory.namespace, &memory.name), id.to_owned()).is_some() {
                let what = format!("two memories of namespace {} are named {}", memory.namespace, memory.name);
                return Err(Error::new(Code::BadRequest, what).remedy("give each its own name"));
            }
        }
        positions.extend(answer.get("position").cloned());
    }
    // Each says only how far the partitions are that its own chunk went to.
    positions.iter().try_for_each(|position| shown(client, Some(position), "the data set"))?;
    Ok(ids)
}

/// What a data set calls a memory.
fn name(id: &Value) -> Option<String> {
    match id {
        Value::Number(number) => Some(number.to_string()),
        Value::String(name) => Some(name.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An object of a data set.
fn object(bytes: &[u8], what: &str) -> Result<Value> {
    bounded::parse(bytes).map_err(|error| Error::new(error.code, format!("{what}: {}", error.message)))
}
