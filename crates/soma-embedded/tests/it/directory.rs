//! One process owns a data directory, and says so.

use std::fs;
use std::path::Path;

use soma_core::error::{Code, Error};
use soma_embedded::DataDir;
use soma_embedded::directory::{FORMAT, find_server};

fn refused(path: &Path) -> Error {
    DataDir::open(path).expect_err("the directory is refused")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[test]
fn a_missing_directory_is_made_for_its_owner_only() {
    let folder = folder();
    let path = folder.path().join("a/b");
    let directory = DataDir::open(&path).expect("it can be made");
    assert_eq!(directory.path(), path);
    assert_eq!(fs::read_to_string(path.join("format")).expect("the format is written").trim(), FORMAT.to_string());
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("it is there").permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_directory_has_one_owner_at_a_time() {
    let folder = folder();
    let first = DataDir::open(folder.path()).expect("an empty folder opens");
    let error = refused(folder.path());
    assert_eq!(error.code, Code::InUse);
    assert!(error.message.contains(&format!("process {}", std::process::id())), "{error}");
    let published = first.publish_address("http://127.0.0.1:9595").expect("the address can be published");
    assert!(refused(folder.path()).message.contains("http://127.0.0.1:9595"));
    drop((first, published));
    DataDir::open(folder.path()).expect("the owner has given it up");
}

#[test]
fn a_server_is_found_while_it_lives_and_not_afterwards() {
    let folder = folder();
    assert_eq!(find_server(folder.path()), None);
    let directory = DataDir::open(folder.path()).expect("an empty folder opens");
    assert_eq!(find_server(folder.path()), None);
    let published = directory.publish_address("http://127.0.0.1:1").expect("the address can be published");
    let running = find_server(folder.path()).expect("it runs");
    assert_eq!((running.url.as_str(), running.pid), ("http://127.0.0.1:1", std::process::id()));
    let left_behind = fs::read(folder.path().join("address")).expect("the address is a file");
    drop(published);
    assert_eq!(find_server(folder.path()), None);
    fs::write(folder.path().join("address"), left_behind).expect("the file can be written");
    assert_eq!(find_server(folder.path()), None, "a file that nobody holds is no server");
    let published = directory.publish_address("http://127.0.0.1:2").expect("it replaces what was left behind");
    assert_eq!(find_server(folder.path()).map(|r| r.url), Some("http://127.0.0.1:2".into()));
    drop(published);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = folder();
    fs::write(folder.path().join("format"), "7\n").expect("the file can be written");
    let error = refused(folder.path());
    assert_eq!(error.code, Code::FormatTooNew);
    for part in ["format", "version 7", "up to 1"] {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn an_unreadable_or_missing_format_is_corrupt() {
    for text in ["", "one", "0", "1 2", "\u{0}"] {
        let folder = folder();
        fs::write(folder.path().join("format"), text).expect("the file can be written");
        assert_eq!(refused(folder.path()).code, Code::Corrupt, "{text:?}");
    }
    let folder = folder();
    fs::write(folder.path().join("journal.db"), "x").expect("the file can be written");
    let error = refused(folder.path());
    assert_eq!(error.code, Code::Corrupt);
    assert!(error.message.contains("journal.db"), "{error}");
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("the file can be written");
    for path in [file.clone(), file.join("below")] {
        let error = refused(&path);
        assert_eq!(error.code, Code::BadConfig, "{error}");
        assert!(error.message.contains(&path.display().to_string()), "{error}");
        assert!(error.remedy.is_some());
    }
}
