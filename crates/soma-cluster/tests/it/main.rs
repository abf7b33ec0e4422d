//! Behaviour of the adapters through their public interface.

mod registry;
