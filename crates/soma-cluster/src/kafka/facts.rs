//! How a cluster is: for `doctor`, and for whoever must know before acting.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use soma_core::clock::Clock;
use soma_core::error::Result;
use soma_core::ids::{Offset, Partition};

use super::context::Context;
use super::producer::{ASK_TIMEOUT, Ends, Producer, blocking};
use super::scan::{Stretch, scan};
use super::settings::Settings;
use super::topics::{Admin, reachable};
use super::{classify, client};

/// Records of each partition that are looked at to tell how they were partitioned.
const LATEST: Offset = 20;

/// What can be known of a cluster.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The cluster's own id.
    pub cluster: String,
    /// Its brokers, as they call themselves: `host:port`.
    pub brokers: Vec<String>,
    /// The topics of events and of dead letters; `None` for a missing one.
    pub topics: Vec<(String, Option<TopicFacts>)>,
    /// The consumer group, or why nothing is known of it.
    pub group: Result<GroupFacts, String>,
}

/// What can be known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// Its name.
    pub name: String,
    /// In order.
    pub partitions: Vec<PartitionFacts>,
    /// Its settings by key, or why they could not be read.
    pub settings: Result<BTreeMap<String, String>, String>,
}

/// What can be known of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFacts {
    /// The partition.
    pub partition: Partition,
    /// Whether it has a leader.
    pub led: bool,
    /// How many replicas it has.
    pub replicas: usize,
    /// How many of them are in sync.
    pub in_sync: usize,
}

/// What can be known of the consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its members: client id and host.
    pub members: Vec<String>,
    /// By partition: the committed offset, if any, and the end of the partition.
    pub progress: Vec<(Partition, Option<Offset>, Offset)>,
}

impl GroupFacts {
    /// Records that the group has not passed, by what it committed.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.progress.iter().map(|(_, committed, end)| end.saturating_sub(committed.unwrap_or(0))).sum()
    }
}

/// Asks for everything.
///
/// # Errors
/// `unavailable` or `bad_config` when the cluster cannot be reached. What it does not tell is said where it is missing.
pub async fn facts(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Facts> {
    let (producer, cluster) = reachable(settings, clock).await?;
    let asking = Arc::clone(&producer);
    let brokers = blocking(move || {
        let asked = asking.client().client().fetch_metadata(Some(&asking.settings().topic), ASK_TIMEOUT);
        let metadata = asked.map_err(|e| classify::error("list the brokers", &e))?;
        Ok(metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect())
    })
    .await?;
    let mut topics = Vec::new();
    for name in [&settings.topic, &settings.dlq_topic] {
        topics.push((name.clone(), topic_by(&producer, name).await?));
    }
    let group = group(&producer).await.map_err(|error| error.to_string());
    Ok(Facts { cluster, brokers, topics, group })
}

/// A topic; `None` when there is no such topic.
///
/// # Errors
/// `unavailable` or `bad_config` when the cluster cannot be reached.
pub async fn topic(settings: &Settings, clock: &Arc<dyn Clock>, name: &str) -> Result<Option<TopicFacts>> {
    let (producer, _) = reachable(settings, clock).await?;
    topic_by(&producer, name).await
}

async fn topic_by(producer: &Arc<Producer>, name: &str) -> Result<Option<TopicFacts>> {
    let (asking, asked) = (Arc::clone(producer), name.to_owned());
    let Some(partitions) = blocking(move || partitions(&asking, &asked)).await? else { return Ok(None) };
    let admin = Admin::start(producer.settings(), producer.clock())?;
    let settings = admin.settings(name).await.map_err(|error| error.to_string());
    admin.close().await;
    Ok(Some(TopicFacts { name: name.to_owned(), partitions, settings }))
}

fn partitions(producer: &Producer, name: &str) -> Result<Option<Vec<PartitionFacts>>> {
    use rdkafka::error::RDKafkaErrorCode::{UnknownTopic, UnknownTopicOrPartition};
    let doing = format!("find topic {name}");
    let client = producer.client();
    let metadata = match client.client().fetch_metadata(Some(name), ASK_TIMEOUT) {
        Ok(metadata) => metadata,
        Err(error) => return Err(classify::error(&doing, &error)),
    };
    let Some(found) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
    match found.error().map(Into::into) {
        Some(UnknownTopic | UnknownTopicOrPartition) => return Ok(None),
        Some(code) => return Err(classify::code(&doing, code)),
        None => {}
    }
    let facts = |partition: &rdkafka::metadata::MetadataPartition| {
        Some(PartitionFacts {
            partition: Partition::try_from(partition.id()).ok()?,
            led: partition.leader() >= 0,
            replicas: partition.replicas().len(),
            in_sync: partition.isr().len(),
        })
    };
    let mut partitions: Vec<PartitionFacts> = found.partitions().iter().filter_map(facts).collect();
    partitions.sort_by_key(|facts| facts.partition);
    Ok(Some(partitions))
}

/// Where the latest records with keys lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Records that were looked at.
    pub seen: usize,
    /// Those that another partitioner than `murmur2_random` has put where they are.
    pub astray: usize,
}

