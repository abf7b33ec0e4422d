//! Points against records, in one merge by id.
//!
//! A point is compared with the one that the projector would make of the record, bit by bit; dense vectors within
//! what the embedder says that making them again may change.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::PAGE;
use super::report::{Finding, Part, Report, What};
use crate::engine::Engine;
use crate::error::Result;
use crate::fold::State;
use crate::ids::MemoryId;
use crate::index::{Op, Point, StoredPoint};
use crate::projector::points;

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

fn differing(want: &Point, have: &StoredPoint, tolerance: f32) -> Vec<&'static str> {
    let fields = [
        ("rev", want.rev == have.rev),
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
            let live: Vec<&State> = states.iter().filter(|state| state.is_live()).collect();
            for op in points::plan(&*self.engine.embedder, &live).await?.ops {
                match op {
                    Op::Upsert(point) => self.page.push_back(*point),
                    Op::Delete { .. } => {}
                }
            }
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
