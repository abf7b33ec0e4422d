//! One member of a group: a process, but for its memory.

use std::sync::Arc;
use std::time::Duration;

use soma_cluster::kafka::Settings;
use soma_cluster::kafka::group::{self, Change, Options};
use soma_core::error::Result;
use soma_core::ids::Partition;
use soma_core::projector::{Projector, Worker};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::world::{RealClock, Watcher, within};

pub(super) struct Member {
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
    running: watch::Receiver<Vec<Partition>>,
}

impl Member {
    pub(super) fn join(settings: &Settings, projector: Projector, watcher: &Arc<Watcher>) -> Self {
        let (told, running) = watch::channel(Vec::new());
        let on_change = Arc::new(move |change| match change {
            Change::Rebalanced { running } => drop(told.send_replace(running)),
            Change::Trouble(_) => {}
        });
        let commits = watcher.commits.clone();
        let options =
            Options { commits, on_change, drain: Duration::from_secs(5), ..Options::new(RealClock::shared()) };
        let (settings, stop) = (settings.clone(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        let worker = move |partition| Worker::new(projector.clone(), partition);
        tasks.spawn(async move { group::run(&settings, worker, options, token).await });
        Self { tasks, stop, running }
    }

    /// Returns when this member works on so many partitions.
    pub(super) async fn works_on(&mut self, partitions: usize) {
        let there = self.running.wait_for(|running| running.len() == partitions);
        within("the rebalance", there).await.expect("the member lives");
    }

    /// What it ends with, by itself.
    pub(super) async fn ends(mut self) -> Result<()> {
        within("an end", self.tasks.join_next()).await.expect("it runs").expect("it does not panic")
    }

    pub(super) async fn leave(self) -> Result<()> {
        self.stop.cancel();
        self.ends().await
    }

    /// As a process that is killed, but that its client says goodbye.
    pub(super) async fn crash(mut self) {
        self.tasks.shutdown().await;
    }
}
