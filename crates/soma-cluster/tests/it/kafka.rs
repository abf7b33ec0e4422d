//! Kafka: on the client's own mock cluster always, on a real one where `SOMA_TEST_KAFKA` names it.

mod conformance;
mod faults;
mod member;
mod members;
mod outside;
mod pulses;
mod readers;
mod replaced;
mod rights;
mod security;
mod threads;
mod topics;
mod world;
