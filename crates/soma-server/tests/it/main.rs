//! The real binary, from outside: its HTTP surface, its commands, its signals, and what remains
//! after it is killed.

mod audit;
mod cli;
mod config;
mod corpus;
mod crash;
mod disk;
mod document;
mod embedder;
mod examples;
mod harness;
mod http;
mod isolation;
mod mcp;
mod metrics;
mod process;
mod repair;
mod restart;
mod secrets;
mod servers;
mod traces;
mod wire;
