//! What the cluster lets our user do, and which rights it lacks.
//!
//! A missing right shows by itself only when it is used: an append would fail hours after the start. So the
//! cluster is asked, by the two requests of Kafka's protocol that answer with rights; the client library has
//! neither of them in a form that we can call. They go over a connection of their own (`line.rs`), protected
//! as every other. A cluster that does not answer them (before 2.3, or of another make) is no hindrance: then
//! nothing is known, and nothing is refused.

mod answer;
mod line;
mod scram;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};

use super::diagnose::places;
use super::producer::blocking;
use super::settings::Settings;
use crate::reach::Endpoint;
use answer::Reader;
use line::{Line, text};

/// What may be done, by the number that the protocol gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Reading a topic; being a member of a group.
    Read = 3,
    /// Appending to a topic.
    Write = 4,
    /// Asking about it.
    Describe = 8,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Describe];

    /// The name that Kafka gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Describe => "Describe",
        }
    }
}

/// What a right is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// A consumer group.
    Group(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Group(name) => write!(f, "consumer group {name}"),
        }
    }
}

/// A right that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// What may not be done.
    pub operation: Operation,
    /// To what.
    pub resource: Resource,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.operation.as_str(), self.resource)
    }
}

/// What a process is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// It appends events.
    pub appends: bool,
    /// It projects them: as a member of the group it reads events, and writes letters.
    pub projects: bool,
}

impl Work {
    /// All that any process of ours does.
    pub const ALL: Self = Self { appends: true, projects: true };

    fn needs(self, settings: &Settings) -> Vec<Lacking> {
        let topic = |name: &str, operation| Lacking { operation, resource: Resource::Topic(name.to_owned()) };
        let mut needs = Vec::new();
        if self.appends {
            needs.push(topic(&settings.topic, Operation::Write));
        }
        if self.projects {
            needs.push(topic(&settings.topic, Operation::Read));
            needs.push(topic(&settings.dlq_topic, Operation::Write));
            let resource = Resource::Group(settings.group.clone());
            needs.push(Lacking { operation: Operation::Read, resource });
        }
        needs
    }
}

/// The rights that our user lacks for this work; `None` when the cluster does not tell.
///
/// # Errors
/// `internal`.
pub async fn lacking(settings: &Settings, clock: &Arc<dyn Clock>, work: Work) -> Result<Option<Vec<Lacking>>> {
    let (settings, clock) = (settings.clone(), Arc::clone(clock));
    blocking(move || {
        for place in places(&settings) {
            match ask(&settings, &clock, &place, work) {
                Ok(lacking) => return Ok(Some(lacking)),
                Err(error) => tracing::debug!("the rights of this user were not asked for at {place}: {error}"),
            }
        }
        Ok(None)
    })
    .await
}

/// Refuses to go on without the rights for this work.
///
/// # Errors
/// `unavailable`, which names every right that is missing; it may be granted at any moment.
pub async fn check(settings: &Settings, clock: &Arc<dyn Clock>, work: Work) -> Result<()> {
    match lacking(settings, clock, work).await? {
        Some(lacking) if !lacking.is_empty() => Err(refusal(settings, &lacking)),
        Some(_) | None => Ok(()),
    }
}

/// What is told of rights that are missing.
#[must_use]
pub fn refusal(settings: &Settings, lacking: &[Lacking]) -> Error {
    let security = &settings.security;
    let user = security.username.as_deref().filter(|_| security.protocol.sasl());
    let who = user.map_or("this user".to_owned(), |user| format!("the user {user}"));
    let named: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    let named = named.join(", ");
    Error::new(Code::Unavailable, format!("the Kafka cluster does not grant {who}: {named}"))
        .remedy(format!("allow {who} by ACLs: {named}"))
}

