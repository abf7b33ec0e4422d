//! The record store passes the suites of the ports that it fills.

use std::sync::Arc;

use soma_core::store::MemoryStore;
use soma_core::testing::conformance;

use super::schema;

async fn store() -> Arc<dyn MemoryStore> {
    let schema = schema().await.expect("the suite runs only with a server");
    Arc::new(schema.open().await)
}

#[tokio::test]
async fn record_transactions_are_as_the_port_says() {
    if schema().await.is_some() {
        conformance::staging(store).await;
    }
}

#[tokio::test]
async fn mending_is_as_the_port_says() {
    if schema().await.is_some() {
        conformance::mending(store).await;
    }
}

#[tokio::test]
async fn positions_are_as_the_port_says() {
    if schema().await.is_some() {
        conformance::positions(store).await;
    }
}

#[tokio::test]
async fn reading_is_as_the_port_says() {
    if schema().await.is_some() {
        conformance::reading(store).await;
    }
}

#[tokio::test]
async fn folding_over_the_tables_is_folding() {
    if schema().await.is_some() {
        conformance::folding(store).await;
    }
}
