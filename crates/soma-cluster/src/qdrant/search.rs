//! Searches and reads.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    BatchResult, CountPoints, DenseVector, Filter, PayloadIncludeSelector, QuantizationSearchParams,
    Query as WiredQuery, QueryBatchPoints, QueryPoints, ScoredPoint, ScrollPoints, SearchParams, SparseVector,
    VectorInput, VectorsSelector, WithPayloadSelector, WithVectorsSelector, query, vector_input, with_payload_selector,
    with_vectors_selector,
};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::{Found, FoundList, Query, Search, Sparse, StoredPoint};
use soma_core::point::Holders;
use soma_core::point::condition::{self, Clause, Condition};
use soma_core::point::stored::{self, DENSE, READ, WORDS};
use uuid::Uuid;

use super::classify::Asked;
use super::wire::Wire;
use super::{filter, point};

/// How many points beyond the limit are looked for at first, to see where ties at the limit end.
const BEYOND: usize = 16;
/// Ties at the limit are resolved by id among at most this many points beyond it; where more tie,
/// the index chooses among them.
const BEYOND_MAX: usize = 1_024;
/// How many times as many points as are asked for the server takes by the coarse vectors; these it compares by
/// their vectors, so the scores are true.
const COARSE: f64 = 2.0;
/// How many points a search keeps in view on its way through a graph. The server's own 100 would be fewer than
/// recall asks for.
const VIEW: u64 = 256;
/// Points of one page of a scan.
const PAGE_MAX: usize = 500;

/// The nearest points; `exactly`, by a look at each vector.
///
/// # Errors
/// As [`super::classify`] decides.
pub(super) async fn nearest(wire: &Wire, search: &Search, exactly: bool) -> Result<FoundList> {
    let conditions = condition::conditions(search);
    let nothing = FoundList { found: Vec::new(), exact: conditions.exact };
    let filter = match conditions.clause {
        Clause::All => None,
        Clause::Nothing => return Ok(nothing),
        Clause::Test(test) => Some(filter::filter(test)),
    };
    let Some((using, input)) = query(&search.query).filter(|_| search.limit > 0) else { return Ok(nothing) };
    let mut hits = candidates(wire, Nearest { using, input, filter, exactly }, search.limit).await?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    hits.truncate(search.limit);
    Ok(FoundList { found: hits, ..nothing })
}

/// The inverse document frequency of each term: the server tells it only as a factor of a score.
///
/// # Errors
/// As [`super::classify`] decides.
pub(super) async fn rarities(wire: &Wire, terms: &[u32], holders: &Holders) -> Result<Vec<Option<f32>>> {
    let known: Vec<Probe> = terms.iter().copied().zip(holders.of(terms)).collect();
    let mut told: HashMap<u32, Option<f32>> = HashMap::new();
    // First by the points that are known, then by looking for others.
    let asked = known.iter().filter(|(_, holder)| holder.is_some()).copied().collect();
    told.extend(probe(wire, asked).await?.into_iter().filter_map(|(term, best)| Some((term, Some(best?.1)))));
    let unknown = terms.iter().filter(|term| !told.contains_key(term)).map(|term| (*term, None)).collect();
    let found = probe(wire, unknown).await?;
    holders.note(found.iter().filter_map(|(term, best)| best.map(|(id, _)| (*term, id))));
    told.extend(found.into_iter().map(|(term, best)| (term, best.map(|(_, rarity)| rarity))));
    Ok(terms.iter().map(|term| told.get(term).copied().flatten()).collect())
}

/// A term, and the point that is to tell of it; the best of all that hold it if none is named.
type Probe = (u32, Option<MemoryId>);

/// Who told of each term, and its rarity.
async fn probe(wire: &Wire, probes: Vec<Probe>) -> Result<Vec<(u32, Option<(MemoryId, f32)>)>> {
    if probes.is_empty() {
        return Ok(Vec::new());
    }
    let query = |(term, holder): &Probe| {
        let sparse = SparseVector { indices: vec![*term], values: vec![1.0] };
        let input = VectorInput { variant: Some(vector_input::Variant::Sparse(sparse)) };
        let words = VectorsSelector { names: vec![WORDS.to_owned()] };
        QueryPoints {
            collection_name: wire.collection(),
            query: Some(WiredQuery { variant: Some(query::Variant::Nearest(input)) }),
            using: Some(WORDS.to_owned()),
            filter: holder.map(|id| filter::filter(Condition::Ids(vec![id.0]))),
            limit: Some(1),
            with_payload: Some(fields(&[])),
            with_vectors: Some(WithVectorsSelector {
                selector_options: Some(with_vectors_selector::SelectorOptions::Include(words)),
            }),
            ..QueryPoints::default()
        }
    };
    let request = QueryBatchPoints {
        collection_name: wire.collection(),
        query_points: probes.iter().map(query).collect(),
        timeout: wire.timeout_secs(),
        ..QueryBatchPoints::default()
    };
    let answers = wire.call(Asked::Read, wire.points().query_batch(request)).await?.result;
    if answers.len() != probes.len() {
        let what = format!("{} answers {} of {} searches", wire.what(), answers.len(), probes.len());
        return Err(Error::new(Code::Corrupt, what));
    }
    let told = |((term, _), answer): (Probe, BatchResult)| {
        let Some(best) = answer.result.into_iter().next() else { return Ok((term, None)) };
        let (_, held) = best.vectors.map(point::vectors).unwrap_or_default();
        let rarity = stored::rarity(best.score, &held, term);
        let id = point::id(best.id)?;
        Ok((term, rarity.map(|rarity| (id, rarity))))
    };
    probes.into_iter().zip(answers).map(told).collect()
}

