//! Dead letters live in the journal's file.

use soma_core::ids::{EventId, LogId, Place, Timestamp};
use soma_core::log::{DeadLetter, DeadLetters, Record};
use uuid::Uuid;

use super::{folder, open};

fn letter(log: &str, offset: u64) -> DeadLetter {
    DeadLetter {
        record: Record {
            place: Place { log: LogId::new(log), partition: 2, offset },
            timestamp: Timestamp(5),
            key: Some(b"key".to_vec()),
            value: Some(vec![0xff, 0]),
            headers: vec![("h".into(), vec![1])],
        },
        reason: "not_json".into(),
        error: "the value is not JSON".into(),
        component: "decoder".into(),
        event_id: Some(EventId(Uuid::from_u128(9))),
        first_seen: Timestamp(7),
        attempts: 1,
        redrives: 0,
    }
}

#[tokio::test]
async fn letters_survive_and_count_their_attempts() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let letters = vec![letter("b", 1), letter("a", 20), letter("a", 3)];
    journal.put(letters).await.expect("letters can be kept");
    journal.put(vec![letter("a", 20)]).await.expect("letters can be kept again");
    drop(journal);
    let journal = open(folder.path()).expect("the journal opens again");
    assert_eq!(journal.count().await.expect("letters can be counted"), 3);
    let listed = journal.list(None, 10).await.expect("letters can be listed");
    let expected = vec![letter("a", 3), DeadLetter { attempts: 2, ..letter("a", 20) }, letter("b", 1)];
    assert_eq!(listed, expected);
    let page = journal.list(Some(listed[0].record.place.clone()), 1).await.expect("letters can be listed");
    assert_eq!(page, &expected[1..2]);
    let got = journal.get(&listed[2].record.place).await.expect("a letter can be read");
    assert_eq!(got, Some(letter("b", 1)));
    assert_eq!(journal.get(&letter("c", 1).record.place).await.expect("a letter can be sought"), None);
    assert_eq!(journal.check().await.expect("nothing is damaged").dead_letters, 3);
}
