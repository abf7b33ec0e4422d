//! The servers alone, window by window: the same kind of events as in the topic, ready as each part takes
//! them, in batches as large as the consumer's.

use std::sync::Arc;

use serde_json::Value;
use soma_core::error::Code;
use soma_core::event::{Event, codec};
use soma_core::ids::{LogId, Place};
use soma_core::index::Point;
use soma_core::log::Record;
use soma_core::{Error, Result, limits};
use tokio::task::JoinSet;

use super::super::batches::per_second;
use super::super::lab::point;
use super::super::stats::timed;
use super::figures::Found;
use super::process::cpu;
use super::site::{self, Site};
use crate::wiring::servers::{Points, Prepared, Row, Table};

/// Batches of each loop in one window at most.
const BATCHES_MAX: u64 = 4;
/// Windows at least and at most.
const ROUNDS: std::ops::RangeInclusive<u64> = 2..=20;
/// Single events that are measured.
const SINGLES: usize = 200;

/// The windows that stand beside a backlog: together they hold about as many events, within bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Loops at once.
    loops: usize,
    /// Batches of each loop in one window.
    batches: usize,
    /// How many windows.
    pub(super) rounds: u64,
}

impl Shape {
    /// Beside so many events in so many partitions.
    pub(super) fn beside(events: u64, partitions: u16) -> Self {
        let batch = u64::from(partitions) * limits::BATCH_EVENTS as u64;
        let batches = (events / batch / ROUNDS.start()).clamp(1, BATCHES_MAX);
        let rounds = (events / batch / batches).clamp(*ROUNDS.start(), *ROUNDS.end());
        Self { loops: partitions.into(), batches: usize::try_from(batches).unwrap_or(1), rounds }
    }

    const fn events(self) -> usize {
        self.loops * self.batches * limits::BATCH_EVENTS
    }
}

/// The rooms of what is compared with, all of them plain.
const ONE: &str = "one";
const LOOPS: &str = "loops";
const TABLE: &str = "table";
const INDEX: &str = "index";

/// Both stores of one room.
struct Stores {
    table: Table,
    points: Points,
}

/// The servers alone.
pub(super) struct Windows {
    /// Taken by one loop.
    one: Arc<Stores>,
    /// Taken by as many loops as there are partitions.
    loops: Arc<Stores>,
    table: Table,
    index: Points,
    shape: Shape,
    /// Counts as a log would.
    offset: u64,
}

/// What one loop writes: batches of rows, and of points of the same events.
type Batches = Vec<(Vec<Row>, Vec<Point>)>;

