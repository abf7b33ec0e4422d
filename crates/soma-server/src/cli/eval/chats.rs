//! BEAM: long chats of a person and an assistant, with questions and the messages that answer them
//! (Tavakoli et al. 2025, "Beyond a Million Tokens").
//!
//! ```text
//! <folder>/<conversation>/chat.json                                 batches of turns of messages
//! <folder>/<conversation>/chat_trunecated.json                      read instead, where there is one
//! <folder>/<conversation>/probing_questions/probing_questions.json  questions by ability
//! ```
//!
//! One memory is one message, in its conversation's own namespace: `role`, `content`, the batch as its
//! thread, its place in the conversation, and the day that the batch is anchored at in the words of the
//! data set. The mark by which messages name their plan (`->-> 1,2`) is no part of what was said and is
//! left out. Evidence that names no message, or more than one, is dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::{Memory, Question, Set, content, name, object};

/// The authors shortened some chats to a size after the fact, and ask about what was left.
const CHATS: [&str; 2] = ["chat_trunecated.json", "chat.json"];
const QUESTIONS: &str = "probing_questions/probing_questions.json";
const MARK: &str = "->->";

/// Reads a folder of conversations, or that of one.
pub(super) fn read(folder: &Path) -> Result<Set> {
    let mut set = Set::default();
    for Conversation { folder, chat } in conversations(folder)? {
        let namespace = format!("eval/beam/{}", folder.file_name().unwrap_or_default().to_string_lossy());
        let asked = folder.join(QUESTIONS);
        set.memories.extend(messages(&parsed(&chat)?, &namespace).map_err(|what| unlike(&chat, what))?);
        set.questions.extend(questions(&parsed(&asked)?, &namespace).map_err(|what| unlike(&asked, what))?);
    }
    Ok(set)
}

struct Conversation {
    folder: PathBuf,
    chat: PathBuf,
}

impl Conversation {
    fn of(folder: &Path) -> Option<Self> {
        let chat = chat_of(folder)?;
        // A folder may be named as `.`.
        Some(Self { folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()), chat })
    }

    /// By number, then by name.
    fn order(&self) -> (u64, &Path) {
        let number = || self.folder.file_name()?.to_str()?.parse().ok();
        (number().unwrap_or(u64::MAX), &self.folder)
    }
}

