//! The HTTP surface: shapes, statuses, refusals.

mod bounds;
mod openapi;
mod reading;
mod refusals;
mod writing;
