//! How events get into the stores from this process: through the journal's one partition, through the
//! partitions that a group gives it, through all of them, or not at all.

use std::sync::Arc;

use soma_core::ids::Partition;
use soma_core::projector::{Projector, Worker};
use soma_core::pulse::Pulses;
use soma_core::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::cluster::{self, Membership};
use super::{Role, Transport};
use crate::config::Config;

/// What becomes of this process in its group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// It has these partitions.
    Shares(&'a [Partition]),
    /// It is not let into the group.
    Denied(&'a Error),
}

/// Told of every such change.
pub(crate) type Changes = Arc<dyn Fn(Change<'_>) + Send + Sync>;

/// How events get into the stores from here.
pub(crate) struct Projecting {
    plan: Plan,
    pulses: Pulses,
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
    One(Box<Worker>, Pulses),
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
    pub(super) fn of(config: &Config, role: Role, transport: Transport, projector: Projector, pulses: Pulses) -> Self {
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
                Plan::Shared(Box::new(Shared {
                    projector,
                    membership: cluster::membership(&kafka, alone, pulses.clone()),
                }))
            }
            (Transport::Kafka | Transport::Journal, _, _) => Plan::Elsewhere,
        };
        Self { plan, pulses }
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
                Ok(Begun::One(Box::new(worker), self.pulses.clone()))
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
            Self::One(worker, pulses) => {
                changes(Change::Shares(&[0]));
                pulses.begin("projecting the journal").keep(worker.run(stop)).await
            }
            Self::Shared(shared) => shared.membership.run(shared.projector, changes, stop).await,
        }
    }
}
