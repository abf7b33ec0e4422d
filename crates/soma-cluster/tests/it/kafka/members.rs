//! Members of a group share partitions out, and every event is projected once whatever they do.

use std::sync::Arc;

use soma_cluster::kafka::group::{self, Commits, Options};
use soma_cluster::kafka::{Log, Settings, facts, topics};
use soma_core::error::{Code, Result};
use soma_core::ids::Partition;
use soma_core::log::EventLog;
use soma_core::projector::Worker;
use soma_core::store::Reading;
use soma_core::testing::Store;
use soma_core::testing::sample::{created, record};
use tokio_util::sync::CancellationToken;

use super::member::Member;
use super::world::{RealClock, Watcher, connect, mock, on, projector, real, topic, within};

async fn append(log: &Log, events: std::ops::Range<u64>) {
    let records = events.map(|n| record(&created(n, n, "text"))).collect();
    log.append(records).await.expect("the broker is there");
}

fn joined(settings: &Settings, log: &Arc<Log>, store: &Arc<Store>, watcher: &Arc<Watcher>) -> Member {
    Member::join(settings, projector(Arc::clone(log), Arc::clone(store) as _, Arc::clone(watcher)), watcher)
}

async fn members_come_and_go(settings: &Settings) {
    let log = connect(settings).await;
    let (store, watcher) = (Arc::new(Store::new()), Watcher::shared(&Commits::new()));
    append(&log, 0..200).await;
    let mut first = joined(settings, &log, &store, &watcher);
    first.works_on(4).await;
    within("projecting", watcher.reaches(&*log)).await;

    let mut second = joined(settings, &log, &store, &watcher);
    second.works_on(2).await;
    first.works_on(2).await;
    append(&log, 200..400).await;
    within("projecting", watcher.reaches(&*log)).await;

    let mut third = joined(settings, &log, &store, &watcher);
    third.works_on(1).await;
    first.leave().await.expect("it ends well");
    append(&log, 400..600).await;
    within("projecting", watcher.reaches(&*log)).await;

    third.crash().await;
    second.works_on(4).await;
    append(&log, 600..800).await;
    within("projecting", watcher.reaches(&*log)).await;
    second.leave().await.expect("it ends well");

    let counts = store.counts().await.expect("memory does not fail");
    assert_eq!((counts.memories, counts.events), (800, 800));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_every_event_is_projected_once() {
    let mock = mock();
    members_come_and_go(&topic(&mock, 4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_real_group_come_and_go_and_every_event_is_projected_once() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let settings = on(&bootstrap);
    super::topics::create(&settings, 4).await;
    members_come_and_go(&settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_get_a_worker() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let mut settings = on(&bootstrap);
    settings.extra.push(("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned()));
    super::topics::create(&settings, 1).await;
    let log = connect(&settings).await;
    let (store, watcher) = (Arc::new(Store::new()), Watcher::shared(&Commits::new()));
    append(&log, 0..20).await;
    let mut member = joined(&settings, &log, &store, &watcher);
    member.works_on(1).await;
    super::topics::grow(&settings, 3).await;
    member.works_on(3).await;
    append(&log, 20..200).await;
    assert_eq!(log.bounds().await.expect("the broker is there").len(), 3);
    within("projecting", watcher.reaches(&*log)).await;
    member.leave().await.expect("it ends well");
    assert_eq!(store.counts().await.expect("memory does not fail").events, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_worker_ends_the_run_with_its_error() {
    let mock = mock();
    let settings = topic(&mock, 2);
    let log = connect(&settings).await;
    let (store, watcher) = (Arc::new(Store::new()), Watcher::shared(&Commits::new()));
    append(&log, 0..20).await;
    let mut member = joined(&settings, &log, &store, &watcher);
    member.works_on(2).await;
    within("projecting", watcher.reaches(&*log)).await;
    member.leave().await.expect("it ends well");

    // The same log by name, recreated: it ends before the position.
    let other = super::world::mock();
    let mut recreated = topic(&other, 2);
    recreated.topic.clone_from(&settings.topic);
    other.create_topic(&recreated.topic, 2, 1).expect("the topic is made");
    let renamed = Renamed::of(&log, connect(&recreated).await);
    let options = Options::new(RealClock::shared());
    let mut projector = projector(log, store, watcher);
    projector.log = Arc::new(renamed);
    let worker = move |partition| Worker::new(projector.clone(), partition);
    let ended = within("halting", group::run(&recreated, worker, options, CancellationToken::new())).await;
    assert_eq!(ended.expect_err("the log is another one").code, Code::LogReplaced);
}

/// A log that claims another one's name.
struct Renamed {
    id: soma_core::ids::LogId,
    log: Arc<Log>,
}

impl Renamed {
    fn of(named: &Log, log: Arc<Log>) -> Self {
        Self { id: named.id().clone(), log }
    }
}

#[async_trait::async_trait]
impl EventLog for Renamed {
    fn id(&self) -> &soma_core::ids::LogId {
        &self.id
    }

    async fn append(&self, records: Vec<soma_core::log::NewRecord>) -> Result<Vec<soma_core::log::Appended>> {
        self.log.append(records).await
    }

    async fn read(
        &self,
        partition: Partition,
        from: soma_core::ids::Offset,
        limit: soma_core::log::ReadLimit,
    ) -> Result<Vec<soma_core::log::Record>> {
        self.log.read(partition, from, limit).await
    }

    fn forget_ahead(&self, partition: Partition) {
        self.log.forget_ahead(partition);
    }

    async fn bounds(&self) -> Result<Vec<soma_core::log::Bounds>> {
        self.log.bounds().await
    }

    async fn wait(&self, partition: Partition, from: soma_core::ids::Offset) -> Result<()> {
        self.log.wait(partition, from).await
    }

    async fn erase(
        &self,
        partition: Partition,
        items: &[(soma_core::ids::MemoryId, soma_core::log::Erasure)],
    ) -> Result<()> {
        self.log.erase(partition, items).await
    }

    async fn find(&self, event_id: soma_core::ids::EventId) -> Result<Option<soma_core::log::Record>> {
        self.log.find(event_id).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_group_shows_the_lag_and_refuses_to_be_shared_where_it_must_not_be() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let settings = on(&bootstrap);
    let clock = RealClock::shared();
    topics::ensure(&settings, &clock).await.expect("topics can be made");
    let log = connect(&settings).await;
    let (store, watcher) = (Arc::new(Store::new()), Watcher::shared(&Commits::new()));
    append(&log, 0..100).await;
    let before = facts::facts(&settings, &clock).await.expect("the cluster is there");
    assert_eq!(before.group.expect("the group can be read").lag(), 100);

    let mut member = joined(&settings, &log, &store, &watcher);
    member.works_on(3).await;
    within("projecting", watcher.reaches(&*log)).await;
    let projector = projector(Arc::clone(&log), store, Watcher::shared(&Commits::new()));
    let worker = move |partition| Worker::new(projector.clone(), partition);
    let refused = group::run_all(&settings, worker, Options::new(Arc::clone(&clock)), CancellationToken::new());
    assert_eq!(within("refusing", refused).await.expect_err("the group is shared").code, Code::InUse);
    member.leave().await.expect("it ends well");

    let after = facts::facts(&settings, &clock).await.expect("the cluster is there");
    let group = after.group.expect("the group can be read");
    assert_eq!((group.lag(), group.members.len()), (0, 0));
}
