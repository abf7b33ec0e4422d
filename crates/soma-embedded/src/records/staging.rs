//! The projector's side: claims, and record transactions.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use soma_core::error::Result;
use soma_core::fold::{Change, Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Timestamp};
use soma_core::store::{Advance, Claim, Claimed, Loaded, Mending, Projecting, ProjectorName, Staging};
use soma_core::thread::{Thread, TurnKey};

use super::apply::{self, Plan};
use super::writer::{Session, blocking, drop_aside};
use super::{Records, count, load, position, thread};

#[async_trait]
impl Projecting for Records {
    async fn claim(
        &self,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Claimed> {
        self.shared.writer.claim(projector, log, partition, now).await
    }

    async fn begin(&self, claim: &Claim) -> Result<Box<dyn Staging>> {
        let session = self.shared.writer.begin(claim).await?;
        Ok(Box::new(Open { session: Some(session) }))
    }

    async fn mend(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> Result<Mending> {
        let (session, standing) = self.shared.writer.mend(projector, log, partition).await?;
        let staging = Box::new(Open { session: Some(session) });
        Ok(Mending { staging, next: standing.next, last: standing.last })
    }

    async fn mark_indexed(&self, claim: &Claim, indexed: Offset) -> Result<()> {
        self.shared.writer.mark_indexed(claim, indexed).await
    }

    async fn forget_indexed(&self, projector: &ProjectorName) -> Result<()> {
        let projector = projector.clone();
        let forget = move |pen: &mut super::writer::Pen, database: &crate::sqlite::Database| {
            position::forget_indexed(database, &pen.connection, &projector)
        };
        self.shared.writer.run(forget).await
    }
}

/// An open record transaction; dropping it rolls back, aside.
struct Open {
    /// `None` only while a commit consumes it.
    session: Option<Arc<Session>>,
}

impl Open {
    fn session(&self) -> &Arc<Session> {
        self.session.as_ref().expect("only a commit takes the session, and it consumes the transaction")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            drop_aside(Ending(session));
        }
    }
}

/// Ends the transaction when dropped, after what runs in it.
struct Ending(Arc<Session>);

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

#[async_trait]
impl Staging for Open {
    async fn load(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<Loaded> {
        let (ids, events) = (ids.to_vec(), events.to_vec());
        let load = self
            .session()
            .run(move |transaction, _| load::load(transaction.database(), &transaction.pen.connection, &ids, &events));
        load.await
    }

    async fn entries(&mut self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Entry>>> {
        let ids = ids.to_vec();
        let load = self.session().run(move |transaction, _| {
            let mut all = HashMap::with_capacity(ids.len());
            for id in ids {
                let entries = load::entries(transaction.database(), &transaction.pen.connection, id)?;
                if !entries.is_empty() {
                    all.insert(id, entries);
                }
            }
            Ok(all)
        });
        load.await
    }

    /// Whoever has the transaction writes alone.
    async fn lock_threads(&mut self, _threads: &[Thread]) -> Result<()> {
        Ok(())
    }

    async fn turns(&mut self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        let (thread, around) = (thread.clone(), around.to_vec());
        let read = self.session().run(move |transaction, _| {
            thread::turns(transaction.database(), &transaction.pen.connection, &thread, &around, reach)
        });
        read.await
    }

    async fn note_rewritten(&mut self, ids: &[MemoryId], next: Offset) -> Result<()> {
        let ids = ids.to_vec();
        let note = self.session().run(move |transaction, claim| {
            position::note_rewritten(transaction.database(), &transaction.pen.connection, claim, (&ids, next))
        });
        note.await
    }

    async fn stage(&mut self, changes: &[Change]) -> Result<u64> {
        // Spelled here, so that no content is copied for the other thread.
        let plans: Vec<Plan> = changes.iter().map(Plan::new).collect::<Result<_>>()?;
        self.session().run(move |transaction, _| apply::stage(transaction, &plans)).await
    }

    async fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<()> {
        let (ids, events) = (ids.to_vec(), events.to_vec());
        self.session().run(move |transaction, _| apply::discard(transaction, &ids, &events)).await
    }

    async fn recount(&mut self) -> Result<()> {
        let recount = self
            .session()
            .run(move |transaction, _| count::recount(transaction.database(), &transaction.pen.connection));
        recount.await
    }

    async fn commit(mut self: Box<Self>, advance: Advance) -> Result<()> {
        let session = Arc::clone(self.session());
        session
            .run(move |transaction, claim| {
                position::advance(transaction.database(), &transaction.pen.connection, claim, &advance)
            })
            .await?;
        self.session = None;
        blocking(move || {
            let transaction = session.take().ok_or_else(|| position::fenced(&session.claim))?;
            transaction.commit(&session.claim, advance.next)
        })
        .await
    }
}
