//! The next batch, read, decoded and embedded while the stores take the one before.
//!
//! With a backlog the projector waits for the stores most of the time, and the stores for the
//! embedder the rest of it. So a full batch lets the next one be made ready beside it.
//!
//! What is made here is a guess: a vector is kept with the payload that it stands for, and a state that
//! shows another payload is embedded when it is planned. Dropping all of it loses nothing, so a failure
//! here is not reported: the next step meets it again.

use super::Projector;
use super::letters::{self, Decoded};
use super::points::{EMBED_CHUNK, Embedded, own_vector};
use crate::error::Result;
use crate::event::EventType;
use crate::fold::Entry;
use crate::ids::{Offset, Partition};
use crate::log::{ReadLimit, Record};

/// Records to apply together, and what was made of them beforehand.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// `None` when nobody has read them yet.
    pub(super) decoded: Option<Decoded>,
    pub(super) embedded: Embedded,
}

impl Batch {
    /// Nothing was made beforehand.
    pub(super) fn of(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }
}

/// A batch that has been read.
pub(super) struct Ahead {
    from: Offset,
    batch: Batch,
}

impl Ahead {
    /// Reads the batch at `from`, and embeds what it may bring. `None` when there is none, or not yet.
    pub(super) async fn prepare(
        projector: &Projector,
        partition: Partition,
        from: Offset,
        limit: ReadLimit,
    ) -> Option<Self> {
        let records = projector.log.read(partition, from, limit).await.ok()?;
        if records.is_empty() {
            return None;
        }
        let decoded = letters::decode(projector, &records).await.ok();
        let embedded = match (&projector.index, &decoded) {
            (Some(_), Some(decoded)) => embed(projector, &decoded.entries).await.unwrap_or_default(),
            (_, _) => Embedded::default(),
        };
        Some(Self { from, batch: Batch { records, decoded, embedded } })
    }

    /// The batch, if it is the one that starts at `from` and keeps the limit.
    pub(super) fn batch(self, from: Offset, limit: ReadLimit) -> Option<Batch> {
        (self.from == from && self.batch.records.len() <= limit.records).then_some(self.batch)
    }
}

async fn embed(projector: &Projector, entries: &[Entry]) -> Result<Embedded> {
    let live = entries.iter().map(|entry| &entry.event).filter(|event| event.kind != EventType::Deleted);
    let live = live.filter_map(|event| Some((event, event.content.as_ref()?)));
    let ours: Vec<_> =
        live.filter(|(_, content)| own_vector(content, projector.embedder.identity()).is_none()).collect();
    let mut embedded = Embedded::default();
    for chunk in ours.chunks(EMBED_CHUNK) {
        let payloads: Vec<_> = chunk.iter().map(|(_, content)| &content.payload).collect();
        let vectors = projector.embedder.documents(&payloads).await?;
        for ((event, content), vector) in chunk.iter().zip(vectors) {
            embedded.keep(event, &content.payload, vector, projector.embedder.language());
        }
        tokio::task::yield_now().await;
    }
    Ok(embedded)
}
