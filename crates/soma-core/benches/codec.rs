//! How many events of about 1 kB one core reads and writes per second.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use soma_core::event::codec::{decode, encode};
use soma_core::event::{Content, Event, EventType, build};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Place, Timestamp};
use soma_core::limits;
use soma_core::log::Record;

const ID: &str = "0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b";

/// A turn of a conversation: a text and a dozen fields around it.
fn event() -> Event {
    let text = "The harbour lights went out one by one while we talked about the trip to the lake. ".repeat(6);
    Event {
        event_id: EventId::parse("0190b6a0-8d2f-7e4b-8a3c-2d3e4f5a6b7c").expect("a UUID"),
        id: MemoryId::parse(ID).expect("a UUID"),
        namespace: Some(Namespace::parse("agents/demo").expect("valid")),
        kind: EventType::Created,
        timestamp: Timestamp(1_767_323_045_000_006),
        content: Some(Content {
            payload: json!({
                "text": text,
                "speaker": "Ada",
                "thread": "evening-walk",
                "turn": 17,
                "tags": ["harbour", "lake", "trip"],
                "user": {"name": "Ada", "score": 0.75, "active": true, "manager": null},
                "source": {"kind": "conversation", "session": 4, "tokens": [101, 2054, 318, 77]},
            }),
            importance: Some(0.5),
            embedding: None,
            model_revision: None,
        }),
    }
}

fn codec(criterion: &mut Criterion) {
    let event = event();
    let value = encode(&event);
    let record = Record {
        place: Place { log: LogId::new("bench"), partition: 0, offset: 7 },
        timestamp: event.timestamp,
        key: Some(ID.as_bytes().to_vec()),
        value: Some(value.clone()),
        headers: Vec::new(),
    };
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("decode {} bytes", value.len()), |b| {
        b.iter(|| decode(black_box(&record), limits::VALUE_BYTES_DEFAULT).expect("an event"));
    });
    group.bench_function(format!("build strictly {} bytes", value.len()), |b| {
        b.iter(|| build::strict_bytes(black_box(&value), limits::VALUE_BYTES_DEFAULT).expect("an event"));
    });
    group.bench_function(format!("encode {} bytes", value.len()), |b| b.iter(|| encode(black_box(&event))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
