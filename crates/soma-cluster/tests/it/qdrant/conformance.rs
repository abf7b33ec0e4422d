//! The suite of the port.

use std::sync::{Arc, Mutex, PoisonError};

use soma_cluster::qdrant::{Settings, Vectors};
use soma_core::index::VectorIndex;
use soma_core::testing::conformance::vector_index;
use soma_testkit::qdrant::StandIn;

use super::{Outcome, fresh_name, identity, real_server, remove, settings};

async fn suite(url: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let names = Mutex::new(Vec::new());
    vector_index(async || {
        let collection = fresh_name().expect("a name");
        names.lock().unwrap_or_else(PoisonError::into_inner).push(collection.clone());
        let settings = Settings { collection, ..settings(url.to_owned()) };
        // On the heap: the suite holds one for each of its cases.
        let (vectors, _) = Box::pin(Vectors::connect(&settings, identity())).await.expect("a connection");
        Arc::new(vectors) as Arc<dyn VectorIndex>
    })
    .await;
    Ok(names.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[tokio::test]
async fn the_index_keeps_what_the_port_promises() -> Outcome {
    let stand_in = StandIn::start()?;
    suite(&stand_in.url()).await?;
    Ok(())
}

#[tokio::test]
async fn the_index_keeps_what_the_port_promises_on_a_real_server() -> Outcome {
    let Some(url) = real_server("the suite of the vector index") else { return Ok(()) };
    for collection in suite(&url).await? {
        remove(&url, &collection).await?;
    }
    Ok(())
}
