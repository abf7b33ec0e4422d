//! A letter's headers: those of the refused record, then ours.
//!
//! The refused record may itself carry headers with our names (it was redriven, or copied from a topic of
//! letters), so ours are those from the last [`TOPIC`] on.

use soma_core::ids::{EventId, LogId, Place, Timestamp};
use soma_core::log::{DeadLetter, Record};

const TOPIC: &str = "soma.dlq.topic";
const LOG: &str = "soma.dlq.log";
const PARTITION: &str = "soma.dlq.partition";
const OFFSET: &str = "soma.dlq.offset";
const TIMESTAMP: &str = "soma.dlq.timestamp";
const GROUP: &str = "soma.dlq.group";
const REASON: &str = "soma.dlq.reason";
const ERROR: &str = "soma.dlq.error";
const COMPONENT: &str = "soma.dlq.component";
const EVENT_ID: &str = "soma.dlq.event_id";
const FIRST_SEEN: &str = "soma.dlq.first_seen";
const ATTEMPTS: &str = "soma.dlq.attempts";

/// The headers of a letter's record in the topic.
pub(super) fn write(letter: &DeadLetter, group: &str) -> Vec<(String, Vec<u8>)> {
    let place = &letter.record.place;
    let mut headers = letter.record.headers.clone();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value.into_bytes()));
    add(TOPIC, topic(&place.log).to_owned());
    add(LOG, place.log.to_string());
    add(PARTITION, place.partition.to_string());
    add(OFFSET, place.offset.to_string());
    add(TIMESTAMP, letter.record.timestamp.to_string());
    add(GROUP, group.to_owned());
    add(REASON, letter.reason.clone());
    add(ERROR, letter.error.clone());
    add(COMPONENT, letter.component.clone());
    if let Some(id) = letter.event_id {
        add(EVENT_ID, id.to_string());
    }
    add(FIRST_SEEN, letter.first_seen.to_string());
    add(ATTEMPTS, letter.attempts.to_string());
    add(DeadLetter::REDRIVES, letter.redrives.to_string());
    headers
}

/// The topic in a log's name, `<cluster id>/<topic>#<generation>`; the whole name for another kind of log.
fn topic(log: &LogId) -> &str {
    let name = log.as_str();
    let topic = name.split_once('/').and_then(|(_, rest)| rest.rsplit_once('#')).map(|(topic, _)| topic);
    topic.unwrap_or(name)
}

/// The letter that a record of the topic is; `None` when it says too little to be one.
pub(super) fn parse(record: Record) -> Option<DeadLetter> {
    let Record { place: _, timestamp: _, key, value, mut headers } = record;
    let first = headers.iter().rposition(|(name, _)| name == TOPIC)?;
    let ours = headers.split_off(first);
    let text = |name: &str| {
        let (_, value) = ours.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    };
    let log = LogId::new(text(LOG).or_else(|| text(TOPIC))?);
    let place = Place { log, partition: text(PARTITION)?.parse().ok()?, offset: text(OFFSET)?.parse().ok()? };
    let time = |name: &str| text(name).and_then(|text| Timestamp::parse(text).ok());
    let timestamp = time(TIMESTAMP).unwrap_or_default();
    Some(DeadLetter {
        reason: text(REASON)?.to_owned(),
        error: text(ERROR).unwrap_or_default().to_owned(),
        component: text(COMPONENT).unwrap_or_default().to_owned(),
        event_id: text(EVENT_ID).and_then(|id| EventId::parse(id).ok()),
        first_seen: time(FIRST_SEEN).unwrap_or(timestamp),
        attempts: text(ATTEMPTS).and_then(|n| n.parse().ok()).unwrap_or(1),
        redrives: text(DeadLetter::REDRIVES).and_then(|n| n.parse().ok()).unwrap_or(0),
        record: Record { place, timestamp, key, value, headers },
    })
}
