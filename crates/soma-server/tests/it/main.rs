//! The real binary, from outside: its HTTP surface, its commands, its signals, and what remains
//! after it is killed.

mod cli;
mod config;
mod corpus;
mod crash;
mod disk;
mod document;
mod examples;
mod harness;
mod http;
mod mcp;
mod metrics;
mod process;
mod restart;
