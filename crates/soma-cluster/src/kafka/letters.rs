//! Dead letters in a topic of their own.
//!
//! A letter is a record like the one that was refused, with headers that say why (`headers.rs`). Letters of
//! one source share a partition, so they are merged in the order in which they were put. The topic is read
//! from its beginning for every list: dead letters are few, and expire.
//!
//! Memory is bounded by the page that is asked for; counting remembers sixteen bytes and some per source.

mod headers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Kind, Result};
use soma_core::ids::{LogId, Offset, Partition, Place};
use soma_core::log::{DeadLetter, DeadLetters};
use tokio::sync::{Mutex, OnceCell};
use xxhash_rust::xxh3::xxh3_64;

use super::log::Log;
use super::producer::{Ends, Outgoing, Producer, blocking};
use super::scan::{Stretch, scan};
use super::settings::Settings;

/// [`DeadLetters`] on Kafka.
pub struct Letters {
    topic: String,
    group: String,
    producer: Arc<Producer>,
    partitions: OnceCell<u32>,
    counted: Mutex<Counted>,
}

/// The sources that were seen, each with where its last letter lies.
#[derive(Default)]
struct Counted {
    logs: HashMap<LogId, u32>,
    sources: HashMap<(u32, Partition, Offset), (Partition, Offset)>,
    next: BTreeMap<Partition, Offset>,
}

impl Letters {
    /// The letters of a cluster, by a client of their own. Connects when it is first used.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn new(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Arc<Self>> {
        Ok(Self::by(Arc::new(Producer::start(settings, clock)?)))
    }

    /// The letters of a log's cluster, by the log's client.
    #[must_use]
    pub fn beside(log: &Log) -> Arc<Self> {
        Self::by(Arc::clone(log.producer()))
    }

    fn by(producer: Arc<Producer>) -> Arc<Self> {
        let settings = producer.settings();
        let (topic, group) = (settings.dlq_topic.clone(), settings.group.clone());
        Arc::new(Self { topic, group, producer, partitions: OnceCell::new(), counted: Mutex::default() })
    }

    /// Shows every letter from there on, with where it lies in the topic of letters.
    async fn each(
        &self,
        from: &BTreeMap<Partition, Offset>,
        mut see: impl FnMut(DeadLetter, &Place) + Send,
    ) -> Result<Ended> {
        let ends = self.producer.all_ends(&self.topic).await?;
        let stretch = |(partition, Ends { low, high }): &(Partition, Ends)| {
            let from = from.get(partition).map_or(*low, |from| (*from).max(*low));
            Stretch { partition: *partition, from, to: *high }
        };
        let stretches: Vec<Stretch> = ends.iter().map(stretch).collect();
        let (sender, mut letters) = tokio::sync::mpsc::channel::<(DeadLetter, Place)>(64);
        let (producer, topic) = (Arc::clone(&self.producer), self.topic.clone());
        let scanning = blocking(move || {
            scan(&producer, &topic, &stretches, &mut |record| {
                let place = record.place.clone();
                match headers::parse(record) {
                    // Nobody listens any more when the caller has gone.
                    Some(letter) => drop(sender.blocking_send((letter, place))),
                    None => {
                        tracing::debug!(log.offset = place.offset, "a record of topic {topic} is no letter of ours")
                    }
                }
            })
        });
        let seeing = async {
            while let Some((letter, place)) = letters.recv().await {
                see(letter, &place);
            }
        };
        let (scanned, ()) = tokio::join!(scanning, seeing);
        scanned.map(|()| Ended(ends))
    }

    async fn outgoing(&self, letter: &DeadLetter) -> Result<Outgoing> {
        let record = &letter.record;
        let partition = match record.key {
            Some(_) => None,
            // Letters of one source share a partition, with or without a key.
            None => {
                let count = self.partitions.get_or_try_init(async || self.count_partitions().await).await?;
                let source = xxh3_64(record.place.to_string().as_bytes());
                Partition::try_from(source % u64::from((*count).max(1))).ok()
            }
        };
        let headers = headers::write(letter, &self.group);
        Ok(Outgoing { key: record.key.clone(), value: record.value.clone(), headers, partition })
    }

    async fn count_partitions(&self) -> Result<u32> {
        let partitions = self.producer.partitions(&self.topic).await?;
        Ok(u32::try_from(partitions.len()).unwrap_or(1))
    }
}

