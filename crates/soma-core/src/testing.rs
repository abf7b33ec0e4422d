//! The ports in memory, and one conformance suite per port.
//!
//! Ships as code: the simulation runs on it, and every adapter proves itself with the suites.
