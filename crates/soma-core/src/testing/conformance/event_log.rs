//! What every event log keeps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Check, ensure, ensure_eq, run};
use crate::event::{Event, codec};
use crate::ids::{Offset, Place};
use crate::log::{Appended, Erasure, EventLog, NewRecord, ReadLimit, Record};
use crate::testing::sample::{self, created, deleted, event_id, memory_id};

const ALL: ReadLimit = ReadLimit { records: 1_000, bytes: 1 << 20 };

/// Checks an [`EventLog`] made empty by `make`, in any number of partitions.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn event_log(make: impl AsyncFn() -> Arc<dyn EventLog>) {
    run!(make,
        "an empty log has partitions without records" => starts_empty,
        "records of one key lie in one partition, in the order in which they were appended" => keeps_order,
        "a record is read as it was written, bytes and headers" => keeps_bytes,
        "a record without key and a tombstone are records" => keeps_tombstones,
        "a read begins at the given offset and ends at its limits" => limits_reads,
        "the first record of a read comes however large it is" => reads_a_large_record,
        "an event id is held once, or every record of it is held" => holds_ids_once,
        "an event id repeated within one append is held once, or every record of it is held" => holds_ids_once_in_a_batch,
        "records without an event id are always appended" => appends_the_unnamed,
        "a found record is the one that was appended" => finds,
        "bounds hold what can be read" => bounds_hold,
        "a wait ends at once when the record is there" => waits_for_the_past,
        "a wait ends when the record comes" => waits_for_the_future,
        "erasing takes the content and leaves the event, and only that of the memory below the offset" => erases,
        "erasing takes the redriven ones that first lay below the offset, and one alone where it lies" => erases_redriven,
        "erasing twice, or what is not there, changes nothing" => erases_again,
    );
}

fn places(appended: &[Appended]) -> Result<Vec<Place>, String> {
    let place = |appended: &Appended| match appended {
        Appended::New(place) => Ok(place.clone()),
        Appended::Existing(record) => Err(format!("{} was known already", record.place)),
    };
    appended.iter().map(place).collect()
}

async fn append(log: &dyn EventLog, events: &[Event]) -> Result<Vec<Place>, Box<dyn std::error::Error + Send + Sync>> {
    let appended = log.append(events.iter().map(sample::record).collect()).await?;
    Ok(places(&appended)?)
}

async fn everything(log: &dyn EventLog) -> crate::Result<Vec<Record>> {
    let mut records = Vec::new();
    for bounds in log.bounds().await? {
        records.extend(log.read(bounds.partition, bounds.first, ALL).await?);
    }
    Ok(records)
}

async fn starts_empty(log: &dyn EventLog) -> Check {
    let bounds = log.bounds().await?;
    ensure!(!bounds.is_empty(), "the log has no partition");
    ensure!(bounds.iter().all(|b| b.first == b.next), "{bounds:?} are not empty");
    ensure!(everything(log).await?.is_empty(), "records can be read");
    ensure!(log.append(Vec::new()).await?.is_empty(), "appending nothing answers something");
    Ok(())
}

async fn keeps_order(log: &dyn EventLog) -> Check {
    let mut places = Vec::new();
    for first in [0, 10, 20] {
        let events: Vec<Event> = (first..first + 10).map(|n| created(n % 3, n, "text")).collect();
        places.extend(append(log, &events).await?);
    }
    for memory in 0..3_u64 {
        let of_one: Vec<&Place> =
            (0..30_u64).zip(&places).filter(|(n, _)| n % 3 == memory).map(|(_, place)| place).collect();
        ensure!(of_one.is_sorted_by(|a, b| a.same_partition(b) && a.offset < b.offset), "{of_one:?} are out of order");
        ensure!(of_one.iter().all(|place| place.log == *log.id()), "a place names another log");
        let read = log.read(of_one[0].partition, 0, ALL).await?;
        let key = memory_id(memory).to_string().into_bytes();
        let read: Vec<&Place> = read.iter().filter(|r| r.key.as_ref() == Some(&key)).map(|r| &r.place).collect();
        ensure_eq!(read, of_one, "the records read are not those appended");
    }
    Ok(())
}

