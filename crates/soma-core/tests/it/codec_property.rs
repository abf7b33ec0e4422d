//! What holds for any bytes whatever. One function, driven by the property tests and by the fuzzer.

use soma_core::event::codec::{self, ERASED, decode, encode, erase, identity};
use soma_core::event::frame::SchemaId;
use soma_core::event::{Event, build};
use soma_core::ids::{LogId, MemoryId, Place, Timestamp};
use soma_core::log::Record;
use soma_core::{json, limits};

/// A record that holds these bytes.
pub(crate) fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
    Record {
        place: Place { log: LogId::new("corpus"), partition: 0, offset: 7 },
        timestamp: Timestamp(1_767_323_045_000_006),
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    }
}

/// The record that a log holds after it has erased this one.
fn erased(record: &Record) -> Option<Record> {
    let value = erase(record)?;
    let mut erased = Record { value: Some(value), ..record.clone() };
    erased.headers.push((ERASED.into(), b"1".to_vec()));
    Some(erased)
}

/// Holds the codec to its invariants for a value of any bytes.
pub(crate) fn holds_for(bytes: &[u8]) {
    if let Ok(value) = json::parse(bytes) {
        let canonical = json::canonical(&value);
        assert_eq!(json::parse(canonical.as_bytes()).expect("canonical JSON is JSON"), value);
        assert_eq!(json::canonical(&value), canonical);
        assert_eq!(json::normalise(value.clone(), "", 0).expect("a parsed value is within bounds"), value);
    }
    let keyless = record(None, Some(bytes));
    assert!(decode(&keyless, limits::VALUE_BYTES_MAX).is_err(), "no record without a key is an event");
    let _ = (identity(&keyless), erase(&keyless), decode(&record(Some(bytes), None), 0));

    for record in framings(bytes) {
        holds_in(&record, bytes);
    }
}

/// These bytes as each kind of writer sends them.
fn framings(bytes: &[u8]) -> Vec<Record> {
    let key = id_within(bytes);
    let plain = record(key.as_deref(), Some(bytes));
    let by = |schema: SchemaId| Record { value: Some(schema.frame(bytes)), ..plain.clone() };
    let structured = [b"{\"specversion\":\"1.0\",\"data\":".as_slice(), bytes, b"}"].concat();
    let kind = ("content-type".to_owned(), b"application/cloudevents+json".to_vec());
    let cloud_event = Record { value: Some(structured), headers: vec![kind], ..plain.clone() };
    let guid = MemoryId::parse("0190b6a0-8d2f-7e4b-8a3c-2d3e4f5a6b7c").expect("a UUID").0;
    let mut all = vec![by(SchemaId::Id(7)), by(SchemaId::Guid(guid)), plain.clone()];
    if json::parse(bytes).is_ok() {
        // What is no JSON could close the object and open another.
        all.push(cloud_event);
    } else {
        let _ = (identity(&cloud_event), erase(&cloud_event), decode(&cloud_event, limits::VALUE_BYTES_MAX));
    }
    all
}

/// Holds the codec to its invariants for one record that carries these bytes.
fn holds_in(record: &Record, bytes: &[u8]) {
    let strict = build::strict_bytes(bytes, limits::VALUE_BYTES_MAX);
    match decode(record, limits::VALUE_BYTES_MAX) {
        Err(refused) => {
            if let Some(event_id) = refused.event_id {
                assert_eq!(identity(record), event_id);
            }
            assert!(strict.is_err(), "what is built strictly can be read");
            assert!(erase(record).is_none(), "what cannot be read is not touched");
        }
        Ok(entry) => {
            if let Ok(built) = strict {
                assert_eq!(built, entry.event);
            }
            assert_eq!(identity(record), entry.event.event_id);
            survives_writing(record, &entry.event);
            survives_erasing(record, &entry.event);
        }
    }
}

fn survives_writing(record: &Record, event: &Event) {
    let written = Record { value: Some(encode(event)), headers: Vec::new(), ..record.clone() };
    let again = codec::decode(&written, usize::MAX).expect("what is encoded can be decoded");
    assert_eq!(&again.event, event);
    assert_eq!(encode(&again.event), encode(event));
    let strict = build::strict_bytes(&encode(event), usize::MAX).expect("what is encoded satisfies the schema");
    assert_eq!(&strict, event);
}

fn survives_erasing(record: &Record, event: &Event) {
    let once = erased(record).expect("an event can be erased");
    let twice = erased(&once).expect("an erased event can be erased");
    assert_eq!(once.value, twice.value);
    assert_eq!(identity(&once), identity(record));
    let left = decode(&once, usize::MAX).expect("an erased event can be read").event;
    assert_eq!(left, Event { content: None, ..event.clone() });
}

/// The id that the bytes name as a reader sees it, so that the key fits.
fn id_within(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut value = json::parse(bytes).ok()?;
    if let Some(inner) = value.as_str() {
        value = json::parse(inner.as_bytes()).ok()?;
    }
    let id = MemoryId::parse(value.get("id")?.as_str()?).ok()?;
    Some(id.to_string().into_bytes())
}
