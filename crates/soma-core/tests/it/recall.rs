//! Recall over the whole system in memory: golden scripts, and filters against brute force.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use goldenscript::Command;
use proptest::prelude::*;
use serde_json::{Value, json};
use soma_core::embed::Identity;
use soma_core::engine::{Context, Engine};
use soma_core::error::{Code, Result};
use soma_core::event::build::Draft;
use soma_core::filter::Filter;
use soma_core::ids::{MemoryId, Position};
use soma_core::index::{FoundList, Op, Search, StoredPoint, VectorIndex};
use soma_core::memory::Memory;
use soma_core::recall::{Answer, Boost, Hit, Mode, Probe, Request, Reranker, Scope};

use crate::scripts::run_folder;
use crate::world::{DIMS, World, draft, id, namespace, number, question, target};

#[test]
fn golden_scripts() {
    run_folder("recall", || Script { world: World::new() });
}

/// Commands: `remember m<N> …`, `forget m<N>`, `project`, `recall <question> …`, `points`.
struct Script {
    world: World,
}

type Outcome = std::result::Result<String, Box<dyn Error>>;

impl goldenscript::Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &goldenscript::Context) -> Outcome {
        match command.name.as_str() {
            "remember" => self.remember(command),
            "forget" => self.forget(command),
            "project" => {
                self.world.project();
                Ok(String::new())
            }
            "recall" => self.recall(command),
            "points" => {
                let ids = self.world.index.points().into_iter().map(|point| format!("m{}", number(point.id)));
                Ok(ids.collect::<Vec<_>>().join(" "))
            }
            name => Err(format!("unknown command {name}").into()),
        }
    }
}

fn memory_number(text: &str) -> std::result::Result<u64, Box<dyn Error>> {
    Ok(text.strip_prefix('m').ok_or("memories are named m1, m2, …")?.parse()?)
}

impl Script {
    /// `json=` is the whole payload; any other argument is a field of it, `namespace` and
    /// `importance` apart.
    fn remember(&mut self, command: &Command) -> Outcome {
        let mut args = command.consume_args();
        let number = memory_number(args.next_pos().ok_or("which memory?")?)?;
        let space = args.take_key("namespace").unwrap_or("demo");
        let importance = args.take_key("importance").map(str::parse).transpose()?;
        let mut payload = args.take_key("json").map(serde_json::from_str).transpose()?.unwrap_or_else(|| json!({}));
        while let Some((key, value)) = args.next_key() {
            payload[key] = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        }
        args.reject_next()?;
        let draft = Draft { namespace: namespace(space), importance, ..draft(number, payload) };
        self.world.remember(vec![draft]);
        Ok(String::new())
    }

    fn forget(&mut self, command: &Command) -> Outcome {
        let mut args = command.consume_args();
        let number = memory_number(args.next_pos().ok_or("which memory?")?)?;
        args.reject_next()?;
        self.world.run(self.world.engine.forget(&target(number), Context::default()))?;
        Ok(String::new())
    }

    fn recall(&mut self, command: &Command) -> Outcome {
        let mut args = command.consume_args();
        let text = args.next_pos().ok_or("which question?")?.to_owned();
        let mode = match args.take_key("mode") {
            None | Some("hybrid") => Mode::Hybrid,
            Some("dense") => Mode::Dense,
            Some("lexical") => Mode::Lexical,
            Some(other) => return Err(format!("unknown mode {other}").into()),
        };
        let top_k = args.take_key("top_k").map_or(Ok(10), str::parse)?;
        let filter = args.take_key("filter").map(serde_json::from_str::<Value>).transpose()?;
        let scope = match (args.take_key("namespaces"), args.take_key("prefix")) {
            (_, Some(prefix)) => Scope::Prefix(prefix.to_owned()),
            (names, None) => Scope::Namespaces(names.unwrap_or("demo").split(',').map(namespace).collect()),
        };
        let explain = args.take_key("explain").is_some();
        args.reject_next()?;
        let filter = filter.as_ref().map(Filter::parse).transpose()?;
        let request = Request { scope, filter, explain, ..question(&text, mode, top_k) };
        let answer = self.world.run(self.world.engine.recall(&request));
        Ok(match answer {
            Ok(answer) => shown(&answer),
            Err(error) => format!("{} at {}: {error}", error.code, error.field.as_deref().unwrap_or("-")),
        })
    }
}

