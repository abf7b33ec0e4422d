//! The real binary, from outside: its HTTP surface, its commands, its signals, and what remains
//! after it is killed.

mod examples;
mod harness;
mod http;
