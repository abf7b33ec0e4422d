//! The schema in which everything lies, and the names that follow from it.
//!
//! Advisory locks and notification channels belong to a whole database. Their names contain the
//! schema's number, so that stores in different schemas never meet.

use soma_core::ids::{LogId, Partition};
use soma_core::store::ProjectorName;
use soma_core::thread::Thread;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One schema.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// The number that PostgreSQL gave it.
    pub(super) oid: u32,
    pub(super) name: String,
}

impl Schema {
    /// The channel on which commits are told.
    pub(super) fn channel(&self) -> String {
        format!("soma_{}", self.oid)
    }

    /// The lock under which the tables are made.
    pub(super) fn migration_lock(&self) -> i64 {
        self.key(&["migration"])
    }

    /// The lock under which a `rev` is drawn (shared) and the sequence raised (alone).
    pub(super) fn rev_lock(&self) -> i64 {
        self.key(&["rev"])
    }

    /// The lock that the open transaction of a partition holds.
    pub(super) fn partition_lock(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> i64 {
        self.key(&["partition", projector.as_str(), log.as_str(), &partition.to_string()])
    }

    /// The lock under which a partition changes hands.
    pub(super) fn claim_lock(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> i64 {
        self.key(&["claim", projector.as_str(), log.as_str(), &partition.to_string()])
    }

    /// The lock that stands for all threads: shared by those who lock some, alone for those who lock many.
    pub(super) fn threads_lock(&self) -> i64 {
        self.key(&["threads"])
    }

    /// The lock of one thread.
    pub(super) fn thread_lock(&self, thread: &Thread) -> i64 {
        self.key(&["thread", thread.namespace.as_str(), &thread.name])
    }

    /// 64 bits; parts cannot contain the separator.
    fn key(&self, parts: &[&str]) -> i64 {
        xxh3_64_with_seed(parts.join("\0").as_bytes(), self.oid.into()).cast_signed()
    }
}

/// How `pg_locks` shows an advisory lock of 64 bits: as its upper and its lower half.
#[expect(clippy::cast_possible_truncation, reason = "the halves of 64 bits")]
pub(super) const fn halves(key: i64) -> (u32, u32) {
    let bits = key.cast_unsigned();
    ((bits >> 32) as u32, bits as u32)
}
