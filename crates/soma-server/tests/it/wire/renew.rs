//! `soma log renew`: after a topic was made anew, everything halts, and goes on when it is told to.

use std::process::Stdio;

use serde_json::{Value, json};

use super::world::World;
use crate::harness::{Server, soma, text};

fn remember(server: &Server, words: &str) -> String {
    let body = json!({ "payload": { "text": words } });
    let reply = server.post("/v1/memories?wait=stored&wait_ms=30000", &body);
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_topic_made_anew_halts_the_projector_until_its_generation_is_renewed() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    let mut server = world.start("up", &settings);
    let first = remember(&server, "the lamp is in the attic");
    server.stopped();
    drop(server);

    world.delete_topics();
    assert_eq!(world.run(&["topics", "--apply"], &settings).code, Some(0));
    // It starts, comes to the partition that the memory was in, and ends.
    let mut command = soma(&world.data(), &["up"]);
    command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0");
    let halted = command.stdin(Stdio::null()).output().expect("the binary runs");
    assert_eq!(halted.status.code(), Some(6), "{halted:?}");
    let said = text(&halted.stderr);
    assert!(said.contains("recreated or truncated") && said.contains("soma log renew"), "{said}");

    let renewed = world.run(&["log", "renew", "--json"], &settings);
    let shown: Value = renewed.json();
    assert_eq!((renewed.code, &shown["generation"]), (Some(0), &json!(2)), "{shown}");
    assert!(shown["log"].as_str().is_some_and(|log| log.ends_with(&format!("/{}", world.topic))), "{shown}");

    let server = world.start("up", &settings);
    let second = remember(&server, "the ladder is in the shed");
    for (id, words) in [(&first, "attic"), (&second, "shed")] {
        let memory = server.get(&format!("/v1/memories/{id}"));
        assert!(memory.status == 200 && memory.text.contains(words), "{memory:?}");
        let found = server.post("/v1/recall", &json!({ "query": words })).json();
        assert_eq!(found["hits"][0]["id"], json!(id), "{found}");
    }
    let verified = world.run(&["log", "renew"], &settings);
    assert!(verified.told.contains("is at generation 3; restart every soma process"), "{verified:?}");
}
