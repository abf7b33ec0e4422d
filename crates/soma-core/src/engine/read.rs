//! Reading and waiting.

use std::time::Duration;

use super::{Engine, Stored, Written};
use crate::error::Result;
use crate::ids::{MemoryId, Position};
use crate::memory::Memory;

pub(super) async fn wait(engine: &Engine, position: &Position, bound: Duration) -> Result<()> {
    let _ = (engine, position, bound);
    todo!()
}

pub(super) async fn stored(engine: &Engine, written: &Written, bound: Duration) -> Result<Stored> {
    let _ = (engine, written, bound);
    todo!()
}

pub(super) async fn get(engine: &Engine, id: MemoryId) -> Result<Memory> {
    let _ = (engine, id);
    todo!()
}

pub(super) async fn position(engine: &Engine) -> Result<Position> {
    let _ = engine;
    todo!()
}
