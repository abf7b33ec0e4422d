//! From a request to its answer: which lists to ask, how often, and what survives the records.

use std::collections::{BTreeMap, HashMap};

use super::question::Plan;
use super::rank::{self, Candidate, Score};
use super::rarity::ByWords;
use super::{Answer, Boost, Explain, Hit, Mode, Probe, RERANKED, Request, Scope, why};
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::filter::Filter;
use crate::ids::{MemoryId, Namespace};
use crate::index::{FoundList, Query, Search};
use crate::limits;
use crate::memory::Memory;
use crate::turn::Turn;

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
    let mut round = Round { engine, request, plan: &plan, namespaces, records: HashMap::new() };
    let mut limit = limits::CANDIDATES_MIN.max(request.top_k);
    let (candidates, memories) = loop {
        let gathered = round.gather(limit).await?;
        if gathered.complete || gathered.candidates.len() >= request.top_k {
            break (gathered.candidates, gathered.memories);
        }
        limit = limit.saturating_mul(2);
    };
    let ranked = ranked(engine, request, &plan, &candidates, &memories).await?;
    let best = best(request.top_k, ranked, &candidates, memories);
    let hits = hits(engine, request, &plan, best).await?;
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

/// What one round of asking the index has brought.
struct Gathered {
    candidates: Vec<Candidate>,
    memories: Vec<Memory>,
    /// Whether asking for more could bring nothing.
    complete: bool,
}

struct Round<'a> {
    engine: &'a Engine,
    request: &'a Request,
    plan: &'a Plan,
    namespaces: Option<Vec<Namespace>>,
    /// What the store said, over all rounds; `None` for a record that is gone or does not match.
    records: HashMap<MemoryId, Option<Memory>>,
}

impl Round<'_> {
    async fn gather(&mut self, limit: usize) -> Result<Gathered> {
        let by_words = async {
            match &self.plan.sparse {
                Some(searches) => self.by_words(searches, limit).await.map(Some),
                None => Ok(None),
            }
        };
        let dense = self.list(self.plan.dense.clone().map(Query::Dense), limit);
        let (lexical, dense) = tokio::try_join!(by_words, dense)?;
        let mut found: BTreeMap<MemoryId, (Option<f64>, Option<f64>)> = BTreeMap::new();
        let full = |list: &Option<FoundList>| list.as_ref().is_some_and(|list| list.found.len() >= limit);
        let inexact = |list: &Option<FoundList>| list.as_ref().is_some_and(|list| !list.exact);
        let may_have_more = full(&lexical) || full(&dense);
        let inexact = inexact(&lexical) || inexact(&dense);
        for hit in lexical.into_iter().flat_map(|list| list.found) {
            found.entry(hit.id).or_default().0 = Some(f64::from(hit.score));
        }
        for hit in dense.into_iter().flat_map(|list| list.found) {
            found.entry(hit.id).or_default().1 = Some(f64::from(hit.score));
        }
        self.read(found.keys().copied()).await?;
        let asked = found.len();
        found.retain(|id, _| self.records.get(id).is_some_and(Option::is_some));
        let dropped = asked - found.len();
        self.complete_scores(&mut found).await?;

        let now = self.engine.clock.now();
        let mut candidates = Vec::with_capacity(found.len());
        let mut memories = Vec::with_capacity(found.len());
        for (id, (bm25, cosine)) in found {
            if let Some(Some(memory)) = self.records.get(&id) {
                let boosts = self.request.boost.parts(memory, now);
                candidates.push(Candidate { id, bm25, cosine, boosts });
                memories.push(memory.clone());
            }
        }
        let complete = !may_have_more || (!inexact && dropped == 0);
        Ok(Gathered { candidates, memories, complete })
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

    /// Reads the records that no earlier round has read.
    async fn read(&mut self, ids: impl Iterator<Item = MemoryId>) -> Result<()> {
        let unread: Vec<MemoryId> = ids.filter(|id| !self.records.contains_key(id)).collect();
        if unread.is_empty() {
            return Ok(());
        }
        let states = self.engine.store.states(&unread).await?;
        self.records.extend(unread.into_iter().map(|id| (id, None)));
        for memory in states.iter().filter_map(crate::fold::State::memory) {
            if self.in_scope(&memory) && self.request.filter.as_ref().is_none_or(|f: &Filter| f.matches(&memory)) {
                self.records.insert(memory.id, Some(memory));
            }
        }
        Ok(())
    }

    fn in_scope(&self, memory: &Memory) -> bool {
        match &self.request.scope {
            Scope::Namespaces(names) => names.contains(&memory.namespace),
            Scope::Prefix(prefix) => memory.namespace.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Asks for the scores that one list has and the other lacks, when both take part.
    async fn complete_scores(&self, found: &mut BTreeMap<MemoryId, (Option<f64>, Option<f64>)>) -> Result<()> {
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

/// The candidates in order, best first.
async fn ranked(
    engine: &Engine,
    request: &Request,
    plan: &Plan,
    candidates: &[Candidate],
    memories: &[Memory],
) -> Result<Vec<(usize, Score)>> {
    let turns: Vec<Turn> = match plan.mode {
        Mode::Hybrid => memories.iter().map(|memory| Turn::of(&memory.payload)).collect(),
        Mode::Dense | Mode::Lexical => Vec::new(),
    };
    let asked = rank::Asked { words: &plan.words, language: plan.language };
    let mut ranked = rank::rank(plan.mode, &asked, plan.dense_weight, candidates, &turns);
    if let (Some(reranker), Probe::Text(question), Mode::Hybrid) = (&engine.reranker, &request.probe, request.mode) {
        let best: Vec<&Memory> = ranked.iter().take(RERANKED).map(|(at, _)| &memories[*at]).collect();
        let scores = reranker.scores(question, &best).await?;
        rank::rerank(&mut ranked, candidates, &scores);
    }
    Ok(ranked)
}

/// A memory that was ranked: its score, and what both lists said of it.
struct Best {
    memory: Memory,
    score: Score,
    bm25: Option<f64>,
    cosine: Option<f64>,
}

/// The first `top_k` of what was ranked.
fn best(top_k: usize, ranked: Vec<(usize, Score)>, candidates: &[Candidate], memories: Vec<Memory>) -> Vec<Best> {
    let mut memories: Vec<Option<Memory>> = memories.into_iter().map(Some).collect();
    let best = ranked.into_iter().take(top_k).filter_map(|(at, score)| {
        let Candidate { bm25, cosine, .. } = candidates[at];
        Some(Best { memory: memories[at].take()?, score, bm25, cosine })
    });
    best.collect()
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
