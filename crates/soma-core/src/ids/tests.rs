use serde_json::json;

use super::*;
use crate::clock::Clock;

const ID: &str = "0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b";

fn moment(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|e| e.to_string(), |t| t.to_string())
}

fn read(value: serde_json::Value) -> String {
    Timestamp::read(&value).map_or_else(|e| e.to_string(), |t| t.to_string())
}

fn place(log: &str, partition: Partition, offset: Offset) -> Place {
    Place { log: LogId::new(log), partition, offset }
}

struct Fixed;

#[async_trait::async_trait]
impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_323_045_000_006)
    }
    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
    fn random(&self) -> [u8; 16] {
        [0xff; 16]
    }
    async fn sleep(&self, _: std::time::Duration) {}
}

#[test]
fn an_id_is_read_in_any_usual_spelling_and_written_in_one() {
    let simple = ID.replace('-', "");
    for text in [
        ID.to_owned(),
        ID.to_uppercase(),
        simple.clone(),
        simple.to_uppercase(),
        format!("{{{ID}}}"),
        format!("urn:uuid:{ID}"),
        format!("URN:UUID:{ID}"),
    ] {
        assert_eq!(MemoryId::parse(&text).expect("readable").to_string(), ID, "{text}");
    }
    for text in
        ["", "x", &ID[1..], &format!(" {ID}"), &format!("{ID}\n"), "urn:uuid:", "ｕrn:uuid:", &ID.replace('0', "g")]
    {
        assert_eq!(EventId::parse(text).expect_err("refused").field.as_deref(), Some("event_id"), "{text}");
    }
}

#[test]
fn the_strict_spelling_is_hyphenated() {
    assert!(MemoryId::parse_strict(ID).is_ok());
    assert!(MemoryId::parse_strict(&ID.to_uppercase()).is_ok());
    assert!(MemoryId::parse_strict(&ID.replace('-', "")).is_err());
    assert!(MemoryId::parse_strict(&format!("{{{ID}}}")).is_err());
}

#[test]
fn a_caller_may_choose_ids_of_version_4_and_7_only() {
    assert!(MemoryId::parse_explicit(ID).is_ok());
    assert!(MemoryId::parse_explicit("6f1c2f0e-2b1d-4c5e-8a7b-0c1d2e3f4a5b").is_ok());
    let derived = MemoryId::parse_explicit("6f1c2f0e-2b1d-5c5e-8a7b-0c1d2e3f4a5b").expect_err("refused");
    assert!(derived.to_string().contains("reserved"), "{derived}");
    assert!(MemoryId::parse_explicit("6f1c2f0e-2b1d-1c5e-8a7b-0c1d2e3f4a5b").is_err());
    assert!(MemoryId::parse_explicit("00000000-0000-0000-0000-000000000000").is_err());
}

#[test]
fn a_new_id_begins_with_the_time_and_has_version_7() {
    let id = MemoryId::new_v7(&Fixed);
    assert_eq!(id.0.get_version_num(), 7);
    let millis = id.0.as_u128() >> 80;
    assert_eq!(i64::try_from(millis).expect("48 bits"), Fixed.now().0 / 1_000);
}