async fn keeps_bytes(log: &dyn EventLog) -> Check {
    let headers = vec![("a".to_owned(), vec![0, 255]), ("b".to_owned(), Vec::new()), ("a".to_owned(), b"2".to_vec())];
    let value = vec![0, 159, 146, 150, 255];
    let new = NewRecord { key: Some(b"\xff\x00key".to_vec()), value: Some(value.clone()), headers, event_id: None };
    let places = places(&log.append(vec![new.clone()]).await?)?;
    let read = log.read(places[0].partition, places[0].offset, ALL).await?;
    ensure_eq!(read.len(), 1, "one record was appended");
    ensure_eq!(read[0].place, places[0], "the place differs");
    ensure_eq!(read[0].key, new.key, "the key differs");
    ensure_eq!(read[0].value, new.value, "the value differs");
    ensure_eq!(read[0].headers, new.headers, "the headers differ");
    Ok(())
}

async fn keeps_tombstones(log: &dyn EventLog) -> Check {
    let key = Some(memory_id(1).to_string().into_bytes());
    let tombstone = NewRecord { key: key.clone(), value: None, headers: Vec::new(), event_id: None };
    let keyless = NewRecord { key: None, value: Some(Vec::new()), headers: Vec::new(), event_id: None };
    let places = places(&log.append(vec![tombstone, keyless]).await?)?;
    let first = log.read(places[0].partition, places[0].offset, ReadLimit { records: 1, bytes: 1 }).await?;
    ensure_eq!((&first[0].key, &first[0].value), (&key, &None), "the tombstone differs");
    let second = log.read(places[1].partition, places[1].offset, ReadLimit { records: 1, bytes: 1 }).await?;
    ensure_eq!((&second[0].key, &second[0].value), (&None, &Some(Vec::new())), "the record without key differs");
    Ok(())
}

async fn limits_reads(log: &dyn EventLog) -> Check {
    let events: Vec<Event> = (0..10).map(|n| created(1, n, "text")).collect();
    let places = append(log, &events).await?;
    let partition = places[0].partition;
    let offsets = async |from: Offset, limit: ReadLimit| -> crate::Result<Vec<Offset>> {
        Ok(log.read(partition, from, limit).await?.iter().map(|record| record.place.offset).collect())
    };
    let at = |range: std::ops::Range<usize>| places[range].iter().map(|place| place.offset).collect::<Vec<_>>();
    ensure_eq!(offsets(places[3].offset, ALL).await?, at(3..10), "reading from the fourth record");
    let two = ReadLimit { records: 2, bytes: 1 << 20 };
    ensure_eq!(offsets(places[3].offset, two).await?, at(3..5), "reading two records");
    let size = log.read(partition, places[0].offset, two).await?[0].size_bytes();
    let bytes = ReadLimit { records: 10, bytes: 2 * size + size / 2 };
    ensure_eq!(offsets(places[3].offset, bytes).await?, at(3..5), "reading the bytes of two records and a half");
    ensure_eq!(offsets(places[9].offset + 1, ALL).await?, Vec::<Offset>::new(), "reading at the end");
    ensure_eq!(offsets(places[9].offset + 1_000, ALL).await?, Vec::<Offset>::new(), "reading beyond the end");
    Ok(())
}

async fn reads_a_large_record(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, &"x".repeat(10_000)), created(1, 2, "y")]).await?;
    let read = log.read(places[0].partition, places[0].offset, ReadLimit { records: 10, bytes: 100 }).await?;
    ensure_eq!(read.len(), 1, "the large record comes alone");
    ensure_eq!(read[0].place, places[0], "another record came");
    Ok(())
}

