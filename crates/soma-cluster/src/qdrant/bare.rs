//! The server alone: what a benchmark puts beside the vector index.
//!
//! The points are those that the index would hold, made before anything is measured; they are upserted
//! without a condition. A collection that was made for a benchmark is removed with it.

use futures::future::join_all;
use qdrant_client::qdrant::{DeleteCollection, PointStruct, UpsertPoints};
use soma_core::embed::Identity;
use soma_core::error::Result;
use soma_core::index::Point;

use super::classify::Asked;
use super::settings::Settings;
use super::wire::Wire;
use super::writes::{LANES_MAX, REQUEST_POINTS_MAX};
use super::{collection, point};

/// Points as they go over the wire.
pub struct Prepared(Vec<PointStruct>);

impl Prepared {
    /// Of points of different memories.
    #[must_use]
    pub fn of(points: &[Point]) -> Self {
        Self(points.iter().map(point::stored).collect())
    }
}

/// One collection.
pub struct Points(Wire);

impl Points {
    /// Connects and makes the collection as the index would.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub async fn make(settings: &Settings, identity: &Identity) -> Result<Self> {
        let wire = Wire::new(settings)?;
        collection::open(&wire, identity).await?;
        Ok(Self(wire))
    }

    /// Upserts and waits until searches see it: as many streams and points a request as the index uses.
    ///
    /// # Errors
    /// `unavailable`, `store_rejected`.
    pub async fn upsert(&self, Prepared(points): Prepared) -> Result<()> {
        let mut lanes: Vec<Vec<PointStruct>> = (0..LANES_MAX).map(|_| Vec::new()).collect();
        for (number, point) in points.into_iter().enumerate() {
            lanes[number % LANES_MAX].push(point);
        }
        let sent = join_all(lanes.into_iter().map(|lane| self.send(lane))).await;
        sent.into_iter().collect()
    }

    async fn send(&self, mut lane: Vec<PointStruct>) -> Result<()> {
        while !lane.is_empty() {
            let points = lane.drain(..lane.len().min(REQUEST_POINTS_MAX)).collect();
            let request = UpsertPoints {
                collection_name: self.0.collection(),
                wait: Some(true),
                points,
                ..UpsertPoints::default()
            };
            self.0.call(Asked::Write, self.0.points().upsert(request)).await?;
        }
        Ok(())
    }
}

/// Removes a collection; one that is not there is no failure.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub async fn remove(settings: &Settings) -> Result<()> {
    let wire = Wire::new(settings)?;
    let request = DeleteCollection { collection_name: wire.collection(), timeout: None };
    wire.call(Asked::Setup, wire.collections().delete(request)).await.map(drop)
}
