//! What a payload says about itself: the well-known fields, when it is an object.
//!
//! A payload without them is as good a memory: all that it holds is searched. With them, its text
//! comes first, its actor and thread are known, and its day can be asked for. Field names, the
//! thread, the place in it and the time are never searched as words.
//!
//! Reading never fails: a field of an unexpected kind is content like any other.

use jiff::civil::Date;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::ids::Timestamp;
use crate::limits::NAME_BYTES_MAX;

const TEXT: [&str; 3] = ["text", "content", "task"];
const ACTOR: [&str; 4] = ["actor", "speaker", "role", "user"];
const THREAD: [&str; 3] = ["thread", "session", "conversation"];
const CAPTION: &str = "caption";
const SEQ: &str = "seq";
const OCCURRED_AT: &str = "occurred_at";

/// When something happened, as far as its payload tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Occurred {
    /// At a moment; the day is the writer's own, by the offset that was written.
    At {
        /// The moment, in UTC.
        moment: Timestamp,
        /// The day on the writer's calendar.
        day: Date,
    },
    /// In words that are not a date-time (`1:56 pm on 8 May, 2023`).
    Words(String),
}

/// What a payload says about its place in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The conversation.
    pub thread: String,
    /// Who speaks.
    pub actor: Option<String>,
    /// Its place in the conversation.
    pub seq: Option<f64>,
    /// When it happened, if the payload says so.
    pub occurred: Option<Occurred>,
}

impl Place {
    /// Of a payload that is a turn of a thread; the same that [`Turn::of`] reads.
    #[must_use]
    pub fn of(payload: &Value) -> Option<Self> {
        let fields = payload.as_object()?;
        let first = |names: &[&str]| names.iter().find_map(|name| label(fields.get(*name)?));
        Some(Self {
            thread: first(&THREAD)?,
            actor: first(&ACTOR),
            seq: fields.get(SEQ).and_then(Value::as_f64),
            occurred: fields.get(OCCURRED_AT).and_then(occurred),
        })
    }
}

/// A payload, as recall sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What is searched first: `actor: text`, then the caption. Without a recognised text, everything.
    pub text: String,
    /// What else the payload holds, in the order of its keys; empty without a recognised text.
    pub rest: String,
    /// Who said or did it.
    pub actor: Option<String>,
    /// The conversation that it is a turn of.
    pub thread: Option<String>,
    /// Its place in that conversation.
    pub seq: Option<f64>,
    /// When it happened, if the payload says so; else the event's time counts.
    pub occurred: Option<Occurred>,
}

impl Turn {
    /// Reads a payload.
    #[must_use]
    pub fn of(payload: &Value) -> Self {
        let Value::Object(fields) = payload else {
            return Self { text: flat(payload), ..Self::default() };
        };
        let mut used: Vec<&str> = Vec::new();
        let mut first = |names: &'static [&'static str], read: fn(&Value) -> Option<String>| {
            let (name, found) = names.iter().find_map(|name| Some((*name, read(fields.get(*name)?)?)))?;
            used.push(name);
            Some(found)
        };
        let text = first(&TEXT, string);
        let caption = first(&[CAPTION], string);
        let actor = first(&ACTOR, label);
        let thread = first(&THREAD, label);
        let seq = fields.get(SEQ).and_then(Value::as_f64);
        let occurred = fields.get(OCCURRED_AT).and_then(occurred);
        if seq.is_some() {
            used.push(SEQ);
        }
        if occurred.is_some() {
            used.push(OCCURRED_AT);
        }

        let rest = remaining(fields, &used);
        let (text, rest) = match text {
            Some(text) => (spoken(actor.as_deref(), &text, caption.as_deref()), rest),
            None => (everything(actor.as_deref(), caption.as_deref(), &rest), String::new()),
        };
        Self { text, rest, actor, thread, seq, occurred }
    }

    /// The words of the day on which it happened (`8 may 2023`), `event_time` counting when the
    /// payload does not say.
    #[must_use]
    pub fn day_words(&self, event_time: Timestamp) -> String {
        match &self.occurred {
            Some(Occurred::At { day, .. }) => day_in_words(*day),
            Some(Occurred::Words(words)) => words.clone(),
            None => utc_day(event_time).map(day_in_words).unwrap_or_default(),
        }
    }

    /// Whether it ends with a question mark.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.text.trim_end().ends_with(['?', '？', '؟'])
    }
}

fn day_in_words(day: Date) -> String {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let month = usize::try_from(day.month() - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
    format!("{} {month} {}", day.day(), day.year())
}

fn spoken(actor: Option<&str>, text: &str, caption: Option<&str>) -> String {
    let mut spoken = String::with_capacity(text.len() + 32);
    if let Some(actor) = actor {
        spoken.push_str(actor);
        spoken.push_str(": ");
    }
    spoken.push_str(text);
    if let Some(caption) = caption {
        spoken.push('\n');
        spoken.push_str(caption);
    }
    spoken
}

/// An object without a text of its own: its actor, its caption and the rest, one below the other.
fn everything(actor: Option<&str>, caption: Option<&str>, rest: &str) -> String {
    let parts: Vec<&str> = [actor, caption, Some(rest)].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn string(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// A name: a string, or a number that serves as one. What is long or spans lines is content.
fn label(value: &Value) -> Option<String> {
    let name = string(value).or_else(|| value.as_number().map(ToString::to_string))?;
    (name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)).then_some(name)
}

fn remaining(fields: &Map<String, Value>, used: &[&str]) -> String {
    let mut keys: Vec<&String> = fields.keys().filter(|key| !used.contains(&key.as_str())).collect();
    keys.sort_unstable();
    let mut out = String::new();
    for key in keys {
        leaves(&fields[key], &mut out);
    }
    out
}

fn flat(value: &Value) -> String {
    let mut out = String::new();
    leaves(value, &mut out);
    out
}

/// Appends every scalar below `value`, one a line, objects in the order of their keys.
fn leaves(value: &Value, out: &mut String) {
    let mut line = |text: &str| {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
    };
    match value {
        Value::Null => {}
        Value::Bool(truth) => line(if *truth { "true" } else { "false" }),
        Value::Number(number) => line(&number.to_string()),
        Value::String(text) => line(text),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            keys.into_iter().for_each(|key| leaves(&fields[key], out));
        }
    }
}

/// A moment in any spelling that an event's time may have; other text is kept as words.
fn occurred(value: &Value) -> Option<Occurred> {
    let moment = Timestamp::read(value).ok();
    match value {
        Value::Number(_) => moment.and_then(|moment| Some(Occurred::At { moment, day: utc_day(moment)? })),
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => {
            let written =
                moment.and_then(|moment| Some(Occurred::At { moment, day: Pieces::parse(text).ok()?.date() }));
            Some(written.unwrap_or_else(|| Occurred::Words(text.clone())))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn utc_day(moment: Timestamp) -> Option<Date> {
    let moment = jiff::Timestamp::from_microsecond(moment.0).ok()?;
    Some(moment.to_zoned_datetime(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests;
