//! How events get into the stores from this process: through the journal's one partition, through the
//! partitions that a group gives it, through all of them, or not at all.

use std::sync::Arc;

use soma_core::Result;
use soma_core::ids::Partition;
use soma_core::projector::{Projector, Worker};
use tokio_util::sync::CancellationToken;

use super::cluster::{self, Membership};
use super::{Role, Transport};
use crate::config::Config;

/// Told whenever the partitions of this process change.
pub(crate) type Changes = Arc<dyn Fn(&[Partition]) + Send + Sync>;

/// How events get into the stores from here.
pub(crate) struct Projecting {
    plan: Plan,
}

enum Plan {
    /// Another process does it.
    Elsewhere,
    /// The journal's one partition.
    Journal(Box<Projector>),
    /// The partitions that the group gives.
    Shared(Box<Shared>),
}

/// What runs until it is told to stop.
pub(crate) enum Begun {
    /// Nothing: another process does it.
    Nothing,
    /// One partition, taken.
    One(Box<Worker>),
    /// Those that the group will give.
    Shared(Box<Shared>),
}

/// A projector, and how it gets its partitions.
#[derive(Clone)]
pub(crate) struct Shared {
    projector: Projector,
    membership: Membership,
}

impl Projecting {
    pub(super) fn of(config: &Config, role: Role, transport: Transport, projector: Projector) -> Self {
        let plan = match (transport, role, &config.kafka) {
            // Eventing is off: whoever keeps a journal moves its events too.
            (Transport::Journal, Role::Up | Role::Api | Role::Command, _) => Plan::Journal(Box::new(projector)),
            (Transport::Kafka, Role::Up | Role::Consumer | Role::Records, Some(kafka)) => {
                let alone = role == Role::Up && (config.postgres.is_none() || config.qdrant.is_none());
                let mut kafka = kafka.clone();
                if role == Role::Records {
                    // In one group with other projectors it would take partitions from them.
                    kafka.group.push_str("-records");
                }
                Plan::Shared(Box::new(Shared { projector, membership: cluster::membership(&kafka, alone) }))
            }
            (Transport::Kafka | Transport::Journal, _, _) => Plan::Elsewhere,
        };
        Self { plan }
    }

    /// Takes the journal's partition: until then the index may lack what the records hold. The partitions
    /// of a topic are taken one by one as the group gives them.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(crate) async fn begin(&self) -> Result<Begun> {
        match &self.plan {
            Plan::Elsewhere => Ok(Begun::Nothing),
            Plan::Shared(shared) => Ok(Begun::Shared(shared.clone())),
            Plan::Journal(projector) => {
                let mut worker = Worker::new(Projector::clone(projector), 0);
                worker.take().await?;
                Ok(Begun::One(Box::new(worker)))
            }
        }
    }
}

impl Begun {
    /// Whether there is anything to run.
    pub(crate) fn is_something(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Moves events into the stores until `stop`.
    ///
    /// # Errors
    /// What halted it; an operator has to decide.
    pub(crate) async fn run(self, changes: Changes, stop: CancellationToken) -> Result<()> {
        match self {
            Self::Nothing => {
                stop.cancelled().await;
                Ok(())
            }
            Self::One(worker) => {
                changes(&[0]);
                worker.run(stop).await
            }
            Self::Shared(shared) => shared.membership.run(shared.projector, changes, stop).await,
        }
    }
}
