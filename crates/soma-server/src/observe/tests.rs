//! What is away as long as any partition waits for it.

use soma_core::error::Code;
use soma_core::pulse::Pulses;
use soma_core::testing::SeededClock;

use super::*;

#[test]
fn a_component_is_away_until_no_partition_waits_for_it() {
    let clock: Arc<dyn soma_core::clock::Clock> = Arc::new(SeededClock::new(1));
    let health = Health::starting(Pulses::new(Arc::clone(&clock)));
    let metrics = Metrics::new("memory.events", clock);
    let told = Told::new(&metrics, &health, None);
    let shown = |value: u8| {
        let line = format!("consumer_paused{{component=\"kv_writer\"}} {value}");
        metrics.text(crate::metrics::expose::Format::Prometheus).lines().any(|l| l == line)
    };
    told.failed(Component::KvWriter, &Error::new(Code::Unavailable, "connection refused"));
    told.paused(Component::KvWriter, true);
    told.paused(Component::KvWriter, true);
    told.paused(Component::KvWriter, false);
    assert_eq!(health.down().get("kv_writer").map(String::as_str), Some("connection refused"));
    assert!(shown(1), "another partition still waits");
    told.paused(Component::KvWriter, false);
    assert!(health.down().is_empty() && shown(0));
}