impl Windows {
    /// Makes the rooms.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn make(site: &mut Site, shape: Shape) -> Result<Self> {
        for room in [ONE, LOOPS, TABLE, INDEX] {
            site.enter(room);
        }
        let (servers, identity) = (&site.servers, site.embedder.identity());
        site.runtime.block_on(async {
            let (one, loops) = (servers.table(ONE).await?, servers.table(LOOPS).await?);
            Ok(Self {
                one: Arc::new(Stores { table: one, points: servers.points(ONE, identity).await? }),
                loops: Arc::new(Stores { table: loops, points: servers.points(LOOPS, identity).await? }),
                table: servers.table(TABLE).await?,
                index: servers.points(INDEX, identity).await?,
                shape,
                offset: 0,
            })
        })
    }

    /// Removes the rooms.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn remove(self, site: &mut Site) -> Result<()> {
        drop(self);
        [ONE, LOOPS, TABLE, INDEX].into_iter().try_for_each(|room| site.leave(room))
    }

    /// Measures so many windows.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn measure(&mut self, site: &mut Site, rounds: u64, found: &mut Found) -> Result<()> {
        (0..rounds).try_for_each(|_| self.window(site, found))
    }

    fn window(&mut self, site: &mut Site, found: &mut Found) -> Result<()> {
        let count = self.shape.events();
        let events = site.events(count)?;
        self.reading(site, &events, found)?;
        let clock = Arc::clone(&site.clock);
        let (making, points) = timed(clock.as_ref(), || self.points(site, &events))?;
        found.vectors.push(per_second(count, making));
        let rows: Vec<Row> = events.iter().map(|event| self.row(event)).collect();
        let batches: Batches = rows
            .chunks(limits::BATCH_EVENTS)
            .zip(points.chunks(limits::BATCH_EVENTS))
            .map(|(rows, points)| (rows.to_vec(), points.to_vec()))
            .collect();
        let prepared = || -> Vec<Prepared> { batches.iter().map(|(_, points)| Prepared::of(points)).collect() };

        let ready = prepared();
        let before = cpu("self")?;
        let (ms, ()) = timed(clock.as_ref(), || site.runtime.block_on(self.one.write(&batches, ready)))?;
        found.one.push(per_second(count, ms));
        found.one_cpu.push((cpu("self")? - before) * 1e3 / count as f64);

        let ready = prepared();
        let (ms, ()) = timed(clock.as_ref(), || site.runtime.block_on(self.all_loops(batches.clone(), ready)))?;
        found.loops.push(per_second(count, ms));

        let table = async {
            for (rows, _) in &batches {
                self.table.write(rows).await?;
            }
            Ok(())
        };
        let (ms, ()) = timed(clock.as_ref(), || site.runtime.block_on(table))?;
        found.table.push(per_second(count, ms));

        let ready = prepared();
        let index = async {
            for points in ready {
                self.index.upsert(points).await?;
            }
            Ok(())
        };
        let (ms, ()) = timed(clock.as_ref(), || site.runtime.block_on(index))?;
        found.index.push(per_second(count, ms));
        Ok(())
    }

    /// Decoding on one core, and parsing the same bytes without judging them.
    fn reading(&self, site: &Site, events: &[Event], found: &mut Found) -> Result<()> {
        let log = LogId::new("bench/bench#1");
        let records: Vec<Record> = (0..).zip(events).map(|(offset, event)| read_back(&log, offset, event)).collect();
        let clock = site.clock.as_ref();
        let max = site.config.events.value_bytes_max;
        let (ms, ()) = timed(clock, || {
            records.iter().try_for_each(|record| codec::decode(record, max).map(drop).map_err(|refused| refused.error))
        })?;
        found.decode.push(per_second(records.len(), ms));
        let unread = |error| Error::new(Code::Internal, "an event of ours is no JSON").because(error);
        let (ms, ()) = timed(clock, || {
            let values = records.iter().filter_map(|record| record.value.as_deref());
            values.map(serde_json::from_slice::<Value>).try_for_each(|value| value.map(drop).map_err(unread))
        })?;
        found.parse.push(per_second(records.len(), ms));
        Ok(())
    }

    fn points(&self, site: &Site, events: &[Event]) -> Result<Vec<Point>> {
        let contents: Vec<_> = events.iter().filter_map(|event| Some((event, event.content.as_ref()?))).collect();
        let payloads: Vec<&Value> = contents.iter().map(|(_, content)| &content.payload).collect();
        let vectors = site.runtime.block_on(site.embedder.documents(&payloads))?;
        let points = contents.into_iter().zip(vectors).filter_map(|((event, content), dense)| {
            Some(point(event, event.namespace.clone()?, &content.payload, dense))
        });
        Ok(points.collect())
    }

    fn row(&mut self, event: &Event) -> Row {
        self.offset += 1;
        Row {
            id: event.id,
            event_id: event.event_id,
            namespace: event.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
            timestamp: event.timestamp,
            offset: self.offset,
            payload: event.content.as_ref().map(|content| content.payload.to_string()).unwrap_or_default(),
        }
    }

    /// Every loop takes its share of the batches.
    async fn all_loops(&self, batches: Batches, ready: Vec<Prepared>) -> Result<()> {
        let mut shares: Vec<(Batches, Vec<Prepared>)> = (0..self.shape.loops).map(|_| Default::default()).collect();
        for (number, (batch, points)) in batches.into_iter().zip(ready).enumerate() {
            let share = &mut shares[number % self.shape.loops];
            share.0.push(batch);
            share.1.push(points);
        }
        let mut going = JoinSet::new();
        for (batches, ready) in shares {
            let stores = Arc::clone(&self.loops);
            going.spawn(async move { stores.write(&batches, ready).await });
        }
        while let Some(gone) = going.join_next().await {
            gone.map_err(super::steady::lost)??;
        }
        Ok(())
    }

    /// Milliseconds of single events, one after the other into both stores.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn singles(&mut self, site: &mut Site, found: &mut Found) -> Result<()> {
        let events = site.events(SINGLES)?;
        let points = self.points(site, &events)?;
        let clock = Arc::clone(&site.clock);
        for (event, point) in events.iter().zip(points) {
            let batch = [(vec![self.row(event)], Vec::new())];
            let ready = vec![Prepared::of(&[point])];
            let (ms, ()) = timed(clock.as_ref(), || site.runtime.block_on(self.one.write(&batch, ready)))?;
            found.single.push(ms);
        }
        Ok(())
    }
}

impl Stores {
    /// Batch after batch, the rows first.
    async fn write(&self, batches: &[(Vec<Row>, Vec<Point>)], ready: Vec<Prepared>) -> Result<()> {
        for ((rows, _), points) in batches.iter().zip(ready) {
            self.table.write(rows).await?;
            self.points.upsert(points).await?;
        }
        Ok(())
    }
}

/// An event as a reader of the log gets it.
fn read_back(log: &LogId, offset: u64, event: &Event) -> Record {
    let written = site::record(event);
    Record {
        place: Place { log: log.clone(), partition: 0, offset },
        timestamp: event.timestamp,
        key: written.key,
        value: written.value,
        headers: written.headers,
    }
}
