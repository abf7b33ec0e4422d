use serde_json::json;

use super::*;

/// 8 May 2023, 13:56 UTC.
const MAY_8: Timestamp = Timestamp(1_683_554_160_000_000);

#[test]
fn a_turn_is_its_actor_its_text_and_its_caption() {
    let turn = Turn::of(&json!({
        "text": "Look at this!", "speaker": "Ann", "caption": "a red boat",
        "thread": "t1", "seq": 4, "occurred_at": "2023-05-08T13:56:00Z"
    }));
    assert_eq!(turn.text, "Ann: Look at this!\na red boat");
    assert_eq!(turn.rest, "");
    assert_eq!((turn.actor.as_deref(), turn.thread.as_deref(), turn.seq), (Some("Ann"), Some("t1"), Some(4.0)));
    assert_eq!(turn.day_words(Timestamp(0)), "8 may 2023");
}

#[test]
fn a_field_wins_over_its_synonyms_which_are_content_then() {
    let turn = Turn::of(&json!({"task": "later", "content": "sooner", "role": "user", "user": "ann"}));
    assert_eq!(turn.text, "user: sooner");
    assert_eq!(turn.rest, "later\nann");
}

#[test]
fn other_fields_beside_a_text_are_searched_too() {
    let turn = Turn::of(&json!({"text": "lunch", "tags": ["vegan", {"b": 2, "a": true}], "none": null}));
    assert_eq!(turn.text, "lunch");
    assert_eq!(turn.rest, "vegan\ntrue\n2");
}

#[test]
fn anything_else_is_searched_as_its_scalars_in_the_order_of_the_keys() {
    assert_eq!(Turn::of(&json!({"b": "two", "a": ["one", 1.5]})).text, "one\n1.5\ntwo");
    assert_eq!(Turn::of(&json!({"z": "boats", "actor": "Ann", "thread": "x"})).text, "Ann\nboats");
    assert_eq!(Turn::of(&json!("a string")).text, "a string");
    assert_eq!(Turn::of(&json!(["x", ["y"]])).text, "x\ny");
    assert_eq!(Turn::of(&json!(null)).text, "");
}

#[test]
fn a_field_of_an_unexpected_kind_is_content() {
    let turn = Turn::of(&json!({"text": {"de": "Boot"}, "thread": ["a"], "seq": "first", "occurred_at": false}));
    assert_eq!(turn.text, "false\nfirst\nBoot\na");
    assert_eq!(turn.thread, None);
    assert_eq!(turn.seq, None);
}

#[test]
fn numbers_may_name_a_thread_or_an_actor() {
    let turn = Turn::of(&json!({"text": "x", "thread": 7, "user": 42}));
    assert_eq!(turn.thread.as_deref(), Some("7"));
    assert_eq!(turn.text, "42: x");
}

#[test]
fn the_day_is_the_writers_own_and_the_moment_is_utc() {
    let turn = Turn::of(&json!({"occurred_at": "2023-05-08T23:30:00-05:00"}));
    assert_eq!(turn.day_words(Timestamp(0)), "8 may 2023");
    let Some(Occurred::At { moment, .. }) = turn.occurred else { panic!("a date-time is a moment") };
    assert_eq!(moment, Timestamp(1_683_606_600_000_000));
}

#[test]
fn times_come_in_many_spellings() {
    for time in [
        json!("2023-05-08T13:56:00Z"),
        json!("2023-05-08 13:56"),
        json!("2023-05-08T13:56:00.000+00:00"),
        json!(1_683_554_160),
        json!(1_683_554_160_000_i64),
    ] {
        let Some(Occurred::At { moment, .. }) = Turn::of(&json!({"occurred_at": time})).occurred else {
            panic!("{time} is a moment")
        };
        assert_eq!(moment, MAY_8, "{time}");
    }
    assert_eq!(Turn::of(&json!({"occurred_at": "2023-05-08"})).day_words(Timestamp(0)), "8 may 2023");
    let words = "1:56 pm on 8 May, 2023";
    assert_eq!(Turn::of(&json!({"occurred_at": words})).day_words(Timestamp(0)), words);
}

#[test]
fn without_a_time_of_its_own_the_events_day_counts() {
    assert_eq!(Turn::of(&json!("x")).day_words(MAY_8), "8 may 2023");
    assert_eq!(Turn::of(&json!("x")).day_words(Timestamp(i64::MAX)), "");
}

#[test]
fn a_time_beyond_every_calendar_is_content_not_a_panic() {
    for time in [json!(1e300), json!(-1e300), json!(9.3e15), json!("+999999-99-99")] {
        let _ = Turn::of(&json!({"occurred_at": time})).day_words(Timestamp(0));
    }
}

#[test]
fn questions_are_recognised_by_their_last_character() {
    assert!(Turn::of(&json!({"text": "Really? "})).asks());
    assert!(Turn::of(&json!("本当？")).asks());
    assert!(!Turn::of(&json!("Really? Yes.")).asks());
}
