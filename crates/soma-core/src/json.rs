//! JSON as a memory holds it: checked, and with one spelling per value.
