//! The in-memory ports pass the suites that every adapter passes.

use std::sync::Arc;

use soma_core::embed::Identity;
use soma_core::index::VectorIndex;
use soma_core::log::{DeadLetters, EventLog};
use soma_core::store::MemoryStore;
use soma_core::testing::{Index, Letters, Log, SeededClock, Store, conformance};

fn run(suite: impl Future<Output = ()>) {
    SeededClock::new(1).block_on(suite);
}

fn log_of(partitions: u32) -> Arc<dyn EventLog> {
    Arc::new(Log::new("log", partitions, Arc::new(SeededClock::new(1))))
}

async fn letters() -> Arc<dyn DeadLetters> {
    Arc::new(Letters::new())
}

async fn store() -> Arc<dyn MemoryStore> {
    Arc::new(Store::new())
}

async fn index() -> Arc<dyn VectorIndex> {
    Arc::new(Index::new(Identity { name: "hash".to_owned(), revision: "1".to_owned(), dims: 8 }))
}

#[test]
fn a_log_of_one_partition_conforms() {
    run(conformance::event_log(async || log_of(1)));
}

#[test]
fn a_log_of_three_partitions_conforms() {
    run(conformance::event_log(async || log_of(3)));
}

#[test]
fn dead_letters_conform() {
    run(conformance::dead_letters(letters));
}

#[test]
fn record_transactions_conform() {
    run(conformance::staging(store));
}

#[test]
fn mending_conforms() {
    run(conformance::mending(store));
}

#[test]
fn positions_conform() {
    run(conformance::positions(store));
}

#[test]
fn reading_conforms() {
    run(conformance::reading(store));
}

#[test]
fn events_mean_what_the_table_says() {
    run(conformance::folding(store));
}

#[test]
fn an_index_conforms() {
    run(conformance::vector_index(index));
}
