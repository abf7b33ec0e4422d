//! The text form of a field: a path of segments.

use std::fmt::{self, Write as _};

use super::Field;
use crate::error::{Code, Error, Result};

const TOP: &[(&str, Field)] = &[
    ("id", Field::Id),
    ("namespace", Field::Namespace),
    ("event_id", Field::EventId),
    ("importance", Field::Importance),
    ("model_revision", Field::ModelRevision),
    ("created_at", Field::CreatedAt),
    ("updated_at", Field::UpdatedAt),
    ("version", Field::Version),
];

pub(super) fn parse(text: &str) -> Result<Field> {
    let mut segments = split(text)?.into_iter();
    let head = segments.next().unwrap_or_default();
    let rest: Vec<String> = segments.collect();
    if head == "payload" {
        return Ok(Field::Payload(rest));
    }
    let Some((name, field)) = TOP.iter().find(|(name, _)| *name == head) else {
        let names: Vec<&str> = TOP.iter().map(|(name, _)| *name).collect();
        return Err(Error::new(Code::BadFilter, format!("memories have no field {head:?}"))
            .remedy(format!("name payload, a path below it such as payload.{head}, or one of {}", names.join(", "))));
    };
    if !rest.is_empty() {
        return Err(Error::new(Code::BadFilter, format!("{name} has no fields of its own")));
    }
    Ok(field.clone())
}

fn split(text: &str) -> Result<Vec<String>> {
    let refuse = |why: &str| Err(Error::new(Code::BadFilter, format!("the path {text:?} {why}")));
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((segment, after)) = unquote(quoted) else {
                return refuse("has a quoted segment that does not end, or an escape other than \\\" and \\\\");
            };
            segments.push(segment);
            rest = after;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let segment = &rest[..end];
            if segment.is_empty() {
                return refuse("has an empty segment");
            }
            if segment.contains('"') {
                return refuse("has a double quote inside a segment that does not begin with one");
            }
            if segment.contains(['[', ']']) {
                return refuse(
                    "has a bracket: paths step through arrays by themselves, and a name that holds one is quoted",
                );
            }
            segments.push(segment.to_owned());
            rest = &rest[end..];
        }
        if rest.is_empty() {
            return Ok(segments);
        }
        let Some(after) = rest.strip_prefix('.') else {
            return refuse("has text between a quoted segment and the next dot");
        };
        rest = after;
    }
}

/// The segment up to its closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut segment = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((segment, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\') => segment.push(escaped),
                _ => return None,
            },
            other => segment.push(other),
        }
    }
    None
}

pub(super) fn write(field: &Field, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Field::Payload(path) = field else {
        let name = TOP.iter().find(|(_, top)| top == field).map_or("", |(name, _)| name);
        return f.write_str(name);
    };
    f.write_str("payload")?;
    for segment in path {
        f.write_char('.')?;
        if segment.is_empty() || segment.contains(['.', '"', '[', ']']) {
            write!(f, "\"{}\"", segment.replace('\\', "\\\\").replace('"', "\\\""))?;
        } else {
            f.write_str(segment)?;
        }
    }
    Ok(())
}
