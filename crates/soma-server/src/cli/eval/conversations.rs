//! LoCoMo: long conversations of two people over many sessions, with questions and the turns that
//! answer them (Maharana et al., ACL 2024).
//!
//! One memory is one turn, in its conversation's own namespace: `actor`, `text`, `caption`, the session as
//! its thread, its place in it, and the session's day in the words of the data set. A few pieces of
//! evidence are malformed (`D8:6; D9:17`, `D30:05`): numbers are read, and what names no turn is dropped.

use serde_json::{Map, Value};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::{Memory, Question, Set, object};

const CATEGORIES: [&str; 5] = ["multi-hop", "temporal", "open-domain", "single-hop", "adversarial"];

/// Reads the file that the authors publish: a list of samples.
pub(super) fn read(bytes: &[u8]) -> Result<Set> {
    let Value::Array(samples) = object(bytes, "the file")? else { return Err(unlike("a list of samples")) };
    let mut set = Set::default();
    for (number, sample) in samples.iter().enumerate() {
        let namespace = match sample.get("sample_id").and_then(Value::as_str) {
            Some(name) => format!("eval/locomo/{name}"),
            None => format!("eval/locomo/{}", number + 1),
        };
        let conversation = sample.get("conversation").and_then(Value::as_object);
        let conversation = conversation.ok_or_else(|| unlike("a conversation in each sample"))?;
        set.memories.extend(turns(conversation, &namespace)?);
        let questions = sample.get("qa").and_then(Value::as_array).ok_or_else(|| unlike("questions in each sample"))?;
        for question in questions {
            set.questions.push(self::question(question, &namespace)?);
        }
    }
    Ok(set)
}

fn turns(conversation: &Map<String, Value>, namespace: &str) -> Result<Vec<Memory>> {
    let mut sessions: Vec<(u64, &Vec<Value>)> = conversation
        .iter()
        .filter_map(|(key, turns)| Some((key.strip_prefix("session_")?.parse().ok()?, turns.as_array()?)))
        .collect();
    sessions.sort_unstable_by_key(|(number, _)| *number);
    let mut memories = Vec::new();
    for (session, turns) in sessions {
        // "1:56 pm on 8 May, 2023"
        let when = conversation.get(&format!("session_{session}_date_time")).and_then(Value::as_str);
        let day = when.map(|when| when.split_once(" on ").map_or(when, |(_, day)| day));
        for turn in turns {
            let name = turn.get("dia_id").and_then(Value::as_str).and_then(|id| names(id).pop());
            let name = name.ok_or_else(|| unlike("a dia_id in each turn"))?;
            let mut payload = Map::new();
            let fields = [("actor", "speaker"), ("text", "text"), ("caption", "blip_caption")];
            for (ours, theirs) in fields {
                payload.extend(turn.get(theirs).map(|value| (ours.to_owned(), value.clone())));
            }
            payload.insert("thread".into(), format!("session {session}").into());
            payload.insert("seq".into(), memories.len().into());
            payload.extend(day.map(|day| ("occurred_at".to_owned(), day.into())));
            memories.push(Memory { name, namespace: namespace.to_owned(), payload: Value::Object(payload) });
        }
    }
    Ok(memories)
}

fn question(question: &Value, namespace: &str) -> Result<Question> {
    let text = question.get("question").and_then(Value::as_str).ok_or_else(|| unlike("a question in each of qa"))?;
    let evidence = question.get("evidence").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut relevant: Vec<String> = evidence.iter().filter_map(Value::as_str).flat_map(names).collect();
    relevant.sort_unstable();
    relevant.dedup();
    let category = question.get("category").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let category = category.and_then(|n| CATEGORIES.get(n.checked_sub(1)?)).map_or("other", |name| name);
    Ok(Question { namespace: namespace.to_owned(), text: text.to_owned(), relevant, category: category.to_owned() })
}

/// The turns that a text names, as `D<session>:<turn>`: `D:8:06; D9:17` names `D8:6` and `D9:17`.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('D') {
        rest = &rest[at + 1..];
        let Some((session, after)) = number(rest.strip_prefix(':').unwrap_or(rest)) else { continue };
        let Some((turn, after)) = after.strip_prefix(':').and_then(number) else { continue };
        names.push(format!("D{session}:{turn}"));
        rest = after;
    }
    names
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn unlike(what: &str) -> Error {
    Error::new(Code::BadRequest, format!("the file is not like LoCoMo's: it lacks {what}"))
        .remedy("use the JSON file of the data set, or `soma eval jsonl`")
}

#[cfg(test)]
mod tests;
