//! The projector under every failure that the ports can have.

mod simulation;
