use soma_core::ids::{EventId, LogId, Place, Timestamp};
use soma_core::log::{DeadLetter, Record};
use uuid::Uuid;

use super::{as_record, headers};

fn letter() -> DeadLetter {
    DeadLetter {
        record: Record {
            place: Place { log: LogId::new("abc/memory.events#2"), partition: 3, offset: 77 },
            timestamp: Timestamp(1_704_067_200_123_456),
            key: Some(vec![255, 0]),
            value: None,
            headers: vec![("a".to_owned(), vec![0, 255]), ("a".to_owned(), Vec::new())],
        },
        reason: "bad_key".to_owned(),
        error: "id: the key is not the memory's id".to_owned(),
        component: "decoder".to_owned(),
        event_id: Some(EventId(Uuid::from_u128(7))),
        first_seen: Timestamp(1_704_067_200_654_321),
        attempts: 3,
        redrives: 1,
    }
}

#[test]
fn a_letter_is_read_as_it_was_written() {
    for event_id in [letter().event_id, None] {
        let letter = DeadLetter { event_id, ..letter() };
        assert_eq!(headers::parse(as_record(&letter, "group")), Some(letter));
    }
}

#[test]
fn headers_of_an_earlier_letter_stay_with_the_record() {
    let mut letter = letter();
    letter.record.headers = as_record(&letter, "another group").headers;
    letter.record.headers.push((DeadLetter::REDRIVES.to_owned(), b"9".to_vec()));
    assert_eq!(headers::parse(as_record(&letter, "group")), Some(letter));
}

#[test]
fn a_letter_names_topic_and_group() {
    let record = as_record(&letter(), "group");
    assert_eq!(record.header("soma.dlq.topic"), Some(&b"memory.events"[..]));
    assert_eq!(record.header("soma.dlq.group"), Some(&b"group"[..]));
}

#[test]
fn a_record_without_our_headers_is_no_letter() {
    assert_eq!(headers::parse(letter().record), None);
    let mut half = as_record(&letter(), "group");
    half.headers.retain(|(name, _)| name != "soma.dlq.offset");
    assert_eq!(headers::parse(half), None);
}