async fn holds_ids_once(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, "first"), created(1, 2, "second")]).await?;
    let again =
        log.append(vec![sample::record(&created(1, 1, "another")), sample::record(&created(1, 3, "third"))]).await?;
    let held = everything(log).await?;
    match &again[0] {
        Appended::Existing(record) => {
            ensure_eq!(record.place, places[0], "it answers with another record");
            ensure_eq!(record.value, sample::record(&created(1, 1, "first")).value, "it answers with another value");
            ensure_eq!(held.len(), 3, "it holds another number of records");
        }
        Appended::New(_) => ensure_eq!(held.len(), 4, "it acknowledged a record that it does not hold"),
    }
    let Appended::New(third) = &again[1] else { return Err("a record was refused for its neighbour".into()) };
    ensure!(held.iter().any(|record| record.place == *third), "the record beside it was lost");
    Ok(())
}

async fn holds_ids_once_in_a_batch(log: &dyn EventLog) -> Check {
    let twice = vec![sample::record(&created(1, 1, "first")), sample::record(&created(1, 1, "second"))];
    let appended = log.append(twice).await?;
    let held = everything(log).await?.len();
    match (&appended[0], &appended[1]) {
        (Appended::New(place), Appended::Existing(record)) => {
            ensure_eq!(record.place, *place, "it answers with another record");
            ensure_eq!(held, 1, "it holds another number of records");
        }
        (Appended::New(_), Appended::New(_)) => ensure_eq!(held, 2, "it acknowledged a record that it does not hold"),
        (Appended::Existing(_), _) => return Err("the first record was known to an empty log".into()),
    }
    Ok(())
}

async fn appends_the_unnamed(log: &dyn EventLog) -> Check {
    let unnamed = NewRecord { event_id: None, ..sample::record(&created(1, 1, "text")) };
    let places = places(&log.append(vec![unnamed.clone(), unnamed]).await?)?;
    ensure!(places[0] < places[1], "{} and {} are one place", places[0], places[1]);
    ensure_eq!(everything(log).await?.len(), 2, "one of them is not held");
    Ok(())
}

async fn finds(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, "text"), created(2, 2, "text")]).await?;
    ensure!(log.find(event_id(3)).await?.is_none(), "it finds what was never appended");
    if let Some(record) = log.find(event_id(2)).await? {
        ensure_eq!(record.place, places[1], "it finds another record");
        ensure_eq!(record.value, sample::record(&created(2, 2, "text")).value, "it finds another value");
    }
    Ok(())
}

async fn bounds_hold(log: &dyn EventLog) -> Check {
    let events: Vec<Event> = (0..20).map(|n| created(n, n, "text")).collect();
    append(log, &events).await?;
    let mut records = 0;
    for bounds in log.bounds().await? {
        let read = log.read(bounds.partition, bounds.first, ALL).await?;
        let inside = |record: &Record| (bounds.first..bounds.next).contains(&record.place.offset);
        ensure!(read.iter().all(inside), "a record of partition {} lies outside of {bounds:?}", bounds.partition);
        records += read.len();
    }
    ensure_eq!(records, 20, "the partitions hold another number of records");
    Ok(())
}

async fn waits_for_the_past(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, "text"), created(1, 2, "text")]).await?;
    for place in places {
        log.wait(place.partition, place.offset).await?;
    }
    Ok(())
}

async fn waits_for_the_future(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, "text")]).await?;
    let Place { partition, offset, .. } = places[0];
    let mut wait = pin!(log.wait(partition, offset + 1));
    if let Poll::Ready(ended) = wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        ended?;
        return Err("it ended before there was a record".into());
    }
    append(log, &[created(1, 2, "text")]).await?;
    wait.await?;
    Ok(())
}

