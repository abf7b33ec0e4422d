//! What a verification finds.
