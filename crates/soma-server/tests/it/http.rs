//! The HTTP surface: shapes, statuses, refusals.

mod bounds;
mod edge;
mod openapi;
mod reading;
mod refusals;
mod tokens;
mod writing;
