use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, safetensors};
use serde_json::json;
use soma_core::embed::Embedder as _;
use soma_core::error::Code;
use tempfile::TempDir;

use super::{WordVectors, identity};
use crate::testing::run;

/// Four words: `sea` and `ocean` lie together, `desk` apart, `anti` against `sea`.
const ROWS: [[f32; 3]; 5] = [[0.0, 0.0, 0.0], [3.0, 4.0, 0.0], [4.0, 3.0, 0.0], [0.0, 0.0, 2.0], [-3.0, -4.0, 0.0]];

fn tokenizer(folder: &Path) {
    let content = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {
            "type": "WordLevel", "unk_token": "[UNK]",
            "vocab": {"[UNK]": 0, "sea": 1, "ocean": 2, "desk": 3, "anti": 4},
        },
    });
    std::fs::write(folder.join("tokenizer.json"), content.to_string()).expect("a file");
}

fn matrix(folder: &Path, rows: &[[f32; 3]]) {
    let values: Vec<f32> = rows.concat();
    let tensor = Tensor::from_vec(values, (rows.len(), 3), &Device::Cpu).expect("a matrix");
    let tensors = HashMap::from([("embedding.weight", tensor)]);
    safetensors::save(&tensors, folder.join("tiny.safetensors")).expect("a file");
}

fn tiny() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tokenizer(folder.path());
    matrix(folder.path(), &ROWS);
    folder
}

#[test]
fn a_text_is_the_mean_of_its_words() {
    let folder = tiny();
    let model = WordVectors::open(folder.path()).expect("it loads");
    assert_eq!(run(model.query("sea")).expect("a vector"), [0.6, 0.8, 0.0]);
    let made = run(model.documents(&[&json!({"text": "sea ocean"}), &json!({"text": "desk"})])).expect("vectors");
    let diagonal = std::f32::consts::FRAC_1_SQRT_2;
    assert_eq!(made, [vec![diagonal, diagonal, 0.0], vec![0.0, 0.0, 1.0]]);
}

#[test]
fn no_vector_is_zero() {
    let folder = tiny();
    let model = WordVectors::open(folder.path()).expect("it loads");
    for text in ["", "unheard", "sea anti"] {
        assert_eq!(run(model.query(text)).expect("a vector"), [0.0, 0.0, 1.0], "{text:?}");
    }
}

#[test]
fn the_identity_follows_the_weights() {
    let folder = tiny();
    let first = identity(folder.path()).expect("it is there");
    assert_eq!((first.name.as_str(), first.dims, first.revision.len()), ("static", 3, 12));
    assert_eq!(*WordVectors::open(folder.path()).expect("it loads").identity(), first);
    matrix(folder.path(), &[ROWS[0], ROWS[2], ROWS[1], ROWS[3], ROWS[4]]);
    assert_ne!(identity(folder.path()).expect("it is there").revision, first.revision);
}

#[test]
fn what_does_not_fit_together_is_named() {
    let folder = tiny();
    matrix(folder.path(), &ROWS[..3]);
    let error = WordVectors::open(folder.path()).expect_err("rows are missing");
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.to_string().contains("it knows token 4, and the matrix has 3 rows"), "{error}");
    std::fs::copy(folder.path().join("tiny.safetensors"), folder.path().join("other.safetensors")).expect("a copy");
    let error = identity(folder.path()).expect_err("there are two");
    assert!(error.to_string().contains("does not hold one file"), "{error}");
    let error = identity(&folder.path().join("nowhere")).expect_err("there is no folder");
    assert!(error.to_string().contains("nowhere cannot be read"), "{error}");
}