/// Where a scan ended.
struct Ended(Vec<(Partition, Ends)>);

#[async_trait]
impl DeadLetters for Letters {
    async fn put(&self, letters: Vec<DeadLetter>) -> Result<()> {
        let mut outgoing = Vec::with_capacity(letters.len());
        for letter in &letters {
            outgoing.push(self.outgoing(letter).await?);
        }
        match self.producer.append(&self.topic, &outgoing).await {
            Err(error) if error.code == Code::TooLarge => {}
            answer => return answer.map(|_| ()).map_err(stuck),
        }
        // One letter that the topic cannot take must not stop the stream: its value stays where it lies in
        // the log, and the letter says so in a text that no redrive can take for an event.
        for (letter, one) in letters.iter().zip(outgoing) {
            let whole = std::slice::from_ref(&one);
            match self.producer.append(&self.topic, whole).await {
                Ok(_) => {}
                Err(error) if error.code == Code::TooLarge => {
                    let bytes = one.value.as_ref().map_or(0, Vec::len);
                    let place = &letter.record.place;
                    let value = format!("the value of {bytes} bytes does not fit this topic; it lies at {place}");
                    tracing::warn!(
                        log.offset = place.offset,
                        "a dead letter does not fit topic {}: {error}",
                        self.topic
                    );
                    let short = [Outgoing { value: Some(value.into_bytes()), ..one }];
                    self.producer.append(&self.topic, &short).await.map_err(stuck)?;
                }
                Err(error) => return Err(stuck(error)),
            }
        }
        Ok(())
    }

    async fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<DeadLetter>> {
        let mut page: BTreeMap<Place, DeadLetter> = BTreeMap::new();
        self.each(&BTreeMap::new(), |letter, _| {
            let source = letter.record.place.clone();
            if after.as_ref().is_some_and(|after| source <= *after) {
                return;
            }
            merge(&mut page, source, letter);
            if page.len() > limit {
                page.pop_last();
            }
        })
        .await?;
        Ok(page.into_values().collect())
    }

    async fn get(&self, source: &Place) -> Result<Option<DeadLetter>> {
        let mut found: BTreeMap<Place, DeadLetter> = BTreeMap::new();
        self.each(&BTreeMap::new(), |letter, _| {
            if letter.record.place == *source {
                merge(&mut found, source.clone(), letter);
            }
        })
        .await?;
        Ok(found.remove(source))
    }

    async fn count(&self) -> Result<u64> {
        let mut counted = self.counted.lock().await;
        let mut seen = Vec::new();
        let from = counted.next.clone();
        let Ended(ends) = self.each(&from, |letter, at| seen.push((letter.record.place, at.clone()))).await?;
        for (source, at) in seen {
            let logs = u32::try_from(counted.logs.len()).unwrap_or(u32::MAX);
            let log = *counted.logs.entry(source.log).or_insert(logs);
            counted.sources.insert((log, source.partition, source.offset), (at.partition, at.offset));
        }
        let low: BTreeMap<Partition, Offset> = ends.iter().map(|(partition, ends)| (*partition, ends.low)).collect();
        counted.next = ends.iter().map(|(partition, ends)| (*partition, ends.high)).collect();
        // What retention has dropped counts no more.
        counted.sources.retain(|_, (partition, offset)| low.get(partition).is_some_and(|low| *offset >= *low));
        Ok(counted.sources.len() as u64)
    }
}

fn merge(page: &mut BTreeMap<Place, DeadLetter>, source: Place, letter: DeadLetter) {
    match page.get_mut(&source) {
        Some(known) => *known = known.clone().merged(&letter),
        None => {
            page.insert(source, letter);
        }
    }
}

/// The topic refuses a letter whatever it says: an operator can mend that, and the stream waits.
fn stuck(error: Error) -> Error {
    if error.kind() == Kind::Invalid { Error { code: Code::Unavailable, ..error } } else { error }
}

/// A record as the topic holds it, for tests of the headers.
#[cfg(test)]
fn as_record(letter: &DeadLetter, group: &str) -> soma_core::log::Record {
    let place = Place { log: LogId::new("dlq"), partition: 0, offset: 0 };
    soma_core::log::Record { place, headers: headers::write(letter, group), ..letter.record.clone() }
}