async fn erases(log: &dyn EventLog) -> Check {
    let events = [
        created(1, 1, "first secret"),
        created(2, 2, "of another memory"),
        created(1, 3, "second secret"),
        deleted(1, 4),
        created(1, 5, "after the delete"),
    ];
    let places = append(log, &events).await?;
    let (partition, below) = (places[3].partition, places[3].offset);
    let before = everything(log).await?;
    log.erase(partition, &[(memory_id(1), Erasure::Below(below))]).await?;
    let after = everything(log).await?;
    ensure_eq!(after.len(), before.len(), "erasing changes the number of records");
    if after == before {
        return Ok(()); // A log that cannot erase does nothing.
    }
    for (before, after) in before.iter().zip(&after) {
        let number = places.iter().position(|place| *place == after.place).ok_or("a record moved")?;
        if ![0, 2].contains(&number) {
            ensure_eq!(after, before, "another record changed");
            continue;
        }
        ensure!(!holds(after, b"secret"), "the record at {} keeps its words", after.place);
        ensure!(after.header(codec::ERASED).is_some(), "the record at {} is not marked", after.place);
        ensure_eq!(after.key, before.key, "the key differs");
        ensure_eq!(after.timestamp, before.timestamp, "the time differs");
        let entry = codec::decode(after, 1 << 20).map_err(|refused| refused.error)?;
        let expected = Event { content: None, ..events[number].clone() };
        ensure_eq!(entry.event, expected, "what remains is another event");
        ensure_eq!(codec::identity(after), codec::identity(before), "the record is no longer recognised");
    }
    Ok(())
}

async fn erases_redriven(log: &dyn EventLog) -> Check {
    let first = append(log, &[created(1, 1, "secret"), deleted(1, 2)]).await?;
    let from = |log: &str, offset: u64| {
        let origin = [
            (codec::ORIGIN_LOG, log.to_owned()),
            (codec::ORIGIN_PARTITION, first[0].partition.to_string()),
            (codec::ORIGIN_OFFSET, offset.to_string()),
        ];
        let headers = origin.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
        NewRecord { event_id: None, headers, ..sample::record(&created(1, 3, "secret")) }
    };
    let own = log.id().as_str();
    let redriven =
        vec![from(own, first[0].offset), from(own, first[1].offset + 1), from("another", 0), from("another", 0)];
    let mut places = Vec::new();
    for appended in log.append(redriven).await? {
        match appended {
            Appended::New(place) => places.push(place),
            Appended::Existing(_) => return Err("a redriven record was not taken".into()),
        }
    }
    let below = Erasure::Below(first[1].offset);
    log.erase(first[0].partition, &[(memory_id(1), below), (memory_id(1), Erasure::At(places[3].offset))]).await?;
    let keeps: Vec<bool> = everything(log).await?.iter().map(|record| holds(record, b"secret")).collect();
    if keeps[0] {
        return Ok(()); // A log that cannot erase does nothing.
    }
    ensure_eq!(keeps, vec![false, false, false, true, true, false], "which records keep their words");
    Ok(())
}

async fn erases_again(log: &dyn EventLog) -> Check {
    let places = append(log, &[created(1, 1, "secret"), deleted(1, 2), created(2, 3, "kept")]).await?;
    let (partition, below) = (places[1].partition, places[1].offset);
    log.erase(partition, &[(memory_id(1), Erasure::Below(below))]).await?;
    let once = everything(log).await?;
    log.erase(partition, &[(memory_id(1), Erasure::Below(below)), (memory_id(9), Erasure::Below(below))]).await?;
    log.erase(partition, &[]).await?;
    ensure_eq!(everything(log).await?, once, "erasing again changes a record");
    if let Some(found) = log.find(event_id(1)).await? {
        ensure!(once.contains(&found), "it finds the record as it was before it was erased");
    }
    Ok(())
}

fn holds(record: &Record, words: &[u8]) -> bool {
    record.value.as_ref().is_some_and(|value| value.windows(words.len()).any(|window| window == words))
}
