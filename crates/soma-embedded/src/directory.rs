//! The data directory: who owns it, which version it has, and where things lie in it.