#[test]
fn a_moment_is_written_in_utc_with_microseconds() {
    for (text, written) in [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02t03:04:05.1z", "2026-01-02T03:04:05.100000Z"),
        ("2026-01-02T03:04:05.1234569Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.123456789012345+02:00", "2026-01-02T01:04:05.123456Z"),
        ("2026-01-02T00:00:00-23:59", "2026-01-02T23:59:00.000000Z"),
        ("2026-01-02T00:00:00-00:00", "2026-01-02T00:00:00.000000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000Z"),
        ("2017-01-01T00:59:60+01:00", "2016-12-31T23:59:59.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ] {
        assert_eq!(moment(text), written, "{text}");
    }
    assert_eq!(moment("0001-01-01T00:00:00Z"), Timestamp::MIN.to_string());
    assert_eq!(moment("9999-12-31T23:59:59.999999Z"), Timestamp::MAX.to_string());
}

#[test]
fn a_strict_moment_is_spelled_as_rfc_3339() {
    for text in [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04Z",
        "2026-1-2T03:04:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-02T12:00:60Z",
        "2026-01-02T03:04:05Z[UTC]",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "２026-01-02T03:04:05Z",
    ] {
        assert_eq!(Timestamp::parse(text).expect_err(text).field.as_deref(), Some("timestamp"), "{text}");
    }
}

#[test]
fn a_writers_moment_is_read_in_the_usual_spellings() {
    let second = "2026-01-02T03:04:05.000000Z";
    for value in [
        json!(1_767_323_045),
        json!(1_767_323_045.0),
        json!(1_767_323_045_000_i64),
        json!("2026-01-02T03:04:05"),
        json!("2026-01-02 03:04:05"),
        json!("20260102T030405Z"),
        json!("2026-01-02T05:04:05+02"),
        json!("2026-01-02T05:04:05+0200"),
    ] {
        assert_eq!(read(value.clone()), second, "{value}");
    }
    assert_eq!(read(json!(1_767_323_045.123_456)), "2026-01-02T03:04:05.123456Z");
    assert_eq!(read(json!(1_767_323_045_123.456)), "2026-01-02T03:04:05.123456Z");
    assert_eq!(read(json!(0)), "1970-01-01T00:00:00.000000Z");
    assert_eq!(read(json!(-1.5)), "1969-12-31T23:59:58.500000Z");
    assert_eq!(read(json!(100_000_000_000_i64)), "5138-11-16T09:46:40.000000Z");
    assert_eq!(read(json!(100_000_000_001_i64)), "1973-03-03T09:46:40.001000Z");
    assert_eq!(read(json!("2026-01-02")), "2026-01-02T00:00:00.000000Z");
}

#[test]
fn what_is_no_moment_is_refused_and_never_panics() {
    for value in [
        json!(null),
        json!(true),
        json!([1]),
        json!(""),
        json!("yesterday"),
        json!("1767323045"),
        json!("2026-01-02T03:04:05[Europe/Paris]"),
        json!("2026-01-02T03:04:05+02:00[Europe/Paris]"),
        json!("-000001-01-01T00:00:00Z"),
        json!(1e308),
        json!(-1e308),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(253_402_300_800_000_i64),
        json!(-62_135_596_801_000_i64),
    ] {
        assert_eq!(Timestamp::read(&value).expect_err("refused").field.as_deref(), Some("timestamp"), "{value}");
    }
    assert_eq!(Timestamp(i64::MIN).to_string(), Timestamp::MIN.to_string());
    assert_eq!(Timestamp(i64::MAX).to_string(), Timestamp::MAX.to_string());
}

#[test]
fn a_position_covers_a_record_and_those_before_it() {
    let position = Position::of(&place("j", 0, 7));
    assert!(position.covers(&place("j", 0, 7)) && position.covers(&place("j", 0, 0)));
    assert!(!position.covers(&place("j", 0, 8)));
    assert!(!position.covers(&place("j", 1, 0)));
    assert!(!position.covers(&place("k", 0, 0)));
}

#[test]
fn merged_positions_cover_what_both_cover() {
    let mut position = Position::of(&place("j", 0, 7));
    position.merge(&Position::of(&place("j", 0, 3)));
    position.merge(&Position::of(&place("j", 2, 9)));
    let parts: Vec<_> = position.iter().map(|(log, partition, next)| (log.as_str(), partition, next)).collect();
    assert_eq!(parts, [("j", 0, 8), ("j", 2, 10)]);
}

#[test]
fn a_position_travels_as_url_safe_text() {
    let mut position = Position::default();
    for offset in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
        position.cover(&place("a/b#é", u32::try_from(offset & 0xffff).expect("16 bits"), offset));
        position.cover(&place("journal", u32::MAX, offset));
        let text = position.to_string();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
        assert_eq!(Position::parse(&text).expect("ours"), position);
        assert_eq!(serde_json::to_value(&position).expect("a string"), json!(text));
    }
    assert_eq!(Position::parse(&Position::default().to_string()).expect("ours"), Position::default());
}

#[test]
fn several_positions_are_read_as_one() {
    let text = format!("{}, {}", Position::of(&place("j", 0, 7)), Position::of(&place("k", 1, 8)));
    let position = Position::parse_many(&text).expect("two of ours");
    assert!(position.covers(&place("j", 0, 7)) && position.covers(&place("k", 1, 8)));
    assert!(Position::parse_many("").is_err());
    assert!(Position::parse_many(&format!("{text},")).is_err());
}

#[test]
fn a_damaged_position_is_refused() {
    let text = Position::of(&place("journal", 3, 70_000)).to_string();
    for end in 0..text.len() {
        assert!(Position::parse(&text[..end]).is_err(), "cut at {end}");
    }
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(Position::parse(&damaged).expect_err("refused").code, Code::BadPosition, "{damaged}");
    }
    assert!(Position::parse(&format!("{text}A")).is_err());
    assert!(Position::parse(&"p1A".repeat(limits::POSITION_BYTES_MAX)).is_err());
    assert!(Position::parse("p1é").is_err());
}

#[test]
fn a_log_is_renewed_from_its_second_generation_on() {
    for (name, renewed) in
        [("cluster/memory.events#1", false), ("cluster/memory.events#2", true), ("cluster/a#b#12", true)]
    {
        assert_eq!(LogId::new(name).is_renewed(), renewed, "{name}");
    }
    assert!(!LogId::new("0190b8a0-0000-7000-8000-000000000001").is_renewed(), "a journal");
    assert!(!LogId::new("cluster/memory.events#x").is_renewed());
}
