//! Points against records, in one merge by id.
//!
//! A point is compared with the one that the projector would make of the record and its neighbours, bit
//! by bit, dense vectors within what the embedder says that making them again may change. The point of a turn may carry a higher `rev` than its record: that of a neighbour's change.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::PAGE;
use super::report::{Finding, Part, Report, What};
use crate::context::{self, REACH, Subject};
use crate::engine::Engine;
use crate::error::Result;
use crate::fold::State;
use crate::ids::MemoryId;
use crate::index::{Op, Point, StoredPoint};
use crate::projector::points;
use crate::thread::{Placed, Thread, TurnKey};

/// How often a point that seems wrong is looked at again.
const LOOKS: usize = 3;

/// Compares every point.
pub(super) async fn compare(engine: &Engine, report: &mut Report) -> Result<()> {
    let mut expected = Expected { engine, after: None, page: VecDeque::new(), done: false };
    let mut stored = Stored { engine, after: None, page: VecDeque::new(), done: false };
    let mut want = expected.next().await?;
    let mut have = stored.next().await?;
    loop {
        let order = match (&want, &have) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(want), Some(have)) => want.id.cmp(&have.id),
        };
        if order != Ordering::Less
            && let Some(have) = &have
        {
            report.points += 1;
            if order == Ordering::Greater {
                let finding = Finding::of(Part::Index, What::Extra, have.id, "no record stands behind it");
                report.add(finding.under(have.rev));
            }
        }
        if order == Ordering::Less
            && let Some(want) = &want
        {
            report.add(Finding::of(Part::Index, What::Missing, want.id, "its record is there"));
        }
        if let (Ordering::Equal, Some(want), Some(have)) = (order, &want, &have) {
            let differing = differing(want, have, engine.embedder.tolerance());
            if !differing.is_empty() {
                let detail = format!("differs in {}", differing.join(", "));
                report.add(Finding::of(Part::Index, What::Different, want.id, detail).under(have.rev));
            }
        }
        if order != Ordering::Greater {
            want = expected.next().await?;
        }
        if order != Ordering::Less {
            have = stored.next().await?;
        }
    }
}

/// Looks again at what was found while the projector was at work: a turn is read with its neighbours one
/// after the other, and a change in between looks like a fault. What is right at one look is right.
pub(super) async fn look_again(engine: &Engine, report: &mut Report) -> Result<()> {
    let mut kept = Vec::with_capacity(report.findings.len());
    for finding in std::mem::take(&mut report.findings) {
        let right = match finding.id.filter(|_| finding.part == Part::Index) {
            Some(id) => is_right(engine, id).await?,
            None => false,
        };
        if !right {
            kept.push(finding);
        }
    }
    report.findings = kept;
    Ok(())
}

async fn is_right(engine: &Engine, id: MemoryId) -> Result<bool> {
    for _ in 0..LOOKS {
        let states = engine.store.states(&[id]).await?;
        let want = points_of(engine, &states).await?.pop();
        let before = id.0.as_u128().checked_sub(1).map(|id| MemoryId(uuid::Uuid::from_u128(id)));
        let have = engine.index.scan(before, 1).await?.pop().filter(|have| have.id == id);
        let right = match (&want, &have) {
            (Some(want), Some(have)) => differing(want, have, engine.embedder.tolerance()).is_empty(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if right {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The points that these records call for, by id.
pub(super) async fn points_of(engine: &Engine, states: &[State]) -> Result<Vec<Point>> {
    let mut alone: Vec<Subject<'_>> = Vec::new();
    let mut threads: BTreeMap<Thread, Vec<TurnKey>> = BTreeMap::new();
    for state in states.iter().filter(|state| state.is_live()) {
        match Placed::of(state) {
            Some(Placed { thread, key, .. }) => threads.entry(thread).or_default().push(key),
            None => alone.push(Subject::alone(state)),
        }
    }
    let mut ops = points::plan(&*engine.embedder, &alone).await?;
    for (thread, keys) in threads {
        let turns = engine.store.turns(&thread, &keys, REACH).await?;
        ops.extend(points::plan(&*engine.embedder, &context::standing(&turns, &keys)).await?);
    }
    let made = ops.into_iter().filter_map(|op| match op {
        Op::Upsert(point) => Some(*point),
        Op::Delete { .. } => None,
    });
    let mut points: Vec<Point> = made.collect();
    points.sort_unstable_by_key(|point| point.id);
    Ok(points)
}

fn differing(want: &Point, have: &StoredPoint, tolerance: f32) -> Vec<&'static str> {
    let rewritten = want.thread.is_some() && want.rev < have.rev;
    let fields = [
        ("rev", want.rev == have.rev || rewritten),
        ("event_id", want.event_id == have.event_id),
        ("namespace", want.namespace.as_str() == have.namespace),
        ("dense vector", alike(&want.dense, &have.dense, tolerance)),
        ("sparse vector", want.sparse == have.sparse),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

fn alike(want: &[f32], have: &[f32], tolerance: f32) -> bool {
    want.len() == have.len() && want.iter().zip(have).all(|(want, have)| (want - have).abs() <= tolerance)
}

/// The points that the records call for, by id.
struct Expected<'a> {
    engine: &'a Engine,
    after: Option<MemoryId>,
    page: VecDeque<Point>,
    done: bool,
}

impl Expected<'_> {
    async fn next(&mut self) -> Result<Option<Point>> {
        while self.page.is_empty() && !self.done {
            let states = self.engine.store.scan(self.after, PAGE).await?;
            match states.last() {
                Some(last) => self.after = Some(last.id),
                None => self.done = true,
            }
            self.page.extend(points_of(self.engine, &states).await?);
        }
        Ok(self.page.pop_front())
    }
}

/// The points that are there, by id.
struct Stored<'a> {
    engine: &'a Engine,
    after: Option<MemoryId>,
    page: VecDeque<StoredPoint>,
    done: bool,
}

impl Stored<'_> {
    async fn next(&mut self) -> Result<Option<StoredPoint>> {
        if self.page.is_empty() && !self.done {
            self.page = self.engine.index.scan(self.after, PAGE).await?.into();
            match self.page.back() {
                Some(last) => self.after = Some(last.id),
                None => self.done = true,
            }
        }
        Ok(self.page.pop_front())
    }
}