fn shown(answer: &Answer) -> String {
    let mut out = String::new();
    for hit in &answer.hits {
        let Hit { memory, score, explain } = hit;
        let text = memory.payload.get("text").unwrap_or(&memory.payload);
        writeln!(out, "m{} {score:.4} {text}", number(memory.id)).expect("a string takes everything");
        if let Some(explain) = explain {
            let parts: Vec<String> = explain.parts.iter().map(|(name, part)| format!("{name} {part:.4}")).collect();
            let around = if explain.context.is_empty() { "" } else { ", around it " };
            let (terms, context) = (explain.terms.join(" "), explain.context.join(" "));
            writeln!(out, "   {} [{terms}{around}{context}]", parts.join(" + ")).expect("a string takes everything");
        }
    }
    if out.is_empty() { "nothing".to_owned() } else { out }
}

/// An index that knows no filter: it answers with more, and says so.
struct Coarse {
    inner: Arc<dyn VectorIndex>,
}

#[async_trait]
impl VectorIndex for Coarse {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        self.inner.write(ops).await
    }
    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }
    async fn search(&self, search: &Search) -> Result<FoundList> {
        let list = self.inner.search(&Search { filter: None, ..search.clone() }).await?;
        Ok(FoundList { exact: list.exact && search.filter.is_none(), ..list })
    }
    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        self.inner.rarities(terms).await
    }
    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        self.inner.scan(after, limit).await
    }
    async fn count(&self) -> Result<u64> {
        self.inner.count().await
    }
    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        self.inner.purge(ids).await
    }
}

/// 350 memories, more than any first list holds; `rare` is the share of those that a filter keeps.
fn crowded(rare: u64) -> World {
    let mut world = World::new();
    let drafts = (0..350).map(|n| {
        let word = if n % 2 == 0 { "boat" } else { "tree" };
        draft(n, json!({"text": format!("{word} number {n}"), "kept": n % rare == 0}))
    });
    world.remember(drafts.collect());
    world.project();
    world
}

/// Deletes memories and brings their points back, as a replaced projector may.
fn leave_points_behind(world: &mut World, numbers: impl Iterator<Item = u64>) {
    let numbers: Vec<u64> = numbers.collect();
    let points = world.index.points();
    for number in &numbers {
        world.run(world.engine.forget(&target(*number), Context::default())).expect("the log is there");
    }
    world.project();
    let stale = points.into_iter().filter(|point| numbers.contains(&number(point.id)));
    let ops = stale.map(|point| Op::Upsert(Box::new(point))).collect();
    world.run(world.index.write(ops)).expect("the index is there");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn filters_and_stale_points_never_reduce_the_hits_below_what_exists(
        rare in 1_u64..200, top_k in 1_usize..300, gone in 2_u64..9, coarse: bool, lexical: bool,
    ) {
        let mut world = crowded(rare);
        leave_points_behind(&mut world, (0..350).filter(|n| n % gone == 1));
        let mut engine = world.engine.clone();
        if coarse {
            engine.index = Arc::new(Coarse { inner: Arc::clone(&engine.index) });
        }
        let mode = if lexical { Mode::Lexical } else { Mode::Dense };
        let filter = Filter::parse(&json!({"field": "payload.kept", "eq": true})).expect("a filter");
        let request = Request { filter: Some(filter), ..question("boat", mode, top_k) };
        let answer = world.run(engine.recall(&request)).expect("an answer");

        let exists = |n: &u64| n % gone != 1 && n.is_multiple_of(rare) && (!lexical || n.is_multiple_of(2));
        let expected = (0..350).filter(exists).count();
        prop_assert_eq!(answer.hits.len(), expected.min(top_k));
        prop_assert!(answer.hits.iter().all(|hit| exists(&number(hit.memory.id))));
        prop_assert!(answer.hits.is_sorted_by(|a, b| (b.score, a.memory.id) <= (a.score, b.memory.id)));
    }
}

