use proptest::prelude::*;

use super::row::{Contents, decode_headers, encode_headers, join_key, split_key};
use super::tip::{Tip, TipFile};

#[test]
fn a_key_in_canonical_spelling_is_stored_once_and_any_other_as_it_is() {
    let canonical = b"00000000-0000-0000-0000-00000000000a".as_slice();
    let (memory, key) = split_key(Some(canonical));
    assert_eq!((memory.map(|id| id[15]), key), (Some(10), None));
    let spelled = b"0000000000000000000000000000000A".as_slice();
    assert_eq!(split_key(Some(spelled)), (memory, Some(spelled)));
    assert_eq!(split_key(Some(b"x")), (None, Some(b"x".as_slice())));
    assert_eq!(split_key(None), (None, None));
}

proptest! {
    #[test]
    fn headers_come_back_as_they_were(headers in prop::collection::vec((".*", prop::collection::vec(any::<u8>(), 0..50)), 0..8)) {
        let bytes = encode_headers(&headers);
        prop_assert_eq!(decode_headers(bytes.as_deref()), Some(headers));
    }

    #[test]
    fn headers_of_any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Some(headers) = decode_headers(Some(&bytes)) {
            prop_assert_eq!(encode_headers(&headers).unwrap_or_default(), bytes);
        }
    }

    #[test]
    fn a_key_comes_back_as_it_was(key in prop::option::of(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<[u8; 16]>().prop_map(|id| uuid::Uuid::from_bytes(id).to_string().into_bytes()),
        any::<[u8; 16]>().prop_map(|id| uuid::Uuid::from_bytes(id).simple().to_string().into_bytes()),
    ])) {
        let (memory, stored) = split_key(key.as_deref());
        prop_assert_eq!(join_key(memory, stored.map(<[u8]>::to_vec)), key);
    }
}

#[test]
fn a_checksum_tells_where_a_field_ends() {
    let contents =
        Contents { offset: 1, timestamp: 2, event_id: None, key: Some(b"ab"), headers: None, value: Some(b"c") };
    let sum = contents.checksum();
    let others = [
        Contents { key: Some(b"a"), value: Some(b"bc"), ..contents },
        Contents { key: None, value: Some(b"abc"), ..contents },
        Contents { headers: Some(b""), ..contents },
        Contents { offset: 2, timestamp: 1, ..contents },
        Contents { event_id: Some([0; 16]), ..contents },
    ];
    for other in others {
        assert_ne!(other.checksum(), sum);
    }
}

#[test]
fn a_tip_is_read_back_as_noted_and_never_half() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("tip");
    assert_eq!(Tip::load(&path).expect("a missing tip says nothing"), None);
    let tip = Tip { log_id: [7; 16], next: u64::MAX, changes: 3 };
    let mut file = TipFile::open(&path).expect("the tip can be made");
    file.note(&Tip { next: 1, ..tip });
    file.note(&tip);
    assert_eq!(Tip::load(&path).expect("the tip is whole"), Some(tip));
    let whole = std::fs::read(&path).expect("the tip can be read");
    for length in 1..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("the tip can be written");
        assert!(Tip::load(&path).is_err(), "{length} bytes");
    }
}
