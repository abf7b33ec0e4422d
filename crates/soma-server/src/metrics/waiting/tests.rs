use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

#[test]
fn what_waits_is_as_old_as_the_moment_at_which_nothing_waited() {
    let waiting = Waiting::default();
    assert_eq!(waiting.lag(0, 5, at(100)), None, "nobody has looked before");
    assert_eq!(waiting.lag(0, 0, at(110)), Some(Duration::ZERO));
    assert_eq!(waiting.lag(0, 5, at(150)), Some(Duration::from_secs(40)));
    assert_eq!(waiting.lag(1, 5, at(150)), None, "another partition");
}

#[test]
fn what_waits_is_younger_than_what_was_projected() {
    let waiting = Waiting::default();
    waiting.since(0, at(10));
    assert_eq!(waiting.lag(0, 5, at(100)), Some(Duration::from_secs(90)));
    waiting.since(0, at(60));
    waiting.since(0, at(20));
    assert_eq!(waiting.lag(0, 5, at(100)), Some(Duration::from_secs(40)), "a late time takes nothing back");
    assert_eq!(waiting.lag(0, 5, at(50)), Some(Duration::ZERO), "a broker's clock that is ahead");
    waiting.forget(0);
    assert_eq!(waiting.lag(0, 5, at(100)), None);
}
