//! Redriving dead letters: giving a refused record another chance, where it first lay.
//!
//! A redriven record is appended to the log with its origin in its headers, and folded there: it
//! cannot overwrite what came after it. Its event id takes effect once, so redriving twice is safe.
//!
//! Invariants:
//!
//! - What a redrive would do is told by the same decision that a redrive makes ([`fate`]).
//! - The letter stays, and notes where its record went. One that is refused again is a letter of its
//!   own; the count of redrives goes with it, and beyond [`limits::REDRIVES_MAX`] somebody has to insist.
//! - Nothing is appended for a memory that was deleted after the letter: its words would come back
//!   into the log behind the delete.

use std::time::Duration;

use crate::engine::{Engine, Stored, Written};
use crate::error::{Code, Error, Result};
use crate::event::{EventType, build, codec, frame};
use crate::fold::{Entry, State};
use crate::ids::Place;
use crate::limits;
use crate::log::{Appended, DeadLetter, NewRecord, Record};

/// Letters read at a time.
const PAGE: usize = 100;

/// Which letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// That of one source.
    Source(Place),
    /// Those that were refused for this reason.
    Reason(String),
    /// All.
    All,
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Tells what would happen.
    DryRun,
    /// Does it.
    Apply,
}

/// What happens to letters that were redriven before, and perhaps too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// They are left alone.
    Keep,
    /// They are redriven all the same.
    Override,
}

/// A redrive.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which letters.
    pub selection: Selection,
    /// The event that takes the place of the refused one; for one letter only.
    pub value: Option<Vec<u8>>,
    /// Whether anything is changed.
    pub mode: Mode,
    /// Whether the guard holds.
    pub guard: Guard,
    /// How long to wait, for each, until it is known what became of it.
    pub wait: Duration,
}

/// What a redrive does to a letter, as far as can be told before.
#[derive(Debug)]
pub enum Fate {
    /// Its event is folded at its origin, and readers see it.
    Applies,
    /// Its event is kept in the history; something newer stands.
    Behind,
    /// Its event has taken effect before: there is nothing to do.
    Duplicate,
    /// Its memory was deleted after it: there is nothing to do.
    Deleted,
    /// It would be refused again.
    Refused(Error),
    /// It was redriven before, to this place.
    Redriven(Place),
    /// It was redriven too often.
    Guarded,
}

impl Fate {
    /// The word that people and programs read.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Applies => "applies",
            Self::Behind => "behind",
            Self::Duplicate => "duplicate",
            Self::Deleted => "deleted",
            Self::Refused(_) => "refused",
            Self::Redriven(_) => "redriven_before",
            Self::Guarded => "guarded",
        }
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Applies => "the event takes effect where it first lay".into(),
            Self::Behind => "the event joins the history; what came after it stands".into(),
            Self::Duplicate => "the event has taken effect already".into(),
            Self::Deleted => "the memory was deleted after this event".into(),
            Self::Refused(error) => format!("the event is refused again: {error}"),
            Self::Redriven(place) => format!("the letter was redriven before, to {place}"),
            Self::Guarded => {
                format!("the letter was redriven {} times already; insist if that is meant", limits::REDRIVES_MAX)
            }
        }
    }

    const fn is_redriven(&self) -> bool {
        match self {
            Self::Applies | Self::Behind => true,
            Self::Duplicate | Self::Deleted | Self::Refused(_) | Self::Redriven(_) | Self::Guarded => false,
        }
    }
}

/// What became of a redriven letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// Both stores have it.
    Stored,
    /// It is in the log, and not yet in the stores.
    Appended,
    /// It was refused again.
    DeadLettered,
}

impl Became {
    /// The word that people and programs read.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Appended => "appended",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// One letter of a redrive.
#[derive(Debug)]
pub struct Item {
    /// The letter, as it was.
    pub letter: DeadLetter,
    /// What was to be expected.
    pub fate: Fate,
    /// Where its record lies, and what became of it, once it is redriven.
    pub redriven: Option<(Place, Became)>,
}

/// Redrives letters, or tells what would happen.
///
/// # Errors
/// `not_found` when no letter has the source, `bad_request` for a value without one source, those of
/// a strictly checked event for the value; `unavailable`, `storage_full`, `corrupt`.
pub async fn redrive(engine: &Engine, request: &Request) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for letter in select(engine, &request.selection).await? {
        let record = record(engine, &letter, request.value.as_deref(), &request.selection)?;
        let fate = fate(engine, &letter, &record, request.guard).await?;
        let redriven = match (request.mode, fate.is_redriven()) {
            (Mode::Apply, true) => Some(apply(engine, &letter, record, request.wait).await?),
            (Mode::Apply | Mode::DryRun, _) => None,
        };
        items.push(Item { letter, fate, redriven });
    }
    Ok(items)
}

/// The letters, as they are before anything of this redrive is refused again.
async fn select(engine: &Engine, selection: &Selection) -> Result<Vec<DeadLetter>> {
    let reason = match selection {
        Selection::Source(source) => return letter(engine, source).await.map(|letter| vec![letter]),
        Selection::Reason(reason) => Some(reason),
        Selection::All => None,
    };
    let mut letters = Vec::new();
    let mut after = None;
    loop {
        let page = engine.letters.list(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(letters) };
        after = Some(last.record.place.clone());
        letters.extend(page.into_iter().filter(|letter| reason.is_none_or(|reason| letter.reason == *reason)));
    }
}

