//! Memories and questions as lines of JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::{Memory, Question, Set, object};

const NAMESPACE: &str = "eval";

/// Reads a data set; every line that is not as it should be is an error that names it.
pub(super) fn read(corpus: &[u8], queries: &[u8]) -> Result<Set> {
    let set = Set { memories: each(corpus, "corpus", memory)?, questions: each(queries, "queries", question)? };
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
    Ok(Memory { name: string(fields, "id")?, namespace: namespace(fields)?, payload })
}

fn question(fields: &mut Map<String, Value>) -> Result<Question> {
    let Some(Value::Array(relevant)) = fields.remove("relevant") else { return Err(missing("relevant")) };
    let relevant = relevant.into_iter().map(|name| match name {
        Value::String(name) => Ok(name),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Error::new(Code::BadRequest, "an id is not a string").at("relevant"))
        }
    });
    let relevant: BTreeSet<String> = relevant.collect::<Result<_>>()?;
    Ok(Question {
        text: string(fields, "query")?,
        namespace: namespace(fields)?,
        relevant: relevant.into_iter().collect(),
        category: match fields.contains_key("category") {
            true => string(fields, "category")?,
            false => "questions".to_owned(),
        },
    })
}

fn namespace(fields: &mut Map<String, Value>) -> Result<String> {
    if fields.contains_key("namespace") { string(fields, "namespace") } else { Ok(NAMESPACE.to_owned()) }
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