struct Nearest {
    using: &'static str,
    input: vector_input::Variant,
    filter: Option<Filter>,
    exactly: bool,
}

/// How the server looks for the nearest by a dense vector.
fn params(exactly: bool) -> SearchParams {
    let quantization = QuantizationSearchParams { ignore: None, rescore: Some(true), oversampling: Some(COARSE) };
    SearchParams {
        hnsw_ef: Some(VIEW),
        exact: Some(exactly),
        quantization: Some(quantization),
        ..SearchParams::default()
    }
}

/// The best points and, as far as [`BEYOND_MAX`] reaches, every one that ties with the last of them.
async fn candidates(wire: &Wire, nearest: Nearest, limit: usize) -> Result<Vec<Found>> {
    let words = nearest.using == WORDS;
    let mut beyond = BEYOND;
    loop {
        let asked = limit.saturating_add(beyond);
        let points = ask(wire, &nearest, asked).await?;
        let tied = match (points.get(limit - 1), points.last()) {
            (Some(at_limit), Some(last)) => at_limit.score == last.score,
            (None, _) | (_, None) => false,
        };
        if points.len() < asked || !tied || beyond >= BEYOND_MAX {
            // A score of zero means that no term is shared.
            let counts = |point: &ScoredPoint| !words || point.score != 0.0;
            return points.into_iter().filter(counts).map(found).collect();
        }
        beyond = BEYOND_MAX;
    }
}

async fn ask(wire: &Wire, nearest: &Nearest, limit: usize) -> Result<Vec<ScoredPoint>> {
    let input = VectorInput { variant: Some(nearest.input.clone()) };
    let request = QueryPoints {
        collection_name: wire.collection(),
        query: Some(WiredQuery { variant: Some(query::Variant::Nearest(input)) }),
        using: Some(nearest.using.to_owned()),
        filter: nearest.filter.clone(),
        params: (nearest.using == DENSE).then(|| params(nearest.exactly)),
        limit: Some(limit as u64),
        with_payload: Some(fields(&[])),
        with_vectors: Some(vectors(false)),
        timeout: wire.timeout_secs(),
        ..QueryPoints::default()
    };
    Ok(wire.call(Asked::Read, wire.points().query(request)).await?.result)
}

fn found(point: ScoredPoint) -> Result<Found> {
    Ok(Found { id: point::id(point.id)?, score: point.score })
}

fn query(query: &Query) -> Option<(&'static str, vector_input::Variant)> {
    match query {
        Query::Dense(numbers) => Some((DENSE, vector_input::Variant::Dense(DenseVector { data: numbers.clone() }))),
        Query::Sparse(Sparse { indices, .. }) if indices.is_empty() => None,
        Query::Sparse(Sparse { indices, values }) => {
            let words = SparseVector { indices: indices.clone(), values: values.clone() };
            Some((WORDS, vector_input::Variant::Sparse(words)))
        }
    }
}

/// Points in the order of their ids.
///
/// # Errors
/// As [`super::classify`] decides; `corrupt` for points of somebody else.
pub(super) async fn page(wire: &Wire, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
    let mut points: Vec<StoredPoint> = Vec::new();
    while points.len() < limit {
        let after = points.last().map(|point| point.id).or(after);
        // The offset is the first id of the page.
        let first = match after {
            None => None,
            Some(MemoryId(id)) => match id.as_u128().checked_add(1) {
                Some(next) => Some(filter::id(Uuid::from_u128(next))),
                None => break,
            },
        };
        let asked = PAGE_MAX.min(limit - points.len());
        let request = ScrollPoints {
            collection_name: wire.collection(),
            offset: first,
            limit: Some(asked as u32),
            with_payload: Some(fields(&READ)),
            with_vectors: Some(vectors(true)),
            timeout: wire.timeout_secs(),
            ..ScrollPoints::default()
        };
        let page = wire.call(Asked::Read, wire.points().scroll(request)).await?.result;
        let full = page.len() >= asked;
        for point in page {
            points.push(point::read(point)?);
        }
        if !full {
            break;
        }
    }
    Ok(points)
}

/// How many points there are.
///
/// # Errors
/// As [`super::classify`] decides.
pub(super) async fn count(wire: &Wire) -> Result<u64> {
    let request = CountPoints {
        collection_name: wire.collection(),
        exact: Some(true),
        timeout: wire.timeout_secs(),
        ..CountPoints::default()
    };
    let answer = wire.call(Asked::Read, wire.points().count(request)).await?;
    let none = || Error::new(Code::Corrupt, format!("{} answers a count without a number", wire.what()));
    answer.result.map(|result| result.count).ok_or_else(none)
}

fn fields(names: &[&str]) -> WithPayloadSelector {
    let fields = names.iter().map(|name| (*name).to_owned()).collect();
    let include = with_payload_selector::SelectorOptions::Include(PayloadIncludeSelector { fields });
    WithPayloadSelector { selector_options: Some(include) }
}

fn vectors(wanted: bool) -> WithVectorsSelector {
    WithVectorsSelector { selector_options: Some(with_vectors_selector::SelectorOptions::Enable(wanted)) }
}
