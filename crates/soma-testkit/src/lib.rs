//! What tests share and users never compile.
//!
//! Nothing here is part of the product: a crate of the workspace names this one only under
//! `[dev-dependencies]`.

pub mod certificates;
pub mod faults;
pub mod filters;
pub mod postgres;
#[cfg(feature = "qdrant")]
pub mod qdrant;
