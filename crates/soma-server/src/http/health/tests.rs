//! What turns `/livez` red, and what does not.

use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use soma_core::testing::SeededClock;
use tower::ServiceExt as _;

use super::*;

struct World {
    clock: Arc<SeededClock>,
    pulses: Pulses,
    probes: Probes,
}

fn world() -> World {
    let clock = Arc::new(SeededClock::waiting(1));
    let pulses = Pulses::new(Arc::clone(&clock) as _);
    let probes = Probes {
        metrics: Metrics::new("memory.events", Arc::clone(&clock) as _),
        health: Health::starting(pulses.clone()),
    };
    World { clock, pulses, probes }
}

impl World {
    async fn get(&self, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = router(self.probes.clone(), Reach::Anywhere).oneshot(request).await.expect("it answers");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }
}

#[tokio::test]
async fn a_loop_that_stands_still_is_named_until_it_moves() {
    let world = world();
    let (stuck, moving) = (world.pulses.begin("projecting partition 1"), world.pulses.begin("watching dependencies"));
    world.clock.advance(STILL_MAX);
    moving.beat();
    let alive = json!({ "status": "alive", "stuck": [],
        "still_seconds": { "projecting partition 1": 120.0, "watching dependencies": 0.0 } });
    assert_eq!(world.get("/livez").await, (200, alive), "not yet beyond the bound");
    world.clock.advance(Duration::from_millis(1_500));
    for path in ["/livez", "/healthz"] {
        let (status, body) = world.get(path).await;
        assert_eq!((status, &body["status"]), (503, &json!("stuck")), "{path}");
        assert_eq!(body["stuck"], json!(["projecting partition 1"]), "{path}");
        assert_eq!(body["still_seconds"]["projecting partition 1"], 121.5);
    }
    stuck.beat();
    assert_eq!(world.get("/livez").await.0, 200);
}

#[tokio::test]
async fn of_loops_with_one_name_the_one_that_stands_still_counts() {
    let world = world();
    let (stuck, moving) = (world.pulses.begin("reading the log"), world.pulses.begin("reading the log"));
    world.clock.advance(STILL_MAX * 2);
    moving.beat();
    let (status, body) = world.get("/livez").await;
    assert_eq!((status, &body["still_seconds"]), (503, &json!({ "reading the log": 240.0 })));
    drop(stuck);
    assert_eq!(world.get("/livez").await.0, 200, "it has ended, and is not missed");
}

#[tokio::test]
async fn what_is_away_makes_a_process_unready_and_not_dead() {
    let world = world();
    world.probes.health.enter(Phase::Running);
    world.probes.health.report("postgres", Some("connection refused".to_owned()));
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.get("/livez").await.0, 200);
    let (status, body) = world.get("/readyz").await;
    assert_eq!((status, &body["unavailable"]), (503, &json!({ "postgres": "connection refused" })));
}

#[tokio::test]
async fn a_call_that_neither_answers_nor_fails_is_a_stuck_loop() {
    let world = world();
    let mut run = pin!(world.pulses.begin("projecting the journal").keep(pending::<()>()));
    assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    world.clock.advance(STILL_MAX + Duration::from_secs(1));
    assert_eq!(world.get("/livez").await.1["stuck"], json!(["projecting the journal"]));
}
