//! Embedders other than the default, through the real binary.

use serde_json::{Value, json};

use crate::harness::{Server, answer, soma, text};

const GIVEN: [(&str, &str); 1] = [("SOMA_EMBEDDER", "given:r1:64")];

/// A vector along one axis.
fn axis(at: usize) -> Vec<f64> {
    let mut vector = vec![0.0; 64];
    vector[at] = 1.0;
    vector
}

fn memory(words: &str, at: usize, revision: &str) -> Value {
    json!({ "payload": { "text": words }, "embedding": axis(at), "model_revision": revision })
}

#[test]
fn with_given_vectors_an_event_without_a_fitting_one_becomes_a_dead_letter() {
    let server = Server::start_with(&GIVEN);
    let sky = server.post("/v1/memories?wait=stored", &memory("the sky is blue", 0, "r1"));
    assert_eq!(sky.status, 201, "{}", sky.text);
    let sea = server.post("/v1/memories?wait=stored", &memory("the sea is deep", 1, "r1"));
    for misfit in [json!({ "payload": { "text": "the sky is grey" } }), memory("the sky is red", 0, "r2")] {
        let refused = server.post("/v1/memories?wait=stored", &misfit);
        assert_eq!((refused.status, refused.code().as_str()), (422, "dead_lettered"), "{}", refused.text);
    }
    let letters = server.get("/v1/dead-letters").json();
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(letters["items"][0]["reason"], "store_rejected", "{letters}");

    let first = |body: Value| server.post("/v1/recall", &body).json()["hits"][0]["id"].clone();
    assert_eq!(first(json!({ "embedding": axis(1), "top_k": 1 })), sea.json()["id"]);
    assert_eq!(first(json!({ "query": "sky", "top_k": 1 })), sky.json()["id"], "words need no vector");
    let asked = server.post("/v1/recall", &json!({ "query": "sky", "mode": "dense" }));
    assert_eq!((asked.status, asked.code().as_str()), (400, "bad_request"));
    assert!(asked.text.contains("this embedder takes vectors only"), "{}", asked.text);
    let verified = server.post("/v1/verify", &json!({})).json();
    assert_eq!((&verified["ok"], &verified["memories"]), (&json!(true), &json!(2)), "{verified}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn an_index_of_another_embedder_stops_the_start_and_both_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    answer(&data, &["remember", "the sky is blue"]);
    let started = soma(&data, &["status"]).envs(GIVEN).output().expect("the binary runs");
    assert!(!started.status.success());
    let said = text(&started.stderr);
    for words in ["hash:1 with 768 dimensions", "given:r1 with 64 dimensions", "start with the embedder that filled it"]
    {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
}

#[test]
fn a_model_that_is_not_there_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let added = soma(&data, &["model", "add"]).arg(folder.path()).output().expect("the binary runs");
    assert_eq!(added.status.code(), Some(2));
    assert!(text(&added.stderr).contains("holds no model that can be used"), "{}", text(&added.stderr));
    let named = format!("minilm:{}", folder.path().display());
    let doctor = soma(&data, &["doctor", "--json"]).env("SOMA_EMBEDDER", &named).output().expect("the binary runs");
    let (started, doctor) = (
        soma(&data, &["status"]).env("SOMA_EMBEDDER", &named).output().expect("the binary runs"),
        text(&doctor.stdout),
    );
    for said in [text(&started.stderr), doctor] {
        assert!(said.contains("cannot be read") && said.contains("soma model add"), "{said}");
    }
}

#[test]
fn minilm_is_put_in_place_and_finds_by_meaning() {
    #[expect(clippy::disallowed_methods, reason = "a model of 90 MB lies outside of the repository")]
    let Some(real) = std::env::var_os("SOMA_TEST_MINILM") else {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("SKIPPED minilm_is_put_in_place_and_finds_by_meaning: SOMA_TEST_MINILM names no folder");
        }
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut added = Vec::new();
    for _ in 0..2 {
        let output = soma(&data, &["model", "add", "--json"]).arg(&real).output().expect("the binary runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        added.push(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"));
    }
    assert_eq!(added[0], added[1], "doing it twice changes nothing");
    let value = added[0]["embedder"].as_str().expect("a value to set");

    let server = Server::on(&data, &[("SOMA_EMBEDDER", value)]);
    for words in ["My dog loves long walks", "The invoice was paid in March", "We repainted the kitchen"] {
        server.post("/v1/memories?wait=stored", &json!({ "payload": { "text": words } }));
    }
    let asked = json!({ "query": "exercise for a pet", "mode": "dense", "top_k": 1 });
    let hit = server.post("/v1/recall", &asked).json()["hits"][0].clone();
    assert_eq!(hit["payload"]["text"], "My dog loves long walks", "{hit}");
    assert_eq!(server.get("/v1/status").json()["embedder"]["dimensions"], 384);
    assert_eq!(server.post("/v1/verify", &json!({})).json()["ok"], true);
}
