//! Memories and questions as lines of JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::{Memory, Question, Set, name, object};

const NAMESPACE: &str = "eval";
/// What a line looks like, for whoever wrote another one.
const MEMORY: &str = r#"write each memory as {"id": "a1", "payload": {"text": "…"}}, with "namespace" if you like"#;
const QUESTION: &str =
    r#"write each question as {"query": "…", "relevant": ["a1"]}, with "namespace" and "category" if you like"#;

/// Reads a data set; every line that is not as it should be is an error that names it.
pub(super) fn read(corpus: &[u8], queries: &[u8]) -> Result<Set> {
    let memories = each(corpus, "corpus", memory).map_err(|error| error.remedy(MEMORY))?;
    let questions = each(queries, "queries", question).map_err(|error| error.remedy(QUESTION))?;
    let set = Set { memories, questions };
    let known: BTreeSet<(&str, &str)> = set.memories.iter().map(|m| (&*m.namespace, &*m.name)).collect();
    for question in &set.questions {
        let unknown = question.relevant.iter().find(|name| !known.contains(&(&*question.namespace, &***name)));
        if let Some(name) = unknown {
            let what =
                format!("no memory of namespace {} is named {name}, which answers a question", question.namespace);
            return Err(Error::new(Code::BadRequest, what).at("relevant").remedy("name memories of the corpus"));
        }
    }
    Ok(set)
}

fn each<T>(bytes: &[u8], file: &str, read: fn(&mut Map<String, Value>) -> Result<T>) -> Result<Vec<T>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    lines
        .map(|(number, line)| {
            let at = format!("line {} of the {file}", number + 1);
            let Value::Object(mut fields) = object(line, &at)? else {
                return Err(Error::new(Code::BadRequest, format!("{at} is not an object")));
            };
            read(&mut fields).map_err(|error| Error::new(Code::BadRequest, format!("{at}: {}", error.message)))
        })
        .collect()
}

fn memory(fields: &mut Map<String, Value>) -> Result<Memory> {
    let payload = fields.remove("payload").ok_or_else(|| missing("payload"))?;
    Ok(Memory { name: named(fields, "id")?, namespace: namespace(fields)?, payload })
}

fn question(fields: &mut Map<String, Value>) -> Result<Question> {
    let relevant = match fields.remove("relevant") {
        Some(Value::Array(names)) => names,
        Some(_) => return Err(Error::new(Code::BadRequest, "relevant is not a list of ids").at("relevant")),
        None => return Err(missing("relevant")),
    };
    let relevant = relevant.iter().map(|id| name(id).ok_or_else(|| unnamed("an id of relevant")));
    let relevant: BTreeSet<String> = relevant.collect::<Result<_>>()?;
    let text = string(fields, "query")?;
    if text.trim().is_empty() {
        return Err(Error::new(Code::BadRequest, "query is empty").at("query"));
    }
    Ok(Question {
        text,
        namespace: namespace(fields)?,
        relevant: relevant.into_iter().collect(),
        category: match fields.contains_key("category") {
            true => named(fields, "category")?,
            false => "questions".to_owned(),
        },
    })
}

fn namespace(fields: &mut Map<String, Value>) -> Result<String> {
    if fields.contains_key("namespace") { string(fields, "namespace") } else { Ok(NAMESPACE.to_owned()) }
}

/// A string, or a number that serves as one.
fn named(fields: &mut Map<String, Value>, field: &str) -> Result<String> {
    let value = fields.remove(field).ok_or_else(|| missing(field))?;
    name(&value).ok_or_else(|| unnamed(field).at(field))
}

fn unnamed(what: &str) -> Error {
    Error::new(Code::BadRequest, format!("{what} is neither a string nor a number"))
}

fn string(fields: &mut Map<String, Value>, name: &str) -> Result<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Error::new(Code::BadRequest, format!("{name} is not a string")).at(name)),
        None => Err(missing(name)),
    }
}

fn missing(name: &str) -> Error {
    Error::new(Code::BadRequest, format!("{name} is missing")).at(name)
}

#[cfg(test)]
mod tests;
