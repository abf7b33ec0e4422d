//! Dead letters: records that no retry can turn into an event.

use super::observe::Component;
use super::{Failure, Projector, Session};
use crate::error::Error;
use crate::event::{codec, frame, schemas};
use crate::fold::{self, Entry, Folded, Outcome};
use crate::ids::EventId;
use crate::log::{DeadLetter, Record};

/// A decoded batch: what can be folded, with the number of its record, and what cannot be read.
pub(super) struct Decoded {
    pub(super) entries: Vec<Entry>,
    /// Of each entry, which of the batch's records it was.
    pub(super) numbers: Vec<usize>,
    refused: Vec<DeadLetter>,
}

impl Decoded {
    /// What can be folded, each with its record.
    pub(super) fn with_records<'a>(&'a self, records: &'a [Record]) -> impl Iterator<Item = (&'a Entry, &'a Record)> {
        self.entries.iter().zip(&self.numbers).map(|(entry, number)| (entry, &records[*number]))
    }
}

/// Decodes a batch. Schemas are asked for first: while nobody can tell whether they exist, nothing of
/// the batch is judged.
pub(super) async fn decode(projector: &Projector, records: &[Record]) -> Result<Decoded, Failure> {
    let unknown = schemas::unknown(projector.schemas.as_ref(), records).await;
    let unknown = unknown.map_err(Failure::of(Component::Schemas))?;
    let (entries, numbers) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    let mut decoded = Decoded { entries, numbers, refused: Vec::new() };
    for (number, record) in records.iter().enumerate() {
        let read = codec::decode(record, projector.options.value_bytes_max);
        let foreign = frame::schema(record).filter(|id| unknown.contains(id));
        match (foreign, read) {
            (Some(id), read) => {
                let event_id = read.map_or_else(|refused| refused.event_id, |entry| Some(entry.event.event_id));
                decoded.refused.push(letter(projector, record, &schemas::refusal(id), "decoder", event_id));
            }
            (None, Ok(entry)) => {
                decoded.entries.push(entry);
                decoded.numbers.push(number);
            }
            (None, Err(codec::Refused { error, event_id })) => {
                decoded.refused.push(letter(projector, record, &error, "decoder", event_id));
            }
        }
    }
    Ok(decoded)
}

/// Makes the batch's letters durable: what could not be read, and what folding refused. Answers with
/// their reason codes.
pub(super) async fn put(
    projector: &Projector,
    session: &mut Session,
    (decoded, records): (&Decoded, &[Record]),
    folded: &Folded,
) -> Result<Vec<String>, Failure> {
    let mut letters = decoded.refused.clone();
    for ((entry, record), outcome) in decoded.with_records(records).zip(&folded.outcomes) {
        if *outcome == Outcome::NamespaceMismatch {
            letters.push(letter(projector, record, &fold::mismatch(&entry.event), "fold", Some(entry.event.event_id)));
        }
    }
    letters.sort_by_key(|letter| letter.record.place.offset);
    let reasons = letters.iter().map(|letter| letter.reason.clone()).collect();
    keep(projector, session, letters).await?;
    Ok(reasons)
}

/// Makes the letter of a record that a store refused durable. Answers with its reason code.
pub(super) async fn put_refused(
    projector: &Projector,
    session: &mut Session,
    record: &Record,
    failure: &Failure,
) -> Result<String, Failure> {
    let entry = codec::decode(record, projector.options.value_bytes_max).ok();
    let event_id = entry.map(|entry| entry.event.event_id);
    let letter = letter(projector, record, &failure.error, failure.component.as_str(), event_id);
    let reason = letter.reason.clone();
    keep(projector, session, vec![letter]).await?;
    Ok(reason)
}

/// Keeps letters once per record, however often its batch is tried.
async fn keep(projector: &Projector, session: &mut Session, letters: Vec<DeadLetter>) -> Result<(), Failure> {
    let is_new = |letter: &DeadLetter| !session.lettered.contains(&letter.record.place.offset);
    let letters: Vec<DeadLetter> = letters.into_iter().filter(is_new).collect();
    if letters.is_empty() {
        return Ok(());
    }
    let offsets: Vec<_> = letters.iter().map(|letter| letter.record.place.offset).collect();
    projector.letters.put(letters).await.map_err(Failure::of(Component::DeadLetters))?;
    session.lettered.extend(offsets);
    Ok(())
}

fn letter(
    projector: &Projector,
    record: &Record,
    error: &Error,
    component: &str,
    event_id: Option<EventId>,
) -> DeadLetter {
    let redrives = record.header(DeadLetter::REDRIVES).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    DeadLetter {
        record: record.clone(),
        reason: error.code.as_str().to_owned(),
        error: match &error.field {
            Some(field) => format!("{field}: {error}"),
            None => error.to_string(),
        },
        component: component.to_owned(),
        event_id,
        first_seen: projector.clock.now(),
        attempts: 1,
        redrives: redrives.unwrap_or(0),
    }
}
