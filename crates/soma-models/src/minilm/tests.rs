use std::path::PathBuf;

use serde_json::{Value, json};
use soma_core::embed::Embedder as _;
use soma_core::error::Code;

use super::{DIMS, MiniLm, identity};
use crate::testing::{cosine, run};

/// The folder of the real model, or a loud word that the test was skipped.
fn real(test: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a model of 90 MB lies outside of the repository")]
    let folder = std::env::var_os("SOMA_TEST_MINILM");
    if folder.is_none() {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("SKIPPED {test}: SOMA_TEST_MINILM names no folder with all-MiniLM-L6-v2");
        }
    }
    folder.map(PathBuf::from)
}

#[test]
fn likeness_goes_by_meaning() {
    let Some(folder) = real("likeness_goes_by_meaning") else { return };
    let model = MiniLm::open(&folder).expect("the model loads");
    let payloads: Vec<Value> =
        ["A man is eating food.", "A man is eating a piece of bread.", "Two men pushed carts through the woods."]
            .iter()
            .map(|text| json!({ "text": text }))
            .collect();
    let made = run(model.documents(&payloads.iter().collect::<Vec<_>>())).expect("it computes");
    let (near, far) = (cosine(&made[0], &made[1]), cosine(&made[0], &made[2]));
    assert!(near > 0.6 && far < 0.3, "{near} {far}");
    let asked = run(model.query("Who is having a meal?")).expect("it computes");
    assert!(cosine(&asked, &made[0]) > cosine(&asked, &made[2]) + 0.1);
}

#[test]
fn a_vector_is_the_same_alone_and_among_others() {
    let Some(folder) = real("a_vector_is_the_same_alone_and_among_others") else { return };
    let model = MiniLm::open(&folder).expect("the model loads");
    let words = "the river rose overnight and took the bridge ";
    let payloads: Vec<Value> = (0..20).map(|n| json!({"text": format!("{n} {}", words.repeat(n % 4 + 1))})).collect();
    let together = run(model.documents(&payloads.iter().collect::<Vec<_>>())).expect("it computes");
    assert_eq!(together.len(), payloads.len());
    for (payload, vector) in payloads.iter().zip(&together) {
        assert_eq!(vector.len(), DIMS);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5, "its norm is 1");
        let alone = run(model.documents(&[payload])).expect("it computes").remove(0);
        let apart = vector.iter().zip(&alone).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(apart <= model.tolerance(), "{apart}");
    }
}

#[test]
fn only_the_beginning_of_a_long_text_is_read() {
    let Some(folder) = real("only_the_beginning_of_a_long_text_is_read") else { return };
    let model = MiniLm::open(&folder).expect("the model loads");
    let beginning = "stone ".repeat(400);
    let vectors = [format!("{beginning} water"), format!("{beginning} fire")].map(|text| run(model.query(&text)));
    let [a, b] = vectors.map(|made| made.expect("it computes"));
    assert_eq!(a, b);
}

#[test]
fn the_identity_is_known_without_loading() {
    let Some(folder) = real("the_identity_is_known_without_loading") else { return };
    let known = identity(&folder).expect("the weights are there");
    assert_eq!(known.revision, "53aa51172d14", "of the published weights");
    assert_eq!((known.name.as_str(), known.dims), ("minilm", DIMS));
    assert_eq!(*MiniLm::open(&folder).expect("the model loads").identity(), known);
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = MiniLm::open(folder.path()).expect_err("it is empty");
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.to_string().contains("config.json cannot be read") && error.remedy.is_some(), "{error}");
    std::fs::write(folder.path().join("config.json"), "{").expect("a file");
    let error = MiniLm::open(folder.path()).expect_err("it is broken");
    assert!(error.to_string().contains("config.json cannot be used"), "{error}");
    let error = identity(folder.path()).expect_err("there are no weights");
    assert!(error.to_string().contains("model.safetensors cannot be read"), "{error}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tasks of a test end with it")]
fn questions_at_once_get_the_vectors_that_they_get_alone() {
    let Some(folder) = real("questions_at_once_get_the_vectors_that_they_get_alone") else { return };
    let model = std::sync::Arc::new(MiniLm::open(&folder).expect("the model loads"));
    let questions: Vec<String> =
        (0..40).map(|n| format!("which of the {n} boats {}", "sank ".repeat(n % 5 * 20))).collect();
    let alone: Vec<Vec<f32>> =
        questions.iter().map(|question| run(model.query(question)).expect("it computes")).collect();
    let together = run(async {
        let asked = |question: &String| {
            let (model, question) = (std::sync::Arc::clone(&model), question.clone());
            tokio::task::spawn(async move { model.query(&question).await })
        };
        let gone: Vec<_> = questions.iter().map(asked).collect();
        gone.iter().for_each(tokio::task::JoinHandle::abort);
        let asked: Vec<_> = questions.iter().map(asked).collect();
        let mut made = Vec::new();
        for answer in asked {
            made.push(answer.await.expect("nobody took it back").expect("it computes"));
        }
        made
    });
    for (a, b) in alone.iter().zip(&together) {
        let apart = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(apart <= model.tolerance(), "{apart}");
    }
}
