//! What many samples say: medians, tails and ratios, and how pairs are measured fairly.
//!
//! Samples that are compared are taken in turn, one of each kind after the other, so that whatever
//! else the machine does meets all of them alike. A ratio is that of the medians: single pairs are too
//! noisy, and a mean would follow the worst of them.

#[cfg(test)]
mod tests;

use std::time::Duration;

use soma_core::Result;
use soma_core::clock::Clock;

/// What was measured, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Samples(Vec<f64>);

/// Whether small or large numbers are the good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    /// Times, bytes.
    Lower,
    /// Rates.
    Higher,
}

impl Samples {
    /// One sample alone.
    pub(super) fn one(value: f64) -> Self {
        Self(vec![value])
    }

    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// What 95 of 100 samples are at least as good as.
    pub(super) fn p95(&self, better: Better) -> f64 {
        self.tail(better, 95.0)
    }

    /// What 99 of 100 samples are at least as good as.
    pub(super) fn p99(&self, better: Better) -> f64 {
        self.tail(better, 99.0)
    }

    fn tail(&self, better: Better, percent: f64) -> f64 {
        match better {
            Better::Lower => self.quantile(percent / 100.0),
            Better::Higher => self.quantile((100.0 - percent) / 100.0),
        }
    }

    /// The value below which this share of the samples lies, between neighbours by proportion; 0
    /// without samples.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
        let at = share.clamp(0.0, 1.0) * last as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        below + (above - below) * at.fract()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// How often one median is the other; nothing when that one is 0.
pub(super) fn ratio(ours: &Samples, bare: &Samples) -> Option<f64> {
    let bare = bare.median();
    (bare != 0.0).then(|| ours.median() / bare)
}

/// How long sampling goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// So many rounds at most.
    pub(super) rounds: usize,
    /// No further round after so long, once there are a few.
    pub(super) time: Duration,
}

/// Fewer rounds say nothing.
const ROUNDS_MIN: usize = 3;

impl Bounds {
    /// Whether to go on after so many rounds and so much time.
    fn allow(&self, done: usize, spent: Duration) -> bool {
        done < self.rounds && (done < ROUNDS_MIN || spent < self.time)
    }
}

/// A thing to measure: does its work for the round of that number and answers samples.
pub(super) type Work<'a> = &'a mut dyn FnMut(usize) -> Result<Samples>;

/// Measures every work in turn, round after round; one set of samples per work, in their order.
///
/// # Errors
/// The first failure of a work.
pub(super) fn alternate(clock: &dyn Clock, bounds: Bounds, works: &mut [Work<'_>]) -> Result<Vec<Samples>> {
    let mut all = vec![Samples::default(); works.len()];
    let (start, mut round) = (clock.elapsed(), 0);
    while bounds.allow(round, clock.elapsed().saturating_sub(start)) {
        for (samples, work) in all.iter_mut().zip(works.iter_mut()) {
            samples.extend(work(round)?);
        }
        round += 1;
    }
    Ok(all)
}

/// Milliseconds that a work took, and what came of it.
///
/// # Errors
/// Those of the work.
pub(super) fn timed<T>(clock: &dyn Clock, work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = clock.elapsed();
    let value = work()?;
    Ok((clock.elapsed().saturating_sub(start).as_secs_f64() * 1e3, value))
}

/// The same, as a sample.
///
/// # Errors
/// Those of the work.
pub(super) fn sampled<T>(clock: &dyn Clock, work: impl FnOnce() -> Result<T>) -> Result<Samples> {
    timed(clock, work).map(|(ms, _)| Samples::one(ms))
}
