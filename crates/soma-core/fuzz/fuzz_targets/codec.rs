//! Feeds the codec any bytes. The property is the one that the tests of soma-core check briefly.

#![no_main]

#[path = "../../tests/it/codec_property.rs"]
mod codec_property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codec_property::holds_for(bytes));