/// Reads the latest records of every partition of the topic of events, and tells who has put them there.
///
/// # Errors
/// `unavailable`, also when this user may not read the topic.
pub async fn placement(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Placement> {
    let (producer, _) = reachable(settings, clock).await?;
    let ends = producer.all_ends(&settings.topic).await?;
    let count = u32::try_from(ends.len()).unwrap_or(u32::MAX);
    let latest = |(partition, ends): &(Partition, Ends)| Stretch {
        partition: *partition,
        from: ends.low.max(ends.high.saturating_sub(LATEST)),
        to: ends.high,
    };
    let stretches: Vec<Stretch> = ends.iter().map(latest).collect();
    blocking(move || {
        let mut placement = Placement::default();
        scan(&producer, &producer.settings().topic, &stretches, &mut |record| {
            let Some(key) = &record.key else { return };
            placement.seen += 1;
            placement.astray += usize::from(partition_of(key, count) != record.place.partition);
        })?;
        Ok(placement)
    })
    .await
}

/// Where Java's client puts a key: murmur2 without its sign, as `murmur2_random` does.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> Partition {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (chunks, rest) = key.as_chunks::<4>();
    for chunk in chunks {
        let mixed = u32::from_le_bytes(*chunk).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (mixed ^ (mixed >> 24)).wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate().rev() {
        hash ^= u32::from(*byte) << (8 * index);
        if index == 0 {
            hash = hash.wrapping_mul(M);
        }
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    ((hash ^ (hash >> 15)) & 0x7fff_ffff) % partitions.max(1)
}

async fn group(producer: &Arc<Producer>) -> Result<GroupFacts> {
    let ends = producer.all_ends(&producer.settings().topic).await?;
    let asking = Arc::clone(producer);
    blocking(move || {
        let members = members_by(&asking)?;
        let partitions: Vec<Partition> = ends.iter().map(|(partition, _)| *partition).collect();
        let committed = committed(&asking, &partitions)?;
        let of = |partition| committed.get(&partition).copied();
        let progress = ends.iter().map(|(partition, ends)| (*partition, of(*partition), ends.high)).collect();
        Ok(GroupFacts { members, progress })
    })
    .await
}

/// Who is in the group at the moment: client id and host.
///
/// # Errors
/// `unavailable` or `bad_config`.
pub async fn members(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Vec<String>> {
    let (producer, _) = reachable(settings, clock).await?;
    blocking(move || members_by(&producer)).await
}

fn members_by(producer: &Producer) -> Result<Vec<String>> {
    let group = &producer.settings().group;
    let client = producer.client();
    let listed = client.client().fetch_group_list(Some(group), ASK_TIMEOUT);
    let listed = listed.map_err(|e| classify::error(&format!("describe consumer group {group}"), &e))?;
    let found = listed.groups().iter().filter(|found| found.name() == group);
    let members = found.flat_map(|found| found.members());
    Ok(members.map(|member| format!("{} at {}", member.client_id(), member.client_host())).collect())
}

/// What the group has committed.
fn committed(producer: &Producer, partitions: &[Partition]) -> Result<BTreeMap<Partition, Offset>> {
    let settings = producer.settings();
    let doing = format!("read the offsets of consumer group {}", settings.group);
    let failed = |error| classify::error(&doing, &error);
    let consumer: BaseConsumer<Context> =
        client::reader(settings)?.create_with_context(client::context(settings, producer.clock())).map_err(failed)?;
    // A client without tokens or a broker yet is served by polling.
    drop(consumer.poll(std::time::Duration::ZERO));
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions.iter().filter_map(|partition| i32::try_from(*partition).ok()) {
        list.add_partition(&settings.topic, partition);
    }
    // The list must be gone before the client is, or the client waits for it for ever.
    let answer = consumer.committed_offsets(list, ASK_TIMEOUT).map_err(failed)?;
    let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
        At::Offset(offset) => Some((Partition::try_from(element.partition()).ok()?, Offset::try_from(offset).ok()?)),
        At::Beginning | At::End | At::Stored | At::Invalid | At::OffsetTail(_) => None,
    };
    let offsets = answer.elements().iter().filter_map(offset).collect();
    drop(answer);
    drop(consumer);
    Ok(offsets)
}
