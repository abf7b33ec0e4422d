//! What a notification says.

use soma_core::ids::LogId;
use soma_core::store::ProjectorName;

use super::{Moved, notice, read_notice};

#[test]
fn a_notice_is_read_back_unless_it_is_too_long() {
    let of = |log: &str| notice(&Moved { key: (ProjectorName::memory(), LogId::new(log), 3), next: 7 });
    let moved = read_notice(&of("cluster \"1\"/topic#1")).expect("it is read back");
    assert_eq!(moved.key, (ProjectorName::memory(), LogId::new("cluster \"1\"/topic#1"), 3));
    assert_eq!(moved.next, 7);
    assert_eq!(of(&"x".repeat(9_000)), "");
    assert!(read_notice("").is_none() && read_notice("[1]").is_none());
}
