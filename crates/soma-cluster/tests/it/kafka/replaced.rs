//! A topic that is not the one it was: projectors halt, say what to do, and pass nothing over in silence.

use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminOptions;
use rdkafka::topic_partition_list::Offset as At;
use soma_cluster::kafka::group::Commits;
use soma_cluster::kafka::{Log, Settings, base_name};
use soma_cluster::postgres::Records;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error};
use soma_core::ids::Offset;
use soma_core::log::{EventLog, ReadLimit};
use soma_core::store::Reading;
use soma_core::testing::sample::{created, memory_id, record};

use super::member::Member;
use super::topics::{admin, create, delete};
use super::world::{RealClock, Watcher, on, projector, real, within};
use crate::postgres::{Schema, schema};

/// A topic and the records that are made of it; both on real servers.
struct World {
    settings: Settings,
    clock: Arc<dyn Clock>,
    records: Arc<Records>,
    base: String,
    _schema: Schema,
}

impl World {
    async fn begin(partitions: i32) -> Option<Self> {
        let (bootstrap, schema) = (real("SOMA_TEST_KAFKA")?, schema().await?);
        let mut settings = on(&bootstrap);
        settings.extra.push(("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned()));
        create(&settings, partitions).await;
        let clock = RealClock::shared();
        let records = Arc::new(schema.open_on(Arc::clone(&clock)).await);
        let base = base_name(&settings, &clock).await.expect("the cluster is there");
        Some(Self { settings, clock, records, base, _schema: schema })
    }

    /// The log under the name that the records know, as a process that starts opens it.
    async fn log(&self) -> Arc<Log> {
        let generation = self.records.generation(&self.base).await.expect("the server is there");
        Log::connect(&self.settings, generation, &self.clock).await.expect("the cluster is there")
    }

    fn join(&self, log: &Arc<Log>) -> (Member, Arc<Watcher>) {
        let watcher = Watcher::shared(&Commits::new());
        let projector = projector(Arc::clone(log), Arc::clone(&self.records) as _, Arc::clone(&watcher));
        (Member::join(&self.settings, projector, &watcher), watcher)
    }

    /// Projects all that the log holds, and leaves.
    async fn project(&self, log: &Arc<Log>) {
        let (member, watcher) = self.join(log);
        within("projecting", watcher.reaches(&**log)).await;
        member.leave().await.expect("it ends well");
    }

    async fn events(&self) -> u64 {
        self.records.counts().await.expect("the server is there").events
    }

    /// Whether the memory of that number is there.
    async fn has(&self, number: u64) -> bool {
        !self.records.states(&[memory_id(number)]).await.expect("the server is there").is_empty()
    }

    async fn renew(&self) -> u64 {
        self.records.renew(&self.base).await.expect("the server is there")
    }

    /// Has the broker drop what lies below, as retention does.
    async fn drop_below(&self, offset: Offset) {
        let mut list = TopicPartitionList::new();
        let at = At::Offset(i64::try_from(offset).expect("a small number"));
        list.add_partition_offset(&self.settings.topic, 0, at).expect("there is a partition");
        admin(&self.settings).delete_records(&list, &AdminOptions::new()).await.expect("records can be deleted");
    }
}

async fn append(log: &Log, events: std::ops::Range<u64>) {
    let records = events.map(|n| record(&created(n, n, "text"))).collect();
    log.append(records).await.expect("the broker is there");
}

async fn halts(member: Member) -> Error {
    let error = member.ends().await.expect_err("the log is another one");
    assert_eq!(error.code, Code::LogReplaced, "{error}");
    assert!(error.to_string().contains("soma log renew"), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_and_made_anew_halts_its_projectors_until_the_log_is_renewed() {
    let Some(world) = World::begin(2).await else { return };
    let log = world.log().await;
    append(&log, 0..60).await;
    let (mut member, watcher) = world.join(&log);
    member.works_on(2).await;
    within("projecting", watcher.reaches(&*log)).await;

    delete(&world.settings).await;
    create(&world.settings, 2).await;
    halts(member).await;

    // However long the new one is: a start does not take it for the old one.
    let log = world.log().await;
    append(&log, 1_000..1_400).await;
    for _ in 0..2 {
        halts(world.join(&log).0).await;
        assert_eq!(world.events().await, 60, "nothing of the new topic is applied as if it went on");
    }

    assert_eq!(world.renew().await, 2);
    let log = world.log().await;
    world.project(&log).await;
    assert_eq!(world.events().await, 460, "nothing of the new topic is passed over");
    append(&log, 2_000..2_050).await;
    world.project(&log).await;
    let counts = world.records.counts().await.expect("the server is there");
    assert_eq!((counts.events, counts.memories), (510, 510));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_has_grown_beyond_the_old_one_while_it_is_read_is_noticed() {
    let Some(world) = World::begin(1).await else { return };
    let log = world.log().await;
    append(&log, 0..60).await;
    let (mut member, watcher) = world.join(&log);
    member.works_on(1).await;
    within("projecting", watcher.reaches(&*log)).await;

    delete(&world.settings).await;
    create(&world.settings, 1).await;
    // Every process of ours asks for the ends every two seconds.
    let noticed = async {
        loop {
            match log.bounds().await {
                Err(error) if error.code == Code::LogReplaced => return,
                Err(error) => assert_eq!(error.code, Code::Unavailable, "{error}"),
                Ok(bounds) => assert_eq!(bounds[0].next, 60, "the new topic is empty"),
            }
        }
    };
    within("a look at the new topic", noticed).await;
    let refilling = world.log().await;
    append(&refilling, 1_000..1_400).await;
    halts(member).await;
    let everything = ReadLimit { records: 1_000, bytes: 1 << 20 };
    let read = log.read(0, 60, everything).await.expect_err("this log is no more");
    assert_eq!(read.code, Code::LogReplaced);
    assert_eq!(world.events().await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_dropped_before_they_are_projected_are_said_loudly() {
    let Some(world) = World::begin(1).await else { return };
    let log = world.log().await;
    append(&log, 0..60).await;
    world.project(&log).await;

    // What is dropped behind the position concerns nobody.
    append(&log, 60..80).await;
    world.drop_below(60).await;
    world.project(&log).await;
    assert_eq!(world.events().await, 80);

    append(&log, 80..140).await;
    world.drop_below(110).await;
    let error = halts(world.join(&log).0).await;
    assert!(error.to_string().contains("offsets 80 to 110 are gone before they were projected"), "{error}");
    let everything = ReadLimit { records: 1_000, bytes: 1 << 20 };
    let error = world.log().await.read(0, 80, everything).await.expect_err("they are gone");
    assert_eq!(error.code, Code::LogReplaced, "{error}");
    assert!(error.to_string().contains("offsets 80 to 110 are gone before they were read"), "{error}");
    assert_eq!(world.events().await, 80, "it does not go on behind the hole");

    // The operator accepts what is lost: the rest is projected, and what was there stays.
    world.renew().await;
    let log = world.log().await;
    world.project(&log).await;
    assert_eq!(world.events().await, 110);
    assert!(world.has(79).await && !world.has(80).await && !world.has(109).await && world.has(110).await);
    append(&log, 140..150).await;
    world.project(&log).await;
    assert_eq!(world.events().await, 120);
}
