//! How often one caller may ask.

use soma_core::testing::clock::SeededClock;

use super::*;

#[test]
fn each_caller_has_a_number_of_requests_in_a_window_and_is_told_when_the_next_begins() {
    let clock = Arc::new(SeededClock::waiting(1));
    let ours: Arc<dyn Clock> = Arc::<SeededClock>::clone(&clock);
    let limiter = Limiter::new(2, Duration::from_secs(10), ours);
    let (a, b) = (Who::Token([1; 32]), Who::Address(IpAddr::from([127, 0, 0, 1])));
    assert_eq!([limiter.count(a), limiter.count(a)], [Ok(()), Ok(())]);
    let seconds = limiter.count(a).expect_err("the third is too many");
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(limiter.count(b), Ok(()));
    clock.advance(Duration::from_secs(10));
    assert_eq!(limiter.count(a), Ok(()));
}
