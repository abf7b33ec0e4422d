//! Questions over HTTP, beside the index searching for the same words or the same vector.
//!
//! The bare search yields the candidates that recall begins with, as many of them, and nothing more: no
//! vector of the question, no records, no ranking, no network.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Map, Value, json};
use soma_core::embed::language::Language;
use soma_core::embed::sparse::{self, Lexicon};
use soma_core::embed::words::Words;
use soma_core::error::Code;
use soma_core::filter::Filter;
use soma_core::ids::Namespace;
use soma_core::index::{Query, Search, Sparse};
use soma_core::{Error, Result, limits};

use super::super::client::Client;
use super::lab::{Bare, Lab};
use super::report::Figure;
use super::server::Server;
use super::stats::{Bounds, Samples, alternate, sampled};
use super::texts::{OWNERS, namespace};

/// How many ask at once.
const TOGETHER: usize = 8;

/// A way to ask.
struct Form {
    /// The figure of one at once, and of eight.
    names: [&'static str; 2],
    mode: &'static str,
    narrowed: Narrowed,
}

/// To what a question is restricted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Narrowed {
    No,
    Namespace,
    Field,
}

const FORMS: [Form; 5] = [
    Form { names: ["recall_lexical", "recall_lexical_8"], mode: "lexical", narrowed: Narrowed::No },
    Form { names: ["recall_hybrid", "recall_hybrid_8"], mode: "hybrid", narrowed: Narrowed::No },
    Form { names: ["recall_dense", "recall_dense_8"], mode: "dense", narrowed: Narrowed::No },
    Form { names: ["recall_namespace", "recall_namespace_8"], mode: "hybrid", narrowed: Narrowed::Namespace },
    Form { names: ["recall_filter", "recall_filter_8"], mode: "hybrid", narrowed: Narrowed::Field },
];

/// One question, for both sides.
struct Question {
    body: Vec<u8>,
    /// One for each list of candidates.
    searches: Vec<Search>,
}

pub(super) fn measure(lab: &mut Lab, server: &Server, bare: &Bare, size: u64) -> Result<Vec<Figure>> {
    let clients: Vec<Client> = (0..TOGETHER).map(|_| server.client()).collect();
    let index = Arc::clone(&bare.index);
    let mut figures = Vec::new();
    for (together, clients) in [(0, &clients[..1]), (1, &clients[..])] {
        for form in &FORMS {
            let bounds = Bounds { rounds: lab.bounds.rounds.div_ceil(clients.len()), ..lab.bounds };
            let rounds = bounds.rounds * clients.len();
            let questions = (0..rounds).map(|n| question(lab, form, n as u64)).collect::<Result<Vec<_>>>()?;
            let runtime = &lab.runtime;
            let of_round = |round: usize| &questions[round * clients.len()..][..clients.len()];
            let asking = |(client, question): (&Client, &Question)| {
                client.send("POST", "/v1/recall", Some(question.body.clone())).map(drop)
            };
            let mut ours = |round| at_once(lab, clients.iter().zip(of_round(round)), &asking);
            let searching = |question: &Question| {
                question.searches.iter().try_for_each(|search| runtime.block_on(index.search(search)).map(drop))
            };
            let mut theirs = |round| at_once(lab, of_round(round).iter(), &searching);
            let mut all = alternate(lab.clock.as_ref(), bounds, &mut [&mut ours, &mut theirs])?;
            let bare = all.split_off(1);
            figures.push(Figure::new(form.names[together], size, all.swap_remove(0), bare));
        }
    }
    Ok(figures)
}

/// Does one work for each item, all at once; a sample of each.
fn at_once<T: Send>(
    lab: &Lab,
    items: impl ExactSizeIterator<Item = T>,
    work: &(impl Fn(T) -> Result<()> + Sync),
) -> Result<Samples> {
    let mut items = items;
    if items.len() == 1 {
        return items.next().map_or_else(|| Ok(Samples::default()), |item| sampled(lab.clock.as_ref(), || work(item)));
    }
    let (barrier, clock) = (Barrier::new(items.len()), lab.clock.as_ref());
    thread::scope(|scope| {
        let one = |item| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                sampled(clock, || work(item))
            })
        };
        let threads: Vec<_> = items.map(one).collect();
        let mut all = Samples::default();
        for thread in threads {
            all.extend(thread.join().map_err(|_| Error::new(Code::Internal, "a question met a defect"))??);
        }
        Ok(all)
    })
}

/// The words of a question in these namespaces, each as good as the other.
fn by_words(text: &str, namespaces: &[Namespace]) -> Sparse {
    let stems = sparse::question(&Words::of(text), Language::English);
    let lexicons = namespaces.iter().map(|namespace| Lexicon::of(namespace, Language::English));
    let terms = lexicons.flat_map(|lexicon| stems.iter().map(|stem| lexicon.number(stem)).collect::<Vec<_>>());
    let indices: Vec<u32> = terms.collect::<BTreeSet<_>>().into_iter().collect();
    Sparse { values: vec![1.0; indices.len()], indices }
}

fn question(lab: &mut Lab, form: &Form, number: u64) -> Result<Question> {
    let text = lab.texts.question();
    let mut asked = (0..super::texts::NAMESPACES).map(namespace).collect::<Vec<_>>();
    if form.narrowed == Narrowed::Namespace {
        asked = vec![namespace(number % super::texts::NAMESPACES)];
    }
    let asked = asked.iter().map(|name| Namespace::parse(name)).collect::<Result<Vec<_>>>()?;
    let mut queries = Vec::new();
    if form.mode != "dense" {
        queries.push(Query::Sparse(by_words(&text, &asked)));
    }
    if form.mode == "dense" || (form.mode == "hybrid" && lab.embedder.hybrid_weight() > 0.0) {
        queries.push(Query::Dense(lab.runtime.block_on(lab.embedder.query(&text))?));
    }
    let limit = limits::CANDIDATES_MIN.max(limits::TOP_K_DEFAULT);
    let (mut namespaces, mut filter) = (None, None);
    let mut body = Map::new();
    body.insert("query".into(), text.into());
    body.insert("mode".into(), form.mode.into());
    body.insert("top_k".into(), limits::TOP_K_DEFAULT.into());
    match form.narrowed {
        Narrowed::No => drop(body.insert("namespace_prefix".into(), "".into())),
        Narrowed::Namespace => {
            body.insert("namespace".into(), asked[0].as_str().into());
            namespaces = Some(asked);
        }
        Narrowed::Field => {
            let owner = json!({ "field": "payload.owner.id", "eq": number % OWNERS });
            filter = Some(Filter::parse(&owner)?);
            body.insert("namespace_prefix".into(), "".into());
            body.insert("filter".into(), owner);
        }
    }
    let search = |query| Search { query, namespaces: namespaces.clone(), filter: filter.clone(), ids: None, limit };
    let searches = queries.into_iter().map(search).collect();
    Ok(Question { body: Value::Object(body).to_string().into_bytes(), searches })
}
