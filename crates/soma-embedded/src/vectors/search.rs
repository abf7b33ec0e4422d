//! Searches and reads, run beside the owner's writes.
//!
//! The library locks each segment for reading while a search looks at it and for writing while 32
//! points are written, so a search sees every point either before or after its change.

use qdrant_edge::{
    CountRequest, EdgeShard, Filter, NamedQuery, OperationResult, PointId, QuantizationSearchParams, QueryEnum,
    ScoredPoint, ScrollRequest, SearchParams, SearchRequest, SparseVector, VectorInternal, WithPayloadInterface,
    WithVector,
};
use soma_core::ids::MemoryId;
use soma_core::index::{Found, FoundList, Query, Search, Sparse, StoredPoint};
use soma_core::point::Holders;
use soma_core::point::condition::{self, Clause, Condition};
use soma_core::point::stored::{self, DENSE, READ, WORDS};
use uuid::Uuid;

use super::filter;
use super::point::{self, key};

/// How many points beyond the limit are looked for at first, to see where ties at the limit end.
const BEYOND: usize = 16;
/// Ties at the limit are resolved by id among at most this many points beyond it; where more tie,
/// the index chooses among them.
const BEYOND_MAX: usize = 1_024;
/// How many times as many points each packed segment takes by the coarse vectors as are asked for; these it
/// compares by their vectors, so the scores are true.
const COARSE: f64 = 2.0;

/// The nearest points.
pub(super) fn nearest(shard: &EdgeShard, search: &Search) -> OperationResult<FoundList> {
    let conditions = condition::conditions(search);
    let Some((filter, query)) = edge_filter(conditions.clause).zip(query(&search.query)) else {
        return Ok(FoundList { found: Vec::new(), exact: conditions.exact });
    };
    if search.limit == 0 {
        return Ok(FoundList { found: Vec::new(), exact: conditions.exact });
    }
    let mut hits = candidates(shard, &query, filter.as_ref(), search.limit)?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    hits.truncate(search.limit);
    let found = hits.iter().map(|hit| Found { id: point::id(hit.id), score: hit.score }).collect();
    Ok(FoundList { found, exact: conditions.exact })
}

/// The inverse document frequency of each term: the library tells it only as a factor of a score.
pub(super) fn rarities(shard: &EdgeShard, terms: &[u32], holders: &Holders) -> OperationResult<Vec<Option<f32>>> {
    let (mut told, mut found) = (Vec::with_capacity(terms.len()), Vec::new());
    for (term, holder) in terms.iter().zip(holders.of(terms)) {
        let known = match holder {
            Some(id) => rarity(shard, *term, Some(id))?,
            None => None,
        };
        let best = match known {
            Some(known) => Some(known),
            None => {
                let best = rarity(shard, *term, None)?;
                found.extend(best.map(|(id, _)| (*term, id)));
                best
            }
        };
        told.push(best.map(|(_, rarity)| rarity));
    }
    holders.note(found);
    Ok(told)
}

/// As that point tells it, or the best of all, and who told it.
fn rarity(shard: &EdgeShard, term: u32, holder: Option<MemoryId>) -> OperationResult<Option<(MemoryId, f32)>> {
    let Some(query) = query(&Query::Sparse(Sparse { indices: vec![term], values: vec![1.0] })) else { return Ok(None) };
    let found = shard.search(SearchRequest {
        query: QueryEnum::Nearest(query),
        filter: holder.map(|id| filter::filter(Condition::Ids(vec![id.0]))),
        params: None,
        limit: 1,
        offset: 0,
        with_payload: Some(WithPayloadInterface::Bool(false)),
        with_vector: Some(WithVector::Selector(vec![WORDS.to_owned()])),
        score_threshold: None,
    })?;
    Ok(found.into_iter().next().and_then(|best| {
        let (_, held) = point::vectors(best.vector?);
        Some((point::id(best.id), stored::rarity(best.score, &held, term)?))
    }))
}