fn ask(settings: &Settings, clock: &Arc<dyn Clock>, place: &Endpoint, work: Work) -> Result<Vec<Lacking>> {
    let mut line = Line::open(settings, clock, place)?;
    let needs = work.needs(settings);
    let mut held = topics(&mut line, &[&settings.topic, &settings.dlq_topic])?;
    if needs.iter().any(|need| matches!(need.resource, Resource::Group(_))) {
        held.push(group(settings, clock, line)?);
    }
    let granted = |need: &Lacking| {
        let of = held.iter().find(|(resource, _)| *resource == need.resource);
        // What the cluster says nothing about is not called missing.
        of.and_then(|(_, operations)| operations.as_ref()).is_none_or(|granted| granted.contains(&need.operation))
    };
    Ok(needs.into_iter().filter(|need| !granted(need)).collect())
}

/// A resource, and what may be done to it, if that is told.
type Held = (Resource, Option<Vec<Operation>>);

/// Our user may not even know of it.
const DENIED: [i16; 2] = [29, 30];

fn operations(bits: i32) -> Option<Vec<Operation>> {
    let held = |operation: &Operation| bits & (1 << (*operation as u8)) != 0;
    // The lowest number stands for an answer without rights.
    (bits != i32::MIN).then(|| Operation::ALL.into_iter().filter(held).collect())
}

/// `Metadata` in version 8: the last that counts in plain numbers, the first that tells of rights.
fn topics(line: &mut Line, names: &[&str]) -> Result<Vec<Held>> {
    let mut body = Vec::new();
    body.extend(i32::try_from(names.len()).unwrap_or(0).to_be_bytes());
    names.iter().for_each(|name| text(&mut body, name));
    // No topic is made, nothing is told of the cluster, and the rights on topics are.
    body.extend([0, 0, 1]);
    let answer = line.call(3, 8, &body)?;
    let mut answer = Reader::new(&answer);
    answer.skip(4)?;
    answer.each(|broker| {
        broker.skip(4)?;
        broker.text()?;
        broker.skip(4)?;
        broker.text()
    })?;
    answer.text()?;
    answer.skip(4)?;
    answer.each(|topic| {
        let code = topic.number_16()?;
        let name = topic.text()?;
        topic.skip(1)?;
        topic.each(|partition| {
            partition.skip(2 + 4 + 4 + 4)?;
            for _ in 0..3 {
                partition.each(|replica| replica.skip(4))?;
            }
            Ok(())
        })?;
        let bits = topic.number_32()?;
        Ok((Resource::Topic(name), if DENIED.contains(&code) { Some(Vec::new()) } else { operations(bits) }))
    })
}

/// `FindCoordinator` in version 1, then `DescribeGroups` in version 3 at the broker that it names.
fn group(settings: &Settings, clock: &Arc<dyn Clock>, mut line: Line) -> Result<Held> {
    let resource = Resource::Group(settings.group.clone());
    let mut body = Vec::new();
    text(&mut body, &settings.group);
    body.push(0);
    let answer = line.call(10, 1, &body)?;
    let mut answer = Reader::new(&answer);
    answer.skip(4)?;
    let code = answer.number_16()?;
    answer.text()?;
    answer.skip(4)?;
    let (host, port) = (answer.text()?, answer.number_32()?);
    if DENIED.contains(&code) {
        return Ok((resource, Some(Vec::new())));
    }
    let Some(port) = u16::try_from(port).ok().filter(|_| code == 0) else { return Ok((resource, None)) };
    let mut line = Line::open(settings, clock, &Endpoint { host, port })?;
    let mut body = 1_i32.to_be_bytes().to_vec();
    text(&mut body, &settings.group);
    body.push(1);
    let answer = line.call(15, 3, &body)?;
    let mut answer = Reader::new(&answer);
    answer.skip(4)?;
    let found = answer.each(|group| {
        let code = group.number_16()?;
        for _ in 0..4 {
            group.text()?;
        }
        group.each(|member| {
            for _ in 0..3 {
                member.text()?;
            }
            member.bytes()?;
            member.bytes()
        })?;
        let bits = group.number_32()?;
        Ok(match code {
            0 => operations(bits),
            code if DENIED.contains(&code) => Some(Vec::new()),
            _ => None,
        })
    })?;
    Ok((resource, found.into_iter().next().flatten()))
}
