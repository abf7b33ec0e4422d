//! What every home of dead letters keeps.

use std::sync::Arc;

use super::{Check, ensure, ensure_eq, run};
use crate::ids::{LogId, Place};
use crate::log::{DeadLetter, DeadLetters, Record};
use crate::testing::sample::{event_id, time};

/// Checks a [`DeadLetters`] made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn dead_letters(make: impl AsyncFn() -> Arc<dyn DeadLetters>) {
    run!(make,
        "there are no letters at first" => starts_empty,
        "a letter is read as it was put, bytes and headers" => keeps_letters,
        "a source has one letter, whose attempts count up" => keeps_one_per_source,
        "a letter notes where its record was redriven to, and the rest stays" => notes_redrives,
        "letters are listed in pages, in the order of their sources" => lists,
    );
}

fn letter(log: &str, partition: u32, offset: u64) -> DeadLetter {
    let record = Record {
        place: Place { log: LogId::new(log), partition, offset },
        timestamp: time(offset),
        key: Some(b"\xff\x00key".to_vec()),
        value: Some(vec![0, 159, 146, 150]),
        headers: vec![("a".to_owned(), vec![0, 255]), ("a".to_owned(), Vec::new())],
    };
    DeadLetter {
        record,
        reason: "not_json".to_owned(),
        error: "the value is not JSON".to_owned(),
        component: "decoder".to_owned(),
        event_id: Some(event_id(offset)),
        first_seen: time(100),
        attempts: 1,
        redrives: 2,
    }
}

async fn starts_empty(letters: &dyn DeadLetters) -> Check {
    letters.put(Vec::new()).await?;
    ensure_eq!(letters.count().await?, 0, "letters are counted");
    ensure_eq!(letters.list(None, 10).await?, vec![], "letters are listed");
    ensure!(letters.get(&letter("log", 0, 0).record.place).await?.is_none(), "a letter is there");
    Ok(())
}

async fn keeps_letters(letters: &dyn DeadLetters) -> Check {
    let bare = DeadLetter { event_id: None, ..letter("log", 0, 2) };
    let bare = DeadLetter { record: Record { key: None, value: None, headers: Vec::new(), ..bare.record }, ..bare };
    for kept in [letter("log", 0, 1), bare] {
        letters.put(vec![kept.clone()]).await?;
        ensure_eq!(letters.get(&kept.record.place).await?, Some(kept), "the letter differs");
    }
    Ok(())
}

async fn keeps_one_per_source(letters: &dyn DeadLetters) -> Check {
    letters.put(vec![letter("log", 0, 1), letter("log", 0, 2)]).await?;
    let later = DeadLetter { first_seen: time(200), error: "another sentence".to_owned(), ..letter("log", 0, 1) };
    letters.put(vec![later]).await?;
    ensure_eq!(letters.count().await?, 2, "a source has two letters");
    let kept = letters.get(&letter("log", 0, 1).record.place).await?.ok_or("the letter is gone")?;
    ensure_eq!(kept.attempts, 2, "attempts");
    ensure_eq!(kept.first_seen, time(100), "the time of the first refusal");
    let other = letters.get(&letter("log", 0, 2).record.place).await?.ok_or("the other letter is gone")?;
    ensure_eq!(other.attempts, 1, "attempts of the other letter");
    Ok(())
}

async fn notes_redrives(letters: &dyn DeadLetters) -> Check {
    let kept = letter("log", 0, 1);
    letters.put(vec![kept.clone()]).await?;
    let (first, second) = (letter("log", 0, 7).record.place, letter("log", 0, 9).record.place);
    for to in [&first, &second] {
        let known = letters.get(&kept.record.place).await?.ok_or("the letter is gone")?;
        letters.put(vec![known.redriven(to)]).await?;
    }
    // The same record, read and refused once more.
    letters.put(vec![kept.clone()]).await?;
    let noted = letters.get(&kept.record.place).await?.ok_or("the letter is gone")?;
    ensure_eq!(noted.redriven_to(), Some(second), "where it was redriven to");
    ensure_eq!(noted.redrives, 4, "how often it was redriven");
    ensure_eq!(noted.record.headers[..2], kept.record.headers[..], "the headers of the record");
    ensure_eq!(letters.count().await?, 1, "letters are counted");
    Ok(())
}

async fn lists(letters: &dyn DeadLetters) -> Check {
    let mut sources = vec![("a", 0, 2), ("a", 0, 10), ("a", 1, 1), ("b", 0, 0), ("b", 10, 3)];
    let all: Vec<DeadLetter> =
        sources.iter().map(|(log, partition, offset)| letter(log, *partition, *offset)).collect();
    sources.reverse();
    for (log, partition, offset) in sources {
        letters.put(vec![letter(log, partition, offset)]).await?;
    }
    ensure_eq!(letters.list(None, 100).await?, all, "the whole list");
    ensure_eq!(letters.list(None, 2).await?, all[..2], "the first page");
    ensure_eq!(letters.list(Some(all[1].record.place.clone()), 2).await?, all[2..4], "the second page");
    ensure_eq!(letters.list(Some(all[4].record.place.clone()), 2).await?, vec![], "the page after the last");
    let between = Place { offset: 5, ..all[0].record.place.clone() };
    ensure_eq!(letters.list(Some(between), 1).await?, all[1..2], "a page after a source that has no letter");
    Ok(())
}
