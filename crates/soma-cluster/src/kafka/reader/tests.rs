use std::time::Duration;

use soma_core::ids::{LogId, Offset, Place, Timestamp};
use soma_core::log::{ReadLimit, Record};

use super::lane::{Fetching, Lane, RECORDS_MAX, Taken};

const ALL: ReadLimit = ReadLimit { records: 1_000, bytes: 1 << 20 };

fn record(offset: Offset) -> Record {
    Record {
        place: Place { log: LogId::new("log"), partition: 0, offset },
        timestamp: Timestamp(0),
        key: None,
        value: Some(vec![0; 100]),
        headers: Vec::new(),
    }
}

fn lane(at: Offset, arrived: &[Offset]) -> Lane {
    let mut lane = Lane::new(1, at, 1 << 20, Duration::ZERO);
    lane.fetching = Fetching::Yes;
    arrived.iter().for_each(|offset| lane.push(record(*offset)));
    lane
}

fn offsets(taken: Taken) -> Option<Vec<Offset>> {
    match taken {
        Taken::Records(records) => Some(records.iter().map(|record| record.place.offset).collect()),
        Taken::End => Some(Vec::new()),
        Taken::NotYet | Taken::Unsettled(_) => None,
    }
}

#[test]
fn a_read_waits_for_what_the_log_is_known_to_hold() {
    let mut lane = lane(5, &[5, 6]);
    assert_eq!(offsets(lane.take(5, ALL, 8)), None, "offset 7 is still to come");
    lane.push(record(7));
    assert_eq!(offsets(lane.take(5, ALL, 8)), Some(vec![5, 6, 7]));
    assert_eq!(offsets(lane.take(8, ALL, 8)), Some(vec![]), "the end of the log");
    assert_eq!(offsets(lane.take(1_008, ALL, 8)), Some(vec![]), "beyond the end");
}

#[test]
fn a_full_limit_does_not_wait_for_the_end() {
    let mut lane = lane(0, &[0, 1, 2]);
    let two = ReadLimit { records: 2, bytes: 1 << 20 };
    assert_eq!(offsets(lane.take(0, two, 100)), Some(vec![0, 1]));
    assert_eq!(offsets(lane.take(2, two, 100)), None);
    let few = ReadLimit { records: 10, bytes: 50 };
    assert_eq!(offsets(lane.take(2, few, 100)), Some(vec![2]), "the first record comes however large it is");
}

#[test]
fn gaps_are_stepped_over() {
    let mut lane = lane(3, &[5, 9]);
    assert_eq!(offsets(lane.take(3, ALL, 10)), Some(vec![5, 9]));
    assert!(lane.continues(10, 10));
}

#[test]
fn offsets_without_records_at_the_end_take_a_second_report() {
    let mut lane = lane(3, &[3]);
    assert_eq!(lane.take(3, ALL, 6), Taken::NotYet);
    lane.ended(lane.fetches);
    assert_eq!(lane.take(3, ALL, 6), Taken::Unsettled(4), "the report may be old");
    lane.confirm(6);
    assert_eq!((lane.take(3, ALL, 6), lane.fetching), (Taken::NotYet, Fetching::Wanted), "it is fetched once more");
    lane.fetching = Fetching::Yes;
    lane.ended(lane.fetches);
    assert_eq!(offsets(lane.take(3, ALL, 6)), Some(vec![3]));
    assert_eq!(lane.take(4, ALL, 6), Taken::End);
}

#[test]
fn a_report_alone_moves_nothing() {
    let mut lane = lane(3, &[]);
    lane.ended(lane.fetches);
    lane.ended(lane.fetches);
    assert_eq!(lane.take(3, ALL, 6), Taken::Unsettled(3), "a transaction may be open there");
    lane.push(record(3));
    assert_eq!(lane.take(3, ALL, 6), Taken::NotYet);
    lane.push(record(5));
    assert_eq!(offsets(lane.take(3, ALL, 6)), Some(vec![3, 5]));
}

