//! The suites of the ports.

use std::sync::Arc;

use soma_cluster::kafka::{Letters, topics};
use soma_core::log::{DeadLetters, EventLog};
use soma_core::testing::conformance;

use super::world::{RealClock, connect, mock, on, real, topic};

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_a_mock_cluster_is_an_event_log() {
    let mock = mock();
    conformance::event_log(async || connect(&topic(&mock, 2)).await as Arc<dyn EventLog>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_a_mock_cluster_keeps_dead_letters() {
    let mock = mock();
    conformance::dead_letters(async || {
        Letters::new(&topic(&mock, 2), &RealClock::shared()).expect("the settings are right") as Arc<dyn DeadLetters>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_topic_is_an_event_log() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    conformance::event_log(async || {
        let settings = on(&bootstrap);
        topics::ensure(&settings, &RealClock::shared()).await.expect("topics can be made");
        connect(&settings).await as Arc<dyn EventLog>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_topic_keeps_dead_letters() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    conformance::dead_letters(async || {
        let settings = on(&bootstrap);
        topics::ensure(&settings, &RealClock::shared()).await.expect("topics can be made");
        Letters::beside(&*connect(&settings).await) as Arc<dyn DeadLetters>
    })
    .await;
}