fn conversations(folder: &Path) -> Result<Vec<Conversation>> {
    if let Some(one) = Conversation::of(folder) {
        return Ok(vec![one]);
    }
    let below = entries(folder)?;
    let mut found: Vec<Conversation> = below.iter().filter_map(|path| Conversation::of(path)).collect();
    if found.is_empty() {
        return Err(elsewhere(folder, &below));
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(found)
}

fn chat_of(conversation: &Path) -> Option<PathBuf> {
    CHATS.iter().map(|name| conversation.join(name)).find(|file| file.is_file())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable =
        |error| Error::new(Code::BadRequest, format!("{} cannot be read as a folder", folder.display())).because(error);
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// What to say about a folder without conversations, by what it holds instead.
fn elsewhere(folder: &Path, below: &[PathBuf]) -> Error {
    let deeper = |path: &&PathBuf| entries(path).is_ok_and(|paths| paths.iter().any(|path| chat_of(path).is_some()));
    let is_table =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet" || extension == "arrow");
    let chats = folder.join("chats");
    let remedy = if let Some(size) = below.iter().find(deeper) {
        format!("name the folder of one size, such as {}", size.display())
    } else if chats.is_dir() {
        format!("name the folder of one size below {}", chats.display())
    } else if below.iter().chain(&entries(&folder.join("data")).unwrap_or_default()).any(is_table) {
        "these are tables; the data set's own repository has a script (download_dataset.py) that writes them out as \
         folders of conversations"
            .to_owned()
    } else {
        "name a folder whose folders each hold chat.json and probing_questions/probing_questions.json".to_owned()
    };
    Error::new(Code::BadRequest, format!("no conversation of BEAM lies in {}", folder.display())).remedy(remedy)
}

fn parsed(file: &Path) -> Result<Value> {
    object(&content(file)?, &file.display().to_string())
}

/// What is missing from a file.
type Lacking = &'static str;

/// Where messages stand as they are read.
struct Reading<'a> {
    namespace: &'a str,
    memories: Vec<Memory>,
    /// How many messages bear an id.
    borne: BTreeMap<String, usize>,
}

fn messages(chat: &Value, namespace: &str) -> Result<Vec<Memory>, Lacking> {
    let mut reading = Reading { namespace, memories: Vec::new(), borne: BTreeMap::new() };
    for part in chat.as_array().ok_or("a list of batches")? {
        match part.get("turns") {
            Some(_) => reading.batch(part, "")?,
            // The longest chats are lists of plans, each a list of batches under its name.
            None => {
                for (plan, batches) in part.as_object().ok_or("turns in each batch")? {
                    for batch in batches.as_array().into_iter().flatten() {
                        reading.batch(batch, &format!("{plan} "))?;
                    }
                }
            }
        }
    }
    if reading.memories.is_empty() {
        return Err("messages");
    }
    // A name that two messages bear names neither.
    for (place, memory) in reading.memories.iter_mut().enumerate() {
        if reading.borne.get(&memory.name).is_some_and(|times| *times > 1) {
            memory.name = format!("{} at {place}", memory.name);
        }
    }
    Ok(reading.memories)
}

impl Reading<'_> {
    fn batch(&mut self, batch: &Value, plan: &str) -> Result<(), Lacking> {
        let turns = batch.get("turns").and_then(Value::as_array).ok_or("turns in each batch")?;
        let number = batch.get("batch_number").filter(|number| number.is_number()).ok_or("a number of each batch")?;
        let thread = format!("{plan}batch {number}");
        let messages: Vec<&Value> = turns
            .iter()
            .map(|turn| turn.as_array().ok_or("a list of messages in each turn"))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        // The first message of a batch bears its day; a batch itself, when it is not the first.
        let anchored = messages.iter().find_map(|message| anchor(message)).or_else(|| anchor(batch));
        for message in messages {
            let name = message.get("id").and_then(name).ok_or("an id of each message")?;
            let said = message.get("content").and_then(Value::as_str).ok_or("the content of each message")?;
            let role = message.get("role").and_then(Value::as_str).ok_or("the role of each message")?;
            let mut payload = Map::new();
            payload.insert("role".into(), role.into());
            payload.insert("content".into(), unmarked(said).into());
            payload.insert("thread".into(), thread.clone().into());
            payload.insert("seq".into(), self.memories.len().into());
            payload.extend(anchored.map(|day| ("occurred_at".to_owned(), day.into())));
            *self.borne.entry(name.clone()).or_default() += 1;
            let payload = Value::Object(payload);
            self.memories.push(Memory { name, namespace: self.namespace.to_owned(), payload });
        }
        Ok(())
    }
}

fn anchor(value: &Value) -> Option<&str> {
    value.get("time_anchor").and_then(Value::as_str).filter(|day| !day.trim().is_empty())
}

/// A text without the mark at its end: the numbers of a batch and of a point of its plan, or `N/A`.
fn unmarked(text: &str) -> &str {
    let marks = |mark: &str| mark.chars().all(|c| c.is_ascii_digit() || " ,/AN()".contains(c));
    match text.rsplit_once(MARK) {
        Some((said, mark)) if marks(mark) => said.trim_end(),
        Some(_) | None => text,
    }
}

fn questions(file: &Value, namespace: &str) -> Result<Vec<Question>, Lacking> {
    let mut questions = Vec::new();
    for (ability, asked) in file.as_object().ok_or("questions by ability")? {
        for question in asked.as_array().ok_or("a list of questions for each ability")? {
            let text = question.get("question").and_then(Value::as_str).ok_or("a question in each of an ability")?;
            let mut relevant = Vec::new();
            // Absent for what the chat does not say, a list, or lists by what they tell.
            if let Some(evidence) = question.get("source_chat_ids") {
                ids(evidence, &mut relevant);
            }
            relevant.sort_unstable();
            relevant.dedup();
            questions.push(Question {
                namespace: namespace.to_owned(),
                text: text.to_owned(),
                relevant,
                category: ability.replace('_', " "),
            });
        }
    }
    Ok(questions)
}

fn ids(evidence: &Value, found: &mut Vec<String>) {
    match evidence {
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(kinds) => kinds.values().for_each(|item| ids(item, found)),
        Value::Number(_) | Value::String(_) | Value::Null | Value::Bool(_) => found.extend(name(evidence)),
    }
}

fn unlike(file: &Path, what: &str) -> Error {
    Error::new(Code::BadRequest, format!("{} is not like BEAM's: it lacks {what}", file.display()))
        .remedy("use the folder of the data set, or `soma eval jsonl`")
}

#[cfg(test)]
mod tests;
