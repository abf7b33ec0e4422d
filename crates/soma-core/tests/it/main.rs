//! Behaviour of the core through its public interface.

mod admission;
mod backlog;
mod codec;
mod codec_property;
mod conformance;
mod corpus;
mod engine;
mod finalists;
mod fold;
mod framing;
mod pages;
mod projector;
mod pulse;
mod recall;
mod redrive;
mod scripts;
mod takeover;
mod threads;
mod verify;
mod world;
