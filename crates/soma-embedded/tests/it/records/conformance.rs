//! The record store passes the suites of the ports that it fills.

use std::sync::{Arc, Mutex};

use soma_core::store::MemoryStore;
use soma_core::testing::conformance;
use tempfile::TempDir;

use super::{folder, open};

/// Folders of stores, kept until the suite has ended.
#[derive(Default)]
struct Folders(Mutex<Vec<TempDir>>);

impl Folders {
    fn store(&self) -> Arc<dyn MemoryStore> {
        let folder = folder();
        let records = open(folder.path());
        self.0.lock().expect("nobody panics while holding the lock").push(folder);
        Arc::new(records)
    }
}

#[tokio::test]
async fn record_transactions_are_as_the_port_says() {
    let folders = Folders::default();
    conformance::staging(async || folders.store()).await;
}

#[tokio::test]
async fn mending_is_as_the_port_says() {
    let folders = Folders::default();
    conformance::mending(async || folders.store()).await;
}

#[tokio::test]
async fn positions_are_as_the_port_says() {
    let folders = Folders::default();
    conformance::positions(async || folders.store()).await;
}

#[tokio::test]
async fn reading_is_as_the_port_says() {
    let folders = Folders::default();
    conformance::reading(async || folders.store()).await;
}

#[tokio::test]
async fn folding_over_the_file_is_folding() {
    let folders = Folders::default();
    conformance::folding(async || folders.store()).await;
}
