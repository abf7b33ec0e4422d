//! Starting and ending: ports, signals, draining, and coming back after a kill.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::harness::{PATIENCE, Server, soma, text, up};

/// A request whose head and half of whose body have arrived.
fn half_sent(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.authority()).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = "POST /v1/memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sends");
    // The server asks for the body once a handler waits for it.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).expect("the server asks for the body");
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
    stream.write_all(b"{\"payload").expect("sends");
    stream
}

#[test]
fn the_first_signal_lets_requests_in_hand_finish() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Server::on(directory.path(), &[]);
        let mut stream = half_sent(&server);
        server.signal(signal);
        server.wait_for_log("stopping");
        stream.write_all(b"\":1}").expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers and closes");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert_eq!(server.ended().code(), Some(0));
        let next = Server::on(directory.path(), &[]);
        assert_eq!(next.post("/v1/verify", &json!({})).json()["memories"], 1);
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    let mut server = Server::start();
    let stream = half_sent(&server);
    server.signal("TERM");
    server.wait_for_log("stopping");
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(130));
    drop(stream);
}

#[test]
fn a_request_that_does_not_end_cannot_keep_the_process_alive() {
    let settings = [("SOMA_SHUTDOWN_TIMEOUT_SECONDS", "0")];
    let mut server = Server::start_with(&settings);
    let stream = half_sent(&server);
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    drop(stream);
}

/// Another process has the data directory: the test itself.
#[test]
fn a_start_waits_for_a_command_that_works_on_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut held = Some(soma_embedded::DataDir::open(directory.path()).expect("the directory is free"));
    let mut waited = 0;
    let server = Server::spawned_telling(up(directory.path(), &[]), |line| {
        let said = line["message"].as_str().unwrap_or_default();
        if said.contains("waiting for the other process") {
            let own = format!("process {}", std::process::id());
            assert!(said.contains(&own) && said.contains(&directory.path().display().to_string()), "{said}");
            waited += 1;
            held = None;
        }
    });
    assert_eq!(waited, 1, "it did not say that it waits, or more than once");
    assert_eq!(server.post("/v1/memories?wait=stored", &json!({ "payload": 1 })).status, 201);
}

#[test]
fn a_start_gives_up_on_a_directory_that_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let held = soma_embedded::DataDir::open(directory.path()).expect("the directory is free");
    let output = up(directory.path(), &[]).output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("waiting for") && said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(held);
}

/// A server keeps it: there is nothing to wait for.
#[test]
fn a_second_server_on_a_directory_names_the_first_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::on(directory.path(), &[]);
    let output = up(directory.path(), &[]).output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains(&server.api) && !said.contains("waiting for"), "{said}");
    // On the same port too, where the first thing that fails is the port.
    let port = server.api.rsplit(':').next().expect("a port").to_owned();
    let output = up(directory.path(), &[("SOMA_API_PORT", &port)]).output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("runs already") && said.contains(&server.api), "{said}");
}

#[test]
fn a_port_in_use_is_named_before_anything_is_opened() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    for flags in [["--port", &port, "--metrics-port", "0"], ["--port", "0", "--metrics-port", &port]] {
        let mut args = vec!["up"];
        args.extend(flags);
        let output = soma(&data, &args).output().expect("the binary runs");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{error}");
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(!data.exists());
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::on(directory.path(), &[]);
    let id = server.post("/v1/memories", &json!({ "payload": { "text": "kept" } })).json()["id"].clone();
    server.kill();
    let server = Server::on(directory.path(), &[]);
    let report = server.post("/v1/verify", &json!({})).json();
    assert_eq!((&report["ok"], &report["memories"]), (&json!(true), &json!(1)), "{report}");
    assert_eq!(server.get(&format!("/v1/memories/{}", id.as_str().expect("an id"))).status, 200);
}

#[test]
fn people_get_words_and_a_line_to_copy() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = soma(directory.path(), &["up", "--port", "0", "--metrics-port", "0", "--log-format", "text"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("standard output is piped"));
    let mut shown = String::new();
    while !shown.contains("Ctrl-C") {
        let read = std::io::BufRead::read_line(&mut out, &mut shown).expect("it is text");
        assert!(read > 0, "the output ends early: {shown}");
    }
    for words in ["http://127.0.0.1:", "/ui\n", "curl", "/v1/recall", directory.path().to_str().expect("a path")] {
        assert!(shown.contains(words), "{words} is missing in {shown}");
    }
    child.kill().expect("the process can be killed");
    child.wait().expect("the process ends");
}
