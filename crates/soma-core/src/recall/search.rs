//! From a request to its answer: which lists to ask, how often, and what survives the records.

use std::collections::HashMap;

use super::finalists::{Finalists, Scores};
use super::question::Plan;
use super::rank::{self, Score};
use super::rarity::ByWords;
use super::{Answer, Boost, Explain, Hit, Mode, Probe, RERANKED, Request, Scope, why};
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::ids::{MemoryId, Namespace};
use crate::index::{FoundList, Query, Search};
use crate::limits;
use crate::memory::Memory;

/// Answers a question.
pub(crate) async fn recall(engine: &Engine, request: &Request) -> Result<Answer> {
    check(engine, request)?;
    if let Some(after) = &request.after {
        engine.wait(after, request.wait).await?;
    }
    // Read before the search, so that the answer is at least as new as it says.
    let position = engine.position().await?;
    let namespaces = request.scope.namespaces(engine).await?;
    if namespaces.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Answer { hits: Vec::new(), truncated: false, position });
    }
    let plan = Plan::of(engine, request, namespaces.as_deref()).await?;
    let lists = Lists { engine, request, plan: &plan, namespaces };
    let mut finalists = Finalists::new(engine, request, &plan);
    let reranker = engine.reranker.as_ref().filter(|_| request.mode == Mode::Hybrid);
    let wanted = if reranker.is_some() { request.top_k.max(RERANKED) } else { request.top_k };
    let mut limit = limits::CANDIDATES_MIN.max(request.top_k);
    let mut ranked = loop {
        let gathered = lists.gather(limit).await?;
        let ranked = finalists.rank(&gathered.scores, wanted).await?;
        let complete = !gathered.full || (gathered.exact && !finalists.misses_any(&gathered.scores));
        if complete || ranked.len() >= request.top_k {
            break ranked;
        }
        limit = limit.saturating_mul(2);
    };
    if let (Some(reranker), Probe::Text(question)) = (reranker, &request.probe) {
        let best: Vec<&Memory> =
            ranked.iter().take(RERANKED).filter_map(|(candidate, _)| finalists.memory(candidate.id)).collect();
        rank::rerank(&mut ranked, &reranker.scores(question, &best).await?);
    }
    ranked.truncate(request.top_k);
    let best = ranked.into_iter().filter_map(|(candidate, score)| {
        let memory = finalists.take(candidate.id)?;
        Some(Best { memory, score, bm25: candidate.bm25, cosine: candidate.cosine })
    });
    let hits = hits(engine, request, &plan, best.collect()).await?;
    Ok(Answer { hits, truncated: false, position })
}

fn check(engine: &Engine, request: &Request) -> Result<()> {
    let refuse =
        |field: &str, what: String, remedy: &str| Err(Error::new(Code::BadRequest, what).at(field).remedy(remedy));
    if request.top_k == 0 || request.top_k > limits::TOP_K_MAX {
        let what = format!("top_k is {}, not 1 to {}", request.top_k, limits::TOP_K_MAX);
        return refuse("top_k", what, "ask for fewer hits, and more narrowly");
    }
    if request.boost != Boost::default() {
        let Boost { importance, recency_half_life } = request.boost;
        if request.mode != Mode::Hybrid {
            let what = "one list alone keeps the scores of the index, so nothing is added to them".to_owned();
            return refuse("boost", what, "use mode hybrid, or leave boost out");
        }
        if !(0.0..=1.0).contains(&importance) || recency_half_life.is_some_and(|half_life| half_life.is_zero()) {
            let what = "importance is not 0 to 1, or the half-life is not above 0".to_owned();
            return refuse("boost", what, "weigh importance by 0 to 1 and give the half-life in days");
        }
    }
    if matches!(&request.scope, Scope::Namespaces(names) if names.is_empty()) {
        return refuse("namespaces", "no namespace is named".into(), "name at least one, or a namespace_prefix");
    }
    match &request.probe {
        Probe::Text(text) if text.trim().is_empty() => {
            refuse("query", "the query is empty".into(), "ask in words, or list memories instead")
        }
        Probe::Text(text) if text.chars().count() > limits::QUERY_CHARS_MAX => {
            let what = format!("the query has more than {} characters", limits::QUERY_CHARS_MAX);
            refuse("query", what, "ask a shorter question")
        }
        Probe::Text(_) => Ok(()),
        Probe::Vector(_) if request.mode == Mode::Lexical => {
            refuse("mode", "lexical recall needs words, not a vector".into(), "send a query, or use mode dense")
        }
        Probe::Vector(vector) => check_vector(engine, vector),
    }
}

fn check_vector(engine: &Engine, vector: &[f32]) -> Result<()> {
    let identity = engine.index.identity();
    let fault = if vector.len() != identity.dims {
        format!("has {} numbers, the index holds {identity}", vector.len())
    } else if vector.iter().any(|value| !value.is_finite()) {
        "holds a number that is not finite".to_owned()
    } else if vector.iter().all(|value| *value == 0.0) {
        "is zero and points nowhere".to_owned()
    } else {
        return Ok(());
    };
    let error = Error::new(Code::BadRequest, format!("the embedding {fault}")).at("embedding");
    Err(error.remedy("embed the question with the model that filled the index"))
}

