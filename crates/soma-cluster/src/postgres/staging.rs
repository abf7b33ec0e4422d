//! The projector's side: claims, and record transactions.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use soma_core::error::{Code, Error, Result};
use soma_core::fold::{Change, Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Timestamp};
use soma_core::store::{Advance, Claim, Claimed, Loaded, Mending, Projecting, ProjectorName, Staging};
use soma_core::thread::{Thread, TurnKey};

use super::apply::{self, Before, Befores};
use super::link::{Failure, Lease};
use super::progress::{self, Moved};
use super::{Records, Shared, count, load, position, thread};

#[async_trait]
impl Projecting for Records {
    async fn claim(
        &self,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Claimed> {
        let lease = self.shared.link.reader().await?;
        Ok(position::claim(&lease, &self.shared.schema, (projector, log, partition), now).await?)
    }

    async fn begin(&self, claim: &Claim) -> Result<Box<dyn Staging>> {
        let lease = self.shared.link.writer().await?;
        let begun = position::begin(&lease, &self.shared.schema, claim).await;
        let mut open = Open {
            shared: Arc::clone(&self.shared),
            claim: claim.clone(),
            lease: Some(lease),
            befores: HashMap::new(),
            fenced: false,
        };
        open.settle(begun).await?;
        Ok(Box::new(open))
    }

    async fn mend(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> Result<Mending> {
        let lease = self.shared.link.writer().await?;
        let standing = match position::mend(&lease, &self.shared.schema, (projector, log, partition)).await {
            Ok(standing) => standing,
            Err(failure) => {
                lease.close();
                return Err(failure.into());
            }
        };
        let shared = Arc::clone(&self.shared);
        let open = Open { shared, claim: standing.claim, lease: Some(lease), befores: HashMap::new(), fenced: false };
        Ok(Mending { staging: Box::new(open), next: standing.next, last: standing.last })
    }

    async fn mark_indexed(&self, claim: &Claim, indexed: Offset) -> Result<()> {
        let lease = self.shared.link.reader().await?;
        Ok(position::mark_indexed(&lease, claim, indexed).await?)
    }

    async fn forget_indexed(&self, projector: &ProjectorName) -> Result<()> {
        let lease = self.shared.link.reader().await?;
        Ok(position::forget_indexed(&lease, projector).await?)
    }
}

/// An open record transaction; dropping it rolls back.
struct Open {
    shared: Arc<Shared>,
    claim: Claim,
    /// `None` once an error has ended it.
    lease: Option<Lease>,
    befores: Befores,
    /// Whether a successor has ended it.
    fenced: bool,
}

impl Open {
    fn lease(&self) -> Result<&Lease> {
        self.lease.as_ref().ok_or_else(|| {
            if self.fenced {
                position::fenced(&self.claim)
            } else {
                Error::new(Code::Unavailable, "the record transaction has ended with an error").remedy("begin another")
            }
        })
    }

    /// An error ends the transaction and its connection; one that a successor caused says so.
    async fn settle<T>(&mut self, result: std::result::Result<T, Failure>) -> Result<T> {
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if let Some(lease) = self.lease.take() {
            lease.close();
        }
        self.fenced = failure.error.code == Code::Fenced || (failure.lost && self.is_replaced().await);
        Err(if self.fenced { position::fenced(&self.claim) } else { failure.error })
    }

    /// Whether the partition is known to have another owner.
    async fn is_replaced(&self) -> bool {
        let Ok(lease) = self.shared.link.reader().await else { return false };
        matches!(position::is_kept(&lease, &self.shared.schema, &self.claim).await, Ok(false))
    }
}

#[async_trait]
impl Staging for Open {
    async fn load(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<Loaded> {
        let loaded = load::load(self.lease()?, ids, events).await;
        let loaded = self.settle(loaded).await?;
        let before = |id| loaded.states.get(id).map(|state| Before::of(state, state.rev));
        self.befores.extend(ids.iter().map(|id| (*id, before(id))));
        Ok(loaded)
    }

    async fn entries(&mut self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Entry>>> {
        let entries = load::entries(self.lease()?, ids).await;
        self.settle(entries).await
    }

    async fn lock_threads(&mut self, threads: &[Thread]) -> Result<()> {
        let locked = thread::lock(self.lease()?, &self.shared.schema, threads).await;
        self.settle(locked).await
    }

    async fn turns(&mut self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        let turns = thread::turns(self.lease()?, thread, around, reach).await;
        self.settle(turns).await
    }

    async fn note_rewritten(&mut self, ids: &[MemoryId], next: Offset) -> Result<()> {
        let noted = position::note_rewritten(self.lease()?, &self.claim, ids, next).await;
        self.settle(noted).await
    }

    async fn stage(&mut self, changes: &[Change]) -> Result<u64> {
        let mut befores = std::mem::take(&mut self.befores);
        let staged = apply::stage(self.lease()?, &self.shared.schema, &self.claim, changes, &mut befores).await;
        self.befores = befores;
        self.settle(staged).await
    }

    async fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<()> {
        let discarded = count::discard(self.lease()?, &self.claim, ids, events).await;
        self.settle(discarded).await?;
        self.befores.extend(ids.iter().map(|id| (*id, None)));
        Ok(())
    }

    async fn recount(&mut self) -> Result<()> {
        let recounted = count::recount(self.lease()?, &self.claim).await;
        self.settle(recounted).await
    }

    async fn commit(mut self: Box<Self>, advance: Advance) -> Result<()> {
        let Claim { projector, log, partition, .. } = &self.claim;
        let moved = Moved { key: (projector.clone(), log.clone(), *partition), next: advance.next };
        let (channel, text) = (self.shared.schema.channel(), progress::notice(&moved));
        let lease = self.lease()?;
        let committed = async {
            position::advance(lease, &self.claim, &advance, (&channel, &text)).await?;
            lease.commit("commit").await
        };
        let committed = committed.await;
        self.settle(committed).await?;
        self.shared.board.moved(moved);
        Ok(())
    }
}
