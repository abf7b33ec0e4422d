//! The HTTP surface: shapes, statuses, refusals.

mod bounds;
mod reading;
mod refusals;
mod writing;