#[test]
fn a_report_from_before_the_second_look_confirms_nothing() {
    let mut lane = lane(3, &[]);
    let before = lane.fetches;
    lane.ended(before);
    lane.confirm(6);
    // Already in hand when the lane was to be fetched once more.
    lane.ended(before);
    assert_eq!((lane.take(3, ALL, 6), lane.reached()), (Taken::NotYet, 3), "records 3 to 5 may still come");
    lane.ended(lane.fetches);
    assert_eq!(lane.take(3, ALL, 6), Taken::End);
}

#[test]
fn a_record_that_a_broker_had_yet_to_hear_of_is_not_passed_over() {
    let mut lane = lane(3, &[]);
    lane.ended(lane.fetches);
    lane.confirm(6);
    lane.ended(lane.fetches);
    assert_eq!((lane.take(3, ALL, 6), lane.position()), (Taken::End, 3), "it is fetched from there all the same");
    lane.push(record(3));
    lane.push(record(5));
    assert_eq!(offsets(lane.take(3, ALL, 6)), Some(vec![3, 5]));
}

#[test]
fn a_record_takes_back_what_was_to_be_confirmed() {
    let mut lane = lane(3, &[]);
    lane.ended(lane.fetches);
    lane.confirm(6);
    lane.push(record(4));
    lane.ended(lane.fetches);
    assert_eq!(lane.take(3, ALL, 6), Taken::Unsettled(5), "it was to be confirmed from before the record");
}

#[test]
fn what_was_fetched_before_is_not_taken_twice() {
    let mut lane = lane(0, &[0, 1, 2, 1, 2, 3]);
    assert_eq!(offsets(lane.take(0, ALL, 4)), Some(vec![0, 1, 2, 3]));
}

#[test]
fn a_lane_is_bounded_and_goes_on_at_half() {
    let mut lane = lane(0, &[]);
    (0..RECORDS_MAX as Offset).for_each(|offset| lane.push(record(offset)));
    assert_eq!(lane.fetching, Fetching::Full);
    assert_eq!(offsets(lane.take(0, ALL, 1 << 20)).map(|taken| taken.len()), Some(1_000));
    assert_eq!(lane.fetching, Fetching::Full);
    assert_eq!(offsets(lane.take(1_000, ALL, 1 << 20)).map(|taken| taken.len()), Some(1_000));
    assert_eq!((lane.fetching, lane.position()), (Fetching::Wanted, RECORDS_MAX as Offset));
}

#[test]
fn a_read_elsewhere_does_not_continue() {
    let mut lane = lane(10, &[10, 11, 12]);
    assert!(lane.continues(10, 13) && lane.continues(12, 13) && lane.continues(13, 13));
    assert!(!lane.continues(9, 13), "before");
    assert!(!lane.continues(10_000, 20_000), "far beyond, while the log goes on");
    assert!(lane.continues(10_000, 13), "beyond the end");
    assert_eq!(offsets(lane.take(12, ALL, 13)), Some(vec![12]));
    assert!(!lane.continues(12, 13), "it was taken");
}

#[test]
fn what_another_reader_has_taken_or_passed_is_not_held_any_more() {
    let mut lane = lane(10, &[10, 11, 12, 13]);
    assert!(lane.holds(10));
    assert_eq!(offsets(lane.take(12, ReadLimit { records: 1, ..ALL }, 14)), Some(vec![12]));
    assert!(!lane.holds(10) && !lane.holds(12), "it would go on at 13");
    assert!(lane.holds(13));
}

#[test]
fn a_wait_looks_beyond_what_lies_before() {
    let mut lane = lane(0, &[0, 1]);
    assert!(lane.reaches(1));
    assert!(!lane.reaches(2));
    lane.push(record(2));
    assert!(lane.reaches(2));
}
