//! The record store in one SQLite file.