#[test]
fn a_hit_shows_the_committed_record_not_what_its_point_was_written_for() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("an old boat"))]);
    world.project();
    let old = world.index.points();
    world.remember(vec![draft(1, json!("a new tree"))]);
    world.project();
    world.run(world.index.purge(&[id(1)])).expect("the index is there");
    world
        .run(world.index.write(old.into_iter().map(|p| Op::Upsert(Box::new(p))).collect()))
        .expect("the index is there");

    let answer = world.run(world.engine.recall(&question("boat", Mode::Hybrid, 5))).expect("an answer");
    assert_eq!(answer.hits.len(), 1);
    assert_eq!(answer.hits[0].memory.payload, json!("a new tree"));
}

#[test]
fn recall_waits_for_a_position_and_its_answer_covers_it() {
    let mut world = World::new();
    let written = world.remember(vec![draft(1, json!("a boat"))]);
    let after = Position::of(&written[0].place);
    let request = Request { after: Some(after.clone()), ..question("boat", Mode::Hybrid, 5) };
    let error = world.run(world.engine.recall(&request)).expect_err("nothing projects");
    assert_eq!(error.code, Code::PositionNotReached);

    world.project();
    let answer = world.run(world.engine.recall(&request)).expect("an answer");
    assert!(answer.position.covers(&written[0].place));
    assert_eq!(answer.hits.len(), 1);
}

#[test]
fn a_vector_finds_the_memory_that_it_was_made_of_whatever_its_length() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("a boat")), draft(2, json!("a tree"))]);
    world.project();
    for point in world.index.points() {
        for scale in [1.0, 1e30, 1e-30] {
            let vector = point.dense.iter().map(|value| value * scale).collect();
            let request = Request { probe: Probe::Vector(vector), ..question("", Mode::Hybrid, 1) };
            let answer = world.run(world.engine.recall(&request)).expect("an answer");
            assert_eq!(answer.hits[0].memory.id, point.id);
            assert!((answer.hits[0].score - 1.0).abs() < 1e-5);
        }
    }
}

fn refusal(engine: &Engine, world: &World, request: Request) -> (Code, Option<String>) {
    let error = world.run(engine.recall(&request)).expect_err("refused");
    (error.code, error.field)
}

#[test]
fn what_cannot_be_answered_is_refused_by_field() {
    let world = World::new();
    let base = || question("boat", Mode::Hybrid, 5);
    let vector = |vector: Vec<f32>| Request { probe: Probe::Vector(vector), ..base() };
    let refused = |request, field: &str| {
        assert_eq!(refusal(&world.engine, &world, request), (Code::BadRequest, Some(field.to_owned())));
    };
    refused(question(" \n", Mode::Hybrid, 5), "query");
    refused(question(&"x".repeat(70_000), Mode::Hybrid, 5), "query");
    refused(question("boat", Mode::Hybrid, 0), "top_k");
    refused(question("boat", Mode::Hybrid, 1001), "top_k");
    refused(Request { scope: Scope::Namespaces(Vec::new()), ..base() }, "namespaces");
    refused(vector(vec![1.0; DIMS - 1]), "embedding");
    refused(vector(vec![0.0; DIMS]), "embedding");
    refused(vector(vec![f32::NAN; DIMS]), "embedding");
    refused(Request { mode: Mode::Lexical, ..vector(vec![1.0; DIMS]) }, "mode");
}

/// Prefers what names a colour, and says so for no more than it is asked.
struct Colours;

#[async_trait]
impl Reranker for Colours {
    async fn scores(&self, question: &str, memories: &[&Memory]) -> Result<Vec<f64>> {
        assert_eq!(question, "which boat");
        assert!(memories.len() <= soma_core::recall::RERANKED);
        Ok(memories.iter().map(|memory| f64::from(memory.payload.to_string().contains("green"))).collect())
    }
}

#[test]
fn a_reranker_judges_the_best_candidates_again() {
    let mut world = World::new();
    let text = |n: u64| if n == 7 { json!("a green boat") } else { json!("a red boat") };
    world.remember((0..60).map(|n| draft(n, text(n))).collect());
    world.project();
    let ask = |world: &World| {
        let request = Request { explain: true, ..question("which boat", Mode::Hybrid, 60) };
        world.run(world.engine.recall(&request)).expect("an answer").hits
    };
    let plain = ask(&world);
    world.engine.reranker = Some(Arc::new(Colours));
    let judged = ask(&world);
    assert_eq!(judged.len(), plain.len());
    assert_eq!((plain[0].memory.id, judged[0].memory.id), (id(0), id(7)));
    let parts = |hit: &Hit| hit.explain.as_ref().expect("asked").parts.iter().filter(|(n, _)| *n == "reranker").count();
    assert_eq!(judged.iter().map(parts).sum::<usize>(), 50);
}

