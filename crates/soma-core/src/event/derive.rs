//! Ids that follow from what they name.
