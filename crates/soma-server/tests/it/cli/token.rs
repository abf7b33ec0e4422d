//! `soma token`: the file of tokens is made, shown and changed without a text editor, beside a server that
//! reads it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, run, text};

fn token(file: &Path, args: &[&str]) -> Output {
    let data = file.with_file_name("data");
    let all: Vec<&str> =
        ["token"].iter().chain(args).copied().chain(["--file", file.to_str().expect("text")]).collect();
    run(&data, &all)
}

/// Makes a token and returns it.
fn made(file: &Path, args: &[&str]) -> String {
    let all: Vec<&str> = ["new"].iter().chain(args).copied().collect();
    let output = token(file, &all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

#[test]
fn a_token_works_beside_a_running_server_as_soon_as_it_is_made_and_until_it_is_revoked() {
    let folder = directory();
    let file = folder.path().join("tokens");
    let owner = made(&file, &["owner", "--right", "read", "--right", "write", "--right", "admin", "--prefix", ""]);
    let server = Server::start_with(&[("SOMA_API_TOKENS_FILE", file.to_str().expect("text"))]);
    let status = |token: &str, target: &str| {
        server.send("GET", target, &[("authorization", &format!("Bearer {token}"))], b"").status
    };
    assert_eq!(status(&owner, "/v1/stats"), 200);

    let reader = made(&file, &["reader", "--right", "read", "--namespace", "demo"]);
    server.wait_for_log("the tokens file was read again");
    assert_eq!(status(&reader, "/v1/memories?namespace=demo"), 200);
    assert_eq!(status(&reader, "/v1/memories?namespace=other"), 403);
    assert_eq!(status(&reader, "/v1/stats"), 403);

    assert!(token(&file, &["revoke", "reader"]).status.success());
    server.wait_for_log("the tokens file was read again");
    assert_eq!(status(&reader, "/v1/memories?namespace=demo"), 401);
    assert_eq!(status(&owner, "/v1/stats"), 200);
}

#[test]
fn a_token_is_shown_once_and_the_file_keeps_its_hash_its_comments_and_its_mode() {
    let folder = directory();
    let file = folder.path().join("tokens");
    fs::write(&file, "# ours\n\n# of the build\n").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    let output = token(&file, &["new", "ci", "--right", "read", "--namespace", "demo", "--prefix", "team/", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let secret = shown["token"].as_str().expect("the token").to_owned();
    assert!(secret.starts_with("soma_") && secret.len() >= 45, "{secret}");
    let other = made(&file, &["other", "--right", "write", "--prefix", ""]);
    assert_ne!(secret, other);

    let kept = fs::read_to_string(&file).expect("the file");
    assert!(kept.starts_with("# ours\n\n# of the build\n"), "{kept}");
    assert!(!kept.contains(&secret) && !kept.contains(&other) && kept.contains("sha256"), "{kept}");
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o640);

    let listed = token(&file, &["list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let ci = json!({ "name": "ci", "rights": ["read"], "namespaces": ["demo"], "prefixes": ["team/"] });
    assert_eq!(listed["tokens"][0], ci);
    assert_eq!(listed["tokens"].as_array().map(Vec::len), Some(2));
    let words = text(&token(&file, &["list"]).stdout);
    assert!(words.contains("ci") && words.contains("team/") && words.contains("every namespace"), "{words}");

    assert!(token(&file, &["revoke", "ci"]).status.success());
    let kept = fs::read_to_string(&file).expect("the file");
    assert!(
        kept.starts_with("# ours\n\n# of the build\n") && !kept.contains("\"ci\"") && kept.contains("other"),
        "{kept}"
    );
    let names: Vec<String> = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["tokens"], "nothing is left beside it");
}

#[test]
fn a_new_file_is_for_its_owner_alone() {
    let folder = directory();
    let file = folder.path().join("tokens");
    made(&file, &["ci", "--right", "read", "--namespace", "demo"]);
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_no_token_can_have_is_refused_and_changes_nothing() {
    let folder = directory();
    let file = folder.path().join("tokens");
    made(&file, &["ci", "--right", "read", "--namespace", "demo"]);
    let before = fs::read_to_string(&file).expect("the file");
    let refused: &[(&[&str], &str)] = &[
        (&["new", "ci", "--right", "read", "--namespace", "demo"], "already"),
        (&["new", "x", "--right", "fly", "--namespace", "demo"], "fly"),
        (&["new", "x", "--right", "read"], "namespace"),
        (&["new", "x", "--right", "admin", "--namespace", "demo"], "admin"),
        (&["new", "x", "--right", "read", "--namespace", ""], "empty"),
        (&["new", "x\u{7}", "--right", "read", "--namespace", "demo"], "control"),
        (&["revoke", "nobody"], "nobody"),
    ];
    for (args, why) in refused {
        let output = token(&file, args);
        assert!(!output.status.success(), "{args:?}");
        assert!(text(&output.stderr).contains(why) && output.stdout.is_empty(), "{args:?}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read_to_string(&file).expect("the file"), before);
    fs::write(&file, format!("{before}no token\n")).expect("a file");
    let output = token(&file, &["new", "x", "--right", "read", "--namespace", "demo"]);
    assert!(text(&output.stderr).contains("line 2"), "{}", text(&output.stderr));
}

#[test]
fn without_a_file_the_command_says_how_to_name_one() {
    let folder = directory();
    let output = run(folder.path(), &["token", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("SOMA_API_TOKENS_FILE"), "{}", text(&output.stderr));
}