/// The letter of that source.
///
/// # Errors
/// `not_found`; `unavailable`, `corrupt`.
pub async fn letter(engine: &Engine, source: &Place) -> Result<DeadLetter> {
    engine.letters.get(source).await?.ok_or_else(|| {
        Error::new(Code::NotFound, format!("no dead letter has the source {source}")).remedy("list the dead letters")
    })
}

/// The record to append: at its origin, with the value that is to be.
fn record(engine: &Engine, letter: &DeadLetter, value: Option<&[u8]>, selection: &Selection) -> Result<Record> {
    let mut record = letter.record.clone();
    let origin = codec::place(&record).unwrap_or_else(|_| record.place.clone());
    record.headers.retain(|(name, _)| !name.starts_with("soma.dlq.") && !name.starts_with("soma.origin."));
    let number = |number: u64| number.to_string().into_bytes();
    record.headers.extend([
        (codec::ORIGIN_LOG.to_owned(), origin.log.as_str().as_bytes().to_vec()),
        (codec::ORIGIN_PARTITION.to_owned(), number(origin.partition.into())),
        (codec::ORIGIN_OFFSET.to_owned(), number(origin.offset)),
        (DeadLetter::REDRIVES.to_owned(), number(u64::from(letter.redrives) + 1)),
    ]);
    let Some(value) = value else { return Ok(record) };
    if !matches!(selection, Selection::Source(_)) {
        return Err(Error::new(Code::BadRequest, "a value can take the place of one letter's only")
            .at("value")
            .remedy("name the source of that letter"));
    }
    let event = build::strict_bytes(value, engine.value_bytes_max)?;
    record.headers.retain(|(name, _)| name != codec::ERASED);
    frame::as_ours(&mut record.headers);
    (record.key, record.value) = (Some(event.id.to_string().into_bytes()), Some(codec::encode(&event)));
    Ok(record)
}

/// What redriving this record does.
async fn fate(engine: &Engine, letter: &DeadLetter, record: &Record, guard: Guard) -> Result<Fate> {
    if guard == Guard::Keep {
        match letter.redriven_to() {
            // If it was refused again, there is a letter of that place to look at.
            Some(place) => return Ok(Fate::Redriven(place)),
            None if letter.redrives >= limits::REDRIVES_MAX => return Ok(Fate::Guarded),
            None => {}
        }
    }
    let Entry { event, place } = match codec::decode(record, engine.value_bytes_max) {
        Ok(entry) => entry,
        Err(refused) => return Ok(Fate::Refused(refused.error)),
    };
    if engine.store.event(event.event_id).await?.is_some() {
        return Ok(Fate::Duplicate);
    }
    let Some(state) = engine.store.states(&[event.id]).await?.into_iter().next() else { return Ok(Fate::Applies) };
    if let (Some(has), Some(says)) = (&state.namespace, &event.namespace)
        && has != says
    {
        let what = format!("memory {} belongs to the namespace {has}, not {says}", event.id);
        let remedy = "give it the namespace of the memory, or another id";
        return Ok(Fate::Refused(Error::new(Code::NamespaceMismatch, what).at("namespace").remedy(remedy)));
    }
    let behind = precedes(&place, event.timestamp.0, &state);
    Ok(match (behind, state.kind) {
        (true, EventType::Deleted) => Fate::Deleted,
        (true, EventType::Created | EventType::Updated) => Fate::Behind,
        (false, EventType::Deleted) if event.kind == EventType::Updated => Fate::Behind,
        (false, _) => Fate::Applies,
    })
}

/// Whether an event at that place comes before what the memory shows.
fn precedes(place: &Place, time: i64, state: &State) -> bool {
    if place.same_partition(&state.at) {
        return place.offset < state.at.offset;
    }
    (time, &place.log, place.partition) < (state.effective.0, &state.at.log, state.at.partition)
}

/// Appends the record, notes it on the letter, and waits for what becomes of it.
async fn apply(engine: &Engine, letter: &DeadLetter, record: Record, wait: Duration) -> Result<(Place, Became)> {
    let entry = codec::decode(&record, engine.value_bytes_max).map_err(|refused| refused.error)?;
    // Without its event id: the log may hold the refused record under it.
    let Record { key, value, headers, .. } = record;
    let appended = engine.log.append(vec![NewRecord { key, value, headers, event_id: None }]).await?;
    let place = match appended.into_iter().next() {
        Some(Appended::New(place)) => place,
        Some(Appended::Existing(record)) => record.place,
        None => return Err(Error::new(Code::Internal, "the log did not answer for the record")),
    };
    engine.letters.put(vec![letter.clone().redriven(&place)]).await?;
    let event = entry.event;
    let written = Written { id: event.id, event_id: event.event_id, place: place.clone(), repeated: false };
    let became = match engine.stored(&written, wait).await {
        Ok(Stored::Yes) => Became::Stored,
        Ok(Stored::NotYet) => Became::Appended,
        Err(error) if error.code == Code::DeadLettered => Became::DeadLettered,
        Err(error) => return Err(error),
    };
    Ok((place, became))
}