#[test]
fn boosts_are_parts_of_the_hybrid_score_and_of_no_other() {
    let mut world = World::new();
    let weighed = |n, importance| Draft { importance, ..draft(n, json!("a boat")) };
    world.remember(vec![weighed(1, None), weighed(2, Some(3.0))]);
    world.project();
    let boost = Boost { importance: 0.4, recency_half_life: Some(std::time::Duration::from_secs(3_600)) };
    let ask = |mode| {
        let request = Request { boost, explain: true, ..question("boat", mode, 5) };
        world.run(world.engine.recall(&request))
    };
    let hits = ask(Mode::Hybrid).expect("an answer").hits;
    assert_eq!(hits.iter().map(|hit| number(hit.memory.id)).collect::<Vec<_>>(), [2, 1]);
    for hit in &hits {
        let parts = &hit.explain.as_ref().expect("asked").parts;
        assert_eq!(parts.iter().map(|(_, part)| part).sum::<f64>(), hit.score);
        assert_eq!(parts.iter().filter(|(name, _)| ["importance", "recency"].contains(name)).count(), 2);
    }
    assert_eq!(ask(Mode::Lexical).expect_err("it is refused").field.as_deref(), Some("boost"));
}

/// Texts of a few words, so that words are shared.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec!["boat", "tree", "sail", "lisbon", "paint", "june", "nine"]);
    prop::collection::vec(prop::collection::vec(word, 1..6).prop_map(|words| words.join(" ")), 1..24)
}

/// The hits of a question about these namespaces: number and score, by number.
fn scores(world: &World, namespaces: &[&str]) -> Vec<(u64, f64)> {
    let scope = Scope::Namespaces(namespaces.iter().map(|name| namespace(name)).collect());
    let request = Request { scope, ..question("the boat in Lisbon, and who sailed it", Mode::Lexical, 1_000) };
    let hits = world.run(world.engine.recall(&request)).expect("an answer").hits;
    let mut scores: Vec<(u64, f64)> = hits.iter().map(|hit| (number(hit.memory.id), hit.score)).collect();
    scores.sort_by_key(|(number, _)| *number);
    scores
}

fn same(a: &[(u64, f64)], b: &[(u64, f64)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-3 * b.1.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_other_namespaces_hold_changes_no_score(ours in texts(), theirs in texts()) {
        let mut world = World::new();
        world.remember((0..).zip(&ours).map(|(n, text)| draft(n, json!(text))).collect());
        world.project();
        let alone = scores(&world, &["demo"]);
        let other = |n: u64, text: &String| Draft { namespace: namespace("other"), ..draft(1_000 + n, json!(text)) };
        world.remember((0..).zip(&theirs).map(|(n, text)| other(n, text)).collect());
        world.project();
        let beside = scores(&world, &["demo"]);
        prop_assert!(same(&beside, &alone), "{beside:?} {alone:?}");
    }

    #[test]
    fn a_question_finds_the_same_memories_over_however_many_namespaces_they_are_spread(texts in texts(), spaces in 2_usize..40) {
        let (mut one, mut many) = (World::new(), World::new());
        let names: Vec<String> = (0..spaces).map(|n| format!("space{n}")).collect();
        let draft = |n: usize, text: &String| draft(n as u64, json!(text));
        one.remember(texts.iter().enumerate().map(|(n, text)| draft(n, text)).collect());
        let spread = |(n, text): (usize, &String)| Draft { namespace: namespace(&names[n % spaces]), ..draft(n, text) };
        many.remember(texts.iter().enumerate().map(spread).collect());
        one.project();
        many.project();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = |world: &World, names: &[&str]| scores(world, names).iter().map(|(n, _)| *n).collect::<Vec<_>>();
        prop_assert_eq!(found(&many, &names), found(&one, &["demo"]));
    }
}
