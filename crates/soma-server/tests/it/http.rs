//! The HTTP surface: shapes, statuses, refusals.

mod agreement;
mod bounds;
mod browsers;
mod edge;
mod openapi;
mod reading;
mod refusals;
mod tls;
mod tokens;
mod writing;
