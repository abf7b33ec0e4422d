//! Versions as servers spell them.

use super::{VERSION_MIN, parsed};

#[test]
fn versions_are_read_and_compared_as_numbers() {
    for (text, enough) in [
        ("1.17.0", true),
        ("1.17.1-dev", true),
        ("v1.20.3", true),
        ("2.0.0", true),
        ("1.16.9", false),
        ("1.9.0", false),
        ("0.99", false),
        ("", false),
        ("unknown", false),
    ] {
        assert_eq!(parsed(text).is_some_and(|version| version >= VERSION_MIN), enough, "{text}");
    }
}
