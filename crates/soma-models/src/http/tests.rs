use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, sync_channel};

use serde_json::{Value, json};
use soma_core::embed::Embedder as _;
use soma_core::error::Code;
use soma_core::projector::verdict::{self, Verdict};

use super::{Endpoint, Settings, target};
use crate::testing::run;

/// What the stub was asked.
struct Asked {
    line: String,
    authorization: Option<String>,
    body: Value,
}

/// Serves one connection per answer, in order, and tells what it was asked.
fn stub(answers: Vec<(u16, Value)>) -> (SocketAddr, Receiver<Asked>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let (tell, asked) = sync_channel(64);
    let serve = move || {
        for (status, answer) in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut line, mut length, mut authorization) = (String::new(), 0, None);
            reader.read_line(&mut line).expect("a request");
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).expect("a header");
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.parse().expect("a number"),
                    "authorization" => authorization = Some(value.to_owned()),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let body = serde_json::from_slice(&body).expect("JSON");
            tell.send(Asked { line: line.trim_end().to_owned(), authorization, body }).expect("the test listens");
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).expect("the client reads");
        }
    };
    std::thread::Builder::new().name("stub".to_owned()).spawn(serve).expect("a thread");
    (address, asked)
}

fn settings(address: SocketAddr) -> Settings {
    Settings { url: format!("http://{address}"), model: "small".to_owned(), key: Some("k3y".to_owned()), dims: 2 }
}

fn answer(vectors: &[(usize, [f32; 2])]) -> Value {
    let data: Vec<Value> =
        vectors.iter().map(|(index, embedding)| json!({"index": index, "embedding": embedding})).collect();
    json!({ "data": data })
}

fn plain() -> (u16, Value) {
    (200, answer(&[(0, [1.0, 0.0])]))
}

#[test]
fn texts_go_out_and_vectors_come_back_in_order_and_of_norm_1() {
    let (address, asked) = stub(vec![plain(), (200, answer(&[(1, [0.0, -2.0]), (0, [3.0, 4.0])]))]);
    let endpoint = run(Endpoint::open(&settings(address))).expect("the probe is answered");
    assert_eq!(endpoint.identity().to_string(), "http:small with 2 dimensions");
    let made = run(endpoint.documents(&[&json!({"text": "a", "actor": "Ann"}), &json!({})])).expect("vectors");
    assert_eq!(made, [vec![0.6, 0.8], vec![0.0, -1.0]]);

    let probe = asked.recv().expect("it was asked");
    assert_eq!(probe.line, "POST /v1/embeddings HTTP/1.1");
    assert_eq!(probe.authorization.as_deref(), Some("Bearer k3y"));
    let batch = asked.recv().expect("it was asked").body;
    assert_eq!(batch, json!({"model": "small", "input": ["Ann: a", "{}"], "encoding_format": "float"}));
}

#[test]
fn many_texts_make_several_requests() {
    let many = |count: usize| (200, answer(&(0..count).map(|at| (at, [1.0, 0.0])).collect::<Vec<_>>()));
    let (address, asked) = stub(vec![plain(), many(64), many(6)]);
    let endpoint = run(Endpoint::open(&settings(address))).expect("the probe is answered");
    let payload = json!("x");
    assert_eq!(run(endpoint.documents(&[&payload; 70])).expect("vectors").len(), 70);
    let counts: Vec<_> = asked.iter().map(|asked| asked.body["input"].as_array().map(Vec::len)).collect();
    assert_eq!(counts, [Some(1), Some(64), Some(6)]);
}

