use futures::FutureExt as _;

use super::{Lanes, Turn};
use crate::testing::run;

#[test]
fn a_lane_whose_work_panics_is_given_back() {
    let lanes = Lanes::new().expect("threads");
    for _ in 0..2 * lanes.count() {
        let turn = run(lanes.turn()).expect("a turn");
        let work =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lanes.compute(turn, || panic!("of the test"))));
        assert!(work.is_err());
    }
    let turn = run(lanes.turn()).expect("a turn");
    let name = lanes.compute(turn, || std::thread::current().name().map(str::to_owned));
    assert!(name.is_some_and(|name| name.starts_with("minilm-")), "it runs on a lane");
}

#[test]
fn texts_to_be_indexed_leave_a_lane_to_questions() {
    let lanes = Lanes::new().expect("threads");
    let most = lanes.count().saturating_sub(1).max(1);
    let held: Vec<Turn> = (0..most).map(|_| run(lanes.document_turn()).expect("a turn")).collect();
    assert!(lanes.document_turn().now_or_never().is_none(), "the next one waits");
    assert_eq!(lanes.turn().now_or_never().is_some(), lanes.count() > 1, "a question only where there is but one lane");
    drop(held);
    assert!(lanes.document_turn().now_or_never().is_some());
}
