//! A vector index in memory: every search looks at every point.
//!
//! Holds what was written and, beside it, what is durable. [`Index::forget`] makes it lose the
//! difference, as a kill does to an index that does not replay its log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::lock;
use crate::clock::Clock;
use crate::embed::Identity;
use crate::error::{Code, Error, Result};
use crate::filter::{Field, Filter};
use crate::ids::MemoryId;
use crate::index::{Found, FoundList, Op, Point, Query, Search, Sparse, StoredPoint, VectorIndex};
use crate::memory::Memory;

/// A [`VectorIndex`] in memory.
pub struct Index {
    identity: Identity,
    lag: Option<(Duration, Arc<dyn Clock>)>,
    inner: Mutex<Inner>,
}

type Points = BTreeMap<MemoryId, Arc<Point>>;

#[derive(Default)]
struct Inner {
    written: Points,
    /// What was flushed, and when it becomes durable.
    flushed: VecDeque<(Duration, Points)>,
    durable: Points,
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity, lag: None, inner: Mutex::default() }
    }

    /// An empty index in which a flush becomes durable after some time, as on a server.
    #[must_use]
    pub fn lagging(identity: Identity, lag: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { identity, lag: Some((lag, clock)), inner: Mutex::default() }
    }

    /// Loses everything that is not durable.
    pub fn forget(&self) {
        let now = self.now();
        let mut inner = lock(&self.inner);
        inner.settle(now);
        inner.flushed.clear();
        inner.written = inner.durable.clone();
    }

    fn now(&self) -> Duration {
        self.lag.as_ref().map_or(Duration::ZERO, |(_, clock)| clock.elapsed())
    }

    /// Every point, whole, by id.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        lock(&self.inner).written.values().map(|point| Point::clone(point)).collect()
    }

    fn check(&self, point: &Point) -> Result<()> {
        let refuse = |why: &str| Err(Error::new(Code::StoreRejected, format!("the point of {} {why}", point.id)));
        if point.dense.len() != self.identity.dims {
            return refuse("has a vector of another length than the index");
        }
        let values = point.dense.iter().chain(&point.sparse.values);
        if !values.into_iter().all(|value| value.is_finite()) {
            return refuse("has a number that is not finite");
        }
        if point.dense.iter().all(|value| *value == 0.0) {
            return refuse("has a vector that is all zero");
        }
        if point.sparse.indices.len() != point.sparse.values.len() || !point.sparse.indices.is_sorted_by(|a, b| a < b) {
            return refuse("has a sparse vector that is out of order");
        }
        Ok(())
    }
}

impl Inner {
    /// What was flushed long enough ago is durable.
    fn settle(&mut self, now: Duration) {
        while let Some((_, points)) = self.flushed.pop_front_if(|(at, _)| *at <= now) {
            self.durable = points;
        }
    }

    fn apply(&mut self, op: Op) {
        let (id, rev) = match &op {
            Op::Upsert(point) => (point.id, point.rev),
            Op::Delete { id, rev } => (*id, *rev),
        };
        if self.written.get(&id).is_some_and(|point| point.rev > rev) {
            return;
        }
        match op {
            Op::Upsert(point) => self.written.insert(id, Arc::new(*point)),
            Op::Delete { id, .. } => self.written.remove(&id),
        };
    }
}

/// The memory as far as the point knows it: all but `version`.
fn memory_of(point: &Point) -> Memory {
    Memory {
        id: point.id,
        namespace: point.namespace.clone(),
        payload: point.payload.clone(),
        importance: point.importance,
        model_revision: point.model_revision.clone(),
        created_at: point.created_at,
        updated_at: point.updated_at,
        version: 0,
        event_id: point.event_id,
    }
}

/// Whether points hold every field that the filter looks at.
fn is_answerable(filter: &Filter) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().all(is_answerable),
        Filter::Not(inner) => is_answerable(inner),
        Filter::Field(field, _) => *field != Field::Version,
    }
}

/// The inverse document frequency of every term, over all points.
fn frequencies(points: &Points) -> HashMap<u32, f32> {
    let mut holding: HashMap<u32, usize> = HashMap::new();
    for term in points.values().flat_map(|point| &point.sparse.indices) {
        *holding.entry(*term).or_default() += 1;
    }
    let all = points.len() as f32;
    let idf = |n: usize| (1.0 + (all - n as f32 + 0.5) / (n as f32 + 0.5)).ln();
    holding.into_iter().map(|(term, n)| (term, idf(n))).collect()
}

/// The score of one point; `None` when it shares no term with the query.
fn score(query: &Query, point: &Point, idf: &HashMap<u32, f32>) -> Option<f32> {
    match query {
        Query::Dense(vector) => Some(vector.iter().zip(&point.dense).map(|(a, b)| a * b).sum()),
        Query::Sparse(Sparse { indices, values }) => {
            let shared = indices.iter().zip(values).filter_map(|(term, weight)| {
                let at = point.sparse.indices.binary_search(term).ok()?;
                Some(weight * point.sparse.values[at] * idf.get(term).copied().unwrap_or(0.0))
            });
            shared.fold(None, |sum, part| Some(sum.unwrap_or(0.0) + part))
        }
    }
}

#[async_trait]
impl VectorIndex for Index {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        for op in &ops {
            match op {
                Op::Upsert(point) => self.check(point)?,
                Op::Delete { .. } => {}
            }
        }
        let mut inner = lock(&self.inner);
        ops.into_iter().for_each(|op| inner.apply(op));
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        let now = self.now();
        let mut inner = lock(&self.inner);
        let points = inner.written.clone();
        inner.flushed.push_back((now + self.durability_lag(), points));
        inner.settle(now);
        Ok(())
    }

    fn durability_lag(&self) -> Duration {
        self.lag.as_ref().map_or(Duration::ZERO, |(lag, _)| *lag)
    }

    async fn search(&self, search: &Search) -> Result<FoundList> {
        let points = lock(&self.inner).written.clone();
        let idf = frequencies(&points);
        let exact = search.filter.as_ref().is_none_or(is_answerable);
        let filter = search.filter.as_ref().filter(|_| exact);
        let mut found: Vec<Found> = points
            .values()
            .filter(|point| search.namespaces.as_ref().is_none_or(|names| names.contains(&point.namespace)))
            .filter(|point| search.ids.as_ref().is_none_or(|ids| ids.contains(&point.id)))
            .filter(|point| filter.is_none_or(|filter| filter.matches(&memory_of(point))))
            .filter_map(|point| {
                let score = score(&search.query, point, &idf)?;
                Some(Found { id: point.id, score })
            })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        found.truncate(search.limit);
        Ok(FoundList { found, exact })
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        let idf = frequencies(&lock(&self.inner).written);
        Ok(terms.iter().map(|term| idf.get(term).copied()).collect())
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let points = lock(&self.inner).written.clone();
        let points = points.range((from, Bound::Unbounded)).take(limit).map(|(_, point)| StoredPoint {
            id: point.id,
            rev: point.rev,
            event_id: point.event_id,
            namespace: point.namespace.as_str().to_owned(),
            dense: point.dense.clone(),
            sparse: point.sparse.clone(),
        });
        Ok(points.collect())
    }

    async fn count(&self) -> Result<u64> {
        Ok(lock(&self.inner).written.len() as u64)
    }

    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        let mut inner = lock(&self.inner);
        inner.written.retain(|id, _| !ids.contains(id));
        Ok(())
    }
}