#[test]
fn the_start_names_the_setting_that_does_not_fit() {
    let refusals = [
        (
            (200, json!({"data": [{"index": 0, "embedding": [1.0, 0.0, 0.0]}]})),
            "MEMORY_VECTOR_DIM",
            "set MEMORY_VECTOR_DIM=3",
        ),
        ((401, json!({"error": {"message": "bad key"}})), "SOMA_EMBEDDER_API_KEY", "answers 401: bad key"),
        ((404, json!({"error": "no such model"})), "SOMA_EMBEDDER_MODEL", "answers 404: no such model"),
        ((200, json!({"data": []})), "SOMA_EMBEDDER", "0 vectors for 1 texts"),
        ((200, json!("hello")), "SOMA_EMBEDDER", "compatible with OpenAI"),
    ];
    for (refusal, field, said) in refusals {
        let (address, _asked) = stub(vec![refusal]);
        let error = run(Endpoint::open(&settings(address))).expect_err(said);
        assert_eq!((error.code, error.field.as_deref()), (Code::BadConfig, Some(field)));
        assert!(error.to_string().contains(said) && !error.to_string().contains("k3y"), "{error}");
    }
}

#[test]
fn an_outage_is_unavailable_and_nothing_is_asked_twice() {
    let (address, asked) = stub(vec![plain(), (503, json!({})), (429, json!({})), (401, json!({}))]);
    let endpoint = run(Endpoint::open(&settings(address))).expect("the probe is answered");
    for status in ["503", "429", "401"] {
        let error = run(endpoint.documents(&[&json!("x")])).expect_err("it is refused");
        assert_eq!((error.code, verdict::of(&error)), (Code::Unavailable, Verdict::Retry));
        assert!(error.to_string().contains(status), "{error}");
    }
    // The stub has ended with its listener: nobody answers.
    assert_eq!(asked.iter().count(), 4);
    let error = run(endpoint.query("x")).expect_err("it is away");
    assert_eq!((error.code, verdict::of(&error)), (Code::Unavailable, Verdict::Retry));
    let error = run(Endpoint::open(&settings(address))).expect_err("it is away");
    assert_eq!(error.code, Code::Unavailable);
}

#[test]
fn a_wrong_answer_is_never_stored() {
    let wrong = [
        (json!({"data": [{"index": 0, "embedding": [1.0]}]}), "makes 1 dimensions, and 2 are configured"),
        (answer(&[(0, [1.0, 0.0]), (1, [1.0, 0.0])]), "2 vectors for 1 texts"),
        (answer(&[(5, [1.0, 0.0])]), "a text that was not sent"),
        (answer(&[(0, [0.0, 0.0])]), "a vector that is zero"),
    ];
    for (wrong, said) in wrong {
        let (address, _asked) = stub(vec![plain(), (200, wrong)]);
        let endpoint = run(Endpoint::open(&settings(address))).expect("the probe is answered");
        let error = run(endpoint.documents(&[&json!("x")])).expect_err(said);
        assert_eq!((error.code, verdict::of(&error)), (Code::Corrupt, Verdict::Halt));
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn one_refused_text_is_told_from_an_endpoint_that_refuses_all() {
    let refusal = || (400, json!({"error": {"message": "too long"}}));
    let (address, _asked) = stub(vec![plain(), refusal(), plain(), refusal(), plain(), refusal(), refusal()]);
    let endpoint = run(Endpoint::open(&settings(address))).expect("the probe is answered");
    let error = run(endpoint.documents(&[&json!("x")])).expect_err("the text is refused");
    assert_eq!((error.code, verdict::of(&error)), (Code::StoreRejected, Verdict::DeadLetter));
    assert_eq!(run(endpoint.query("x")).expect_err("the text is refused").code, Code::BadRequest);
    let error = run(endpoint.documents(&[&json!("x")])).expect_err("everything is refused");
    assert_eq!((error.code, verdict::of(&error)), (Code::Unavailable, Verdict::Retry));
}

#[test]
fn an_address_may_name_the_route_or_not() {
    for url in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/embeddings"] {
        assert_eq!(target(url), "http://h:1/v1/embeddings");
    }
    assert_eq!(target("https://h/openai/v1/"), "https://h/openai/v1/embeddings");
}
