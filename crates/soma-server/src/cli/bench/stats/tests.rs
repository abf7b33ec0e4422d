//! Quantiles by hand, and whose turn it is.

use std::cell::RefCell;

use soma_core::error::Code;
use soma_core::{Error, testing::SeededClock};

use super::*;

fn samples(values: &[f64]) -> Samples {
    values.iter().copied().collect()
}

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn a_quantile_lies_between_its_neighbours() {
    let four = samples(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!(four.median(), 2.5);
    assert_eq!((four.quantile(0.0), four.quantile(1.0)), (1.0, 4.0));
    assert_eq!(samples(&[5.0]).quantile(0.95), 5.0);
    assert_eq!(samples(&[0.0, 10.0]).quantile(0.25), 2.5);
    assert_eq!(Samples::default().median(), 0.0);
}

#[test]
fn the_tail_is_the_bad_end() {
    let hundred: Samples = (0..=100).map(f64::from).collect();
    assert_eq!(hundred.p95(Better::Lower), 95.0);
    assert_eq!(hundred.p95(Better::Higher), 5.0);
}

#[test]
fn a_ratio_is_that_of_the_medians() {
    let (ours, bare) = (samples(&[2.0, 3.0, 100.0]), samples(&[1.0, 2.0, 2.0]));
    assert_eq!(ratio(&ours, &bare), Some(1.5));
    assert_eq!(ratio(&ours, &samples(&[0.0])), None);
}

#[test]
fn works_take_turns_until_the_rounds_are_done() {
    let order = RefCell::new(Vec::new());
    let work = |name: char| {
        let order = &order;
        move |round: usize| {
            order.borrow_mut().push((name, round));
            Ok(Samples::one(round as f64))
        }
    };
    let (mut a, mut b) = (work('a'), work('b'));
    let bounds = Bounds { rounds: 2, time: LONG };
    let all = alternate(&SeededClock::new(1), bounds, &mut [&mut a, &mut b]).expect("nothing fails");
    assert_eq!(*order.borrow(), [('a', 0), ('b', 0), ('a', 1), ('b', 1)]);
    assert_eq!(all, [samples(&[0.0, 1.0]), samples(&[0.0, 1.0])]);
}

#[test]
fn time_ends_sampling_but_not_before_there_are_a_few() {
    let mut work = |_| Ok(Samples::one(1.0));
    let bounds = Bounds { rounds: 100, time: Duration::ZERO };
    let all = alternate(&SeededClock::new(1), bounds, &mut [&mut work]).expect("nothing fails");
    assert_eq!(all[0].count(), ROUNDS_MIN);
}

#[test]
fn a_failure_ends_the_measurement() {
    let mut work = |_| Err(Error::new(Code::Unavailable, "gone"));
    let bounds = Bounds { rounds: 5, time: LONG };
    let failed = alternate(&SeededClock::new(1), bounds, &mut [&mut work]);
    assert_eq!(failed.map_err(|error| error.code), Err(Code::Unavailable));
}
