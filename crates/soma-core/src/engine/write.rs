//! Appending.

use super::{Engine, Written};
use crate::error::Result;
use crate::event::Event;

pub(super) async fn append(
    engine: &Engine,
    events: Vec<Event>,
    traceparent: Option<&str>,
) -> Result<Vec<Result<Written>>> {
    let _ = (engine, events, traceparent);
    todo!()
}