/// What the lists have brought.
struct Gathered {
    scores: Scores,
    /// Whether a list is as long as was asked for, so that it may hold more.
    full: bool,
    /// Whether the lists hold nothing but what matches.
    exact: bool,
}

struct Lists<'a> {
    engine: &'a Engine,
    request: &'a Request,
    plan: &'a Plan,
    namespaces: Option<Vec<Namespace>>,
}

impl Lists<'_> {
    async fn gather(&self, limit: usize) -> Result<Gathered> {
        let by_words = async {
            match &self.plan.sparse {
                Some(searches) => self.by_words(searches, limit).await.map(Some),
                None => Ok(None),
            }
        };
        let dense = self.list(self.plan.dense.clone().map(Query::Dense), limit);
        let (lexical, dense) = tokio::try_join!(by_words, dense)?;
        let lists = || lexical.iter().chain(&dense);
        let full = lists().any(|list| list.found.len() >= limit);
        let exact = lists().all(|list| list.exact);
        let mut scores = Scores::new();
        for hit in lexical.iter().flat_map(|list| &list.found) {
            scores.entry(hit.id).or_default().0 = Some(f64::from(hit.score));
        }
        for hit in dense.iter().flat_map(|list| &list.found) {
            scores.entry(hit.id).or_default().1 = Some(f64::from(hit.score));
        }
        self.complete(&mut scores).await?;
        Ok(Gathered { scores, full, exact })
    }

    async fn list(&self, query: Option<Query>, limit: usize) -> Result<Option<FoundList>> {
        let Some(query) = query else { return Ok(None) };
        self.search(query, self.namespaces.clone(), limit).await.map(Some)
    }

    async fn search(&self, query: Query, namespaces: Option<Vec<Namespace>>, limit: usize) -> Result<FoundList> {
        let filter = self.request.filter.clone();
        self.engine.index.search(&Search { query, namespaces, filter, ids: None, limit }).await
    }

    /// The best of several searches by words; each point is found by one of them at most.
    async fn by_words(&self, searches: &[ByWords], limit: usize) -> Result<FoundList> {
        let mut all = FoundList { found: Vec::new(), exact: true };
        for search in searches {
            let namespaces = self.namespaces.as_ref().map(|_| search.namespaces.clone());
            let list = self.search(Query::Sparse(search.terms.clone()), namespaces, limit).await?;
            all.exact &= list.exact;
            all.found.extend(list.found);
        }
        if searches.len() > 1 {
            all.found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            all.found.truncate(limit);
        }
        Ok(all)
    }

    /// Asks for the scores that one list has and the other lacks, when both take part.
    async fn complete(&self, found: &mut Scores) -> Result<()> {
        let (Some(sparse), Some(dense)) = (&self.plan.sparse, &self.plan.dense) else { return Ok(()) };
        let without = |lacks: fn(&(Option<f64>, Option<f64>)) -> bool| -> Vec<MemoryId> {
            found.iter().filter(|(_, scores)| lacks(scores)).map(|(id, _)| *id).collect()
        };
        let (wordless, distant) = (without(|scores| scores.0.is_none()), without(|scores| scores.1.is_none()));
        for search in sparse {
            for hit in self.scores(Query::Sparse(search.terms.clone()), &wordless).await? {
                found.entry(hit.0).or_default().0 = Some(hit.1);
            }
        }
        for hit in self.scores(Query::Dense(dense.clone()), &distant).await? {
            found.entry(hit.0).or_default().1 = Some(hit.1);
        }
        for scores in found.values_mut() {
            scores.0.get_or_insert(0.0);
            scores.1.get_or_insert(0.0);
        }
        Ok(())
    }

    async fn scores(&self, query: Query, ids: &[MemoryId]) -> Result<Vec<(MemoryId, f64)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let search = Search { query, namespaces: None, filter: None, ids: Some(ids.to_vec()), limit: ids.len() };
        let list = self.engine.index.search(&search).await?;
        Ok(list.found.into_iter().map(|hit| (hit.id, f64::from(hit.score))).collect())
    }
}

/// A memory that was ranked: its score, and what both lists said of it.
struct Best {
    memory: Memory,
    score: Score,
    bm25: Option<f64>,
    cosine: Option<f64>,
}

async fn hits(engine: &Engine, request: &Request, plan: &Plan, best: Vec<Best>) -> Result<Vec<Hit>> {
    let mut words = if request.explain {
        let memories: Vec<&Memory> = best.iter().map(|best| &best.memory).collect();
        why::words(engine, plan, &memories).await?
    } else {
        HashMap::new()
    };
    let hits = best.into_iter().map(|Best { memory, score, bm25, cosine }| {
        let explain = request.explain.then(|| {
            let why::Words { own, lent } = words.remove(&memory.id).unwrap_or_default();
            Explain { bm25, cosine, parts: score.parts, terms: own, context: lent }
        });
        Hit { memory, score: score.total, explain }
    });
    Ok(hits.collect())
}
