use serde_json::json;
use soma_core::embed::Embedder as _;
use soma_core::error::Code;
use soma_core::projector::verdict::{self, Verdict};

use super::Given;
use crate::testing::run;

#[test]
fn a_payload_without_a_vector_is_refused_and_none_is_made_up() {
    let given = Given::new("r7", 3);
    let error = run(given.documents(&[&json!({"text": "words"})])).expect_err("there is no vector");
    assert_eq!((error.code, verdict::of(&error)), (Code::StoreRejected, Verdict::DeadLetter));
    assert!(error.to_string().contains("3 numbers and `model_revision` r7"), "{error}");
    assert!(run(given.documents(&[])).expect("nothing is asked for").is_empty());
}

#[test]
fn a_question_in_text_is_refused_with_a_way_out() {
    let given = Given::new("r7", 3);
    let error = run(given.query("words")).expect_err("there is no model");
    assert_eq!((error.code, error.message.as_str()), (Code::BadRequest, "this embedder takes vectors only"));
    assert_eq!(given.hybrid_weight(), 0.0, "hybrid recall must not ask for the vector of a text");
    assert_eq!(given.identity().to_string(), "given:r7 with 3 dimensions");
}