/// The best points and, as far as [`BEYOND_MAX`] reaches, every one that ties with the last of them.
fn candidates(
    shard: &EdgeShard,
    query: &NamedQuery<VectorInternal>,
    filter: Option<&Filter>,
    limit: usize,
) -> OperationResult<Vec<ScoredPoint>> {
    let mut beyond = BEYOND;
    loop {
        let mut points = shard.search(SearchRequest {
            query: QueryEnum::Nearest(query.clone()),
            filter: filter.cloned(),
            params: Some(params()),
            limit: limit.saturating_add(beyond),
            offset: 0,
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: Some(WithVector::Bool(false)),
            score_threshold: None,
        })?;
        let full = points.len() >= limit.saturating_add(beyond);
        let tied = match (points.get(limit - 1), points.last()) {
            (Some(at_limit), Some(last)) => at_limit.score == last.score,
            (None, _) | (_, None) => false,
        };
        if !(full && tied) || beyond >= BEYOND_MAX {
            if matches!(query.query, VectorInternal::Sparse(_)) {
                // A score of zero means that no term is shared.
                points.retain(|point| point.score != 0.0);
            }
            return Ok(points);
        }
        beyond = BEYOND_MAX;
    }
}

fn params() -> SearchParams {
    let quantization = QuantizationSearchParams { ignore: false, rescore: Some(true), oversampling: Some(COARSE) };
    SearchParams { quantization: Some(quantization), ..SearchParams::default() }
}

fn query(query: &Query) -> Option<NamedQuery<VectorInternal>> {
    match query {
        Query::Dense(numbers) => {
            Some(NamedQuery { query: VectorInternal::Dense(numbers.clone()), using: Some(DENSE.to_owned()) })
        }
        Query::Sparse(Sparse { indices, .. }) if indices.is_empty() => None,
        Query::Sparse(Sparse { indices, values }) => {
            let words = SparseVector { indices: indices.clone(), values: values.clone() };
            Some(NamedQuery { query: VectorInternal::Sparse(words), using: Some(WORDS.to_owned()) })
        }
    }
}

/// `None` when nothing can pass.
fn edge_filter(clause: Clause) -> Option<Option<Filter>> {
    match clause {
        Clause::All => Some(None),
        Clause::Nothing => None,
        Clause::Test(test) => Some(Some(filter::filter(test))),
    }
}

/// Points in the order of their ids.
pub(super) fn page(shard: &EdgeShard, after: Option<MemoryId>, limit: usize) -> OperationResult<Vec<StoredPoint>> {
    // The library's offset is the first id of the page.
    let first = match after {
        None => None,
        Some(MemoryId(id)) => match id.as_u128().checked_add(1) {
            Some(next) => Some(PointId::Uuid(Uuid::from_u128(next))),
            None => return Ok(Vec::new()),
        },
    };
    if limit == 0 {
        return Ok(Vec::new());
    }
    let payload = READ.map(key).to_vec();
    let (records, _) = shard.scroll(ScrollRequest {
        offset: first,
        limit: Some(limit),
        filter: None,
        with_payload: Some(WithPayloadInterface::Fields(payload)),
        with_vector: WithVector::Bool(true),
        order_by: None,
    })?;
    Ok(records.into_iter().map(point::read).collect())
}

/// The ids among those that a filter selects.
pub(super) fn ids(shard: &EdgeShard, filter: Filter, limit: usize) -> OperationResult<Vec<PointId>> {
    let (records, _) = shard.scroll(ScrollRequest {
        offset: None,
        limit: Some(limit),
        filter: Some(filter),
        with_payload: Some(WithPayloadInterface::Bool(false)),
        with_vector: WithVector::Bool(false),
        order_by: None,
    })?;
    Ok(records.into_iter().map(|record| record.id).collect())
}

/// How many points there are.
pub(super) fn count(shard: &EdgeShard) -> OperationResult<u64> {
    shard.count(CountRequest { filter: None, exact: true }).map(|n| n as u64)
}
