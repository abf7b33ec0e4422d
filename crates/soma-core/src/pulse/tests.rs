use std::future::pending;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Wake, Waker};

use super::*;
use crate::testing::SeededClock;

fn world() -> (Arc<SeededClock>, Pulses) {
    let clock = Arc::new(SeededClock::waiting(1));
    (Arc::clone(&clock), Pulses::new(clock))
}

fn silences(pulses: &Pulses) -> Vec<(String, u64)> {
    pulses.silences().into_iter().map(|silence| (silence.name, silence.lasts.as_secs())).collect()
}

#[test]
fn a_loop_is_silent_since_its_last_beat() {
    let (clock, pulses) = world();
    let (one, two) = (pulses.begin("b"), pulses.begin("a"));
    clock.advance(Duration::from_secs(7));
    one.beat();
    clock.advance(Duration::from_secs(2));
    assert_eq!(silences(&pulses), [("a".to_owned(), 9), ("b".to_owned(), 2)]);
    two.beat();
    assert_eq!(silences(&pulses), [("a".to_owned(), 0), ("b".to_owned(), 2)]);
}

#[test]
fn a_loop_that_has_ended_is_not_asked_for() {
    let (clock, pulses) = world();
    let (first, second) = (pulses.begin("partition 0"), pulses.begin("partition 0"));
    clock.advance(Duration::from_secs(3));
    second.beat();
    drop(first);
    assert_eq!(silences(&pulses), [("partition 0".to_owned(), 0)]);
    drop(second);
    assert_eq!(silences(&pulses), []);
}

/// Notes that somebody wants to be polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn whoever_waits_on_purpose_goes_on_beating_and_ends_with_the_wait() {
    let (clock, pulses) = world();
    let hour = Duration::from_secs(3_600);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut run = pin!(pulses.begin("loop").keep(waiting(&*clock, clock.sleep(hour))));
    let mut longest = Duration::ZERO;
    while clock.elapsed() < hour {
        // As a runtime does it: nobody is polled who was not woken.
        if woken.0.swap(false, Ordering::Relaxed) {
            assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        clock.advance(Duration::from_secs(1));
        longest = longest.max(pulses.silences()[0].lasts);
    }
    assert_eq!(longest, EVERY);
    assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn a_call_that_never_answers_is_silence() {
    let (clock, pulses) = world();
    let mut stuck = pin!(pulses.begin("loop").keep(pending::<()>()));
    assert!(stuck.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    clock.advance(Duration::from_secs(300));
    assert_eq!(silences(&pulses), [("loop".to_owned(), 300)]);
}
