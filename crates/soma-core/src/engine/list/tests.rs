use serde_json::json;

use super::*;
use crate::ids::EventId;

fn memory(updated_at: i64, importance: Option<f64>) -> Memory {
    Memory {
        id: MemoryId(Uuid::from_u128(7)),
        namespace: Namespace::parse("demo").expect("a namespace"),
        payload: json!(null),
        importance,
        model_revision: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(updated_at),
        version: 1,
        event_id: EventId(Uuid::from_u128(8)),
    }
}

#[test]
fn a_cursor_leads_back_to_the_place_that_it_was_made_for() {
    for order in [Order::Newest, Order::Oldest, Order::Importance] {
        for (time, importance) in [(0, None), (-5, Some(0.5)), (i64::MAX, Some(0.0))] {
            let last = memory(time, importance);
            let key = read_cursor(&cursor(order, &last), order).expect("its own cursor");
            assert_eq!(key, ListKey { updated_at: last.updated_at, importance, id: last.id });
        }
    }
}

#[test]
fn a_cursor_of_another_order_is_refused() {
    let error = read_cursor(&cursor(Order::Newest, &memory(1, None)), Order::Oldest).expect_err("another order");
    assert_eq!((error.code, error.field.as_deref()), (Code::BadPosition, Some("cursor")));
}

#[test]
fn text_that_is_no_cursor_is_refused() {
    let good = cursor(Order::Newest, &memory(1, Some(1.0)));
    let cut = &good[..good.len() - 1];
    let nan = good.replace(&format!("{:016x}", 1.0_f64.to_bits()), &format!("{:016x}", f64::NAN.to_bits()));
    for text in ["", "n", "x1.2.3", "nöö.-.ö", &good.to_uppercase(), cut, &format!("{good}.0"), &nan] {
        assert_eq!(read_cursor(text, Order::Newest).expect_err(text).code, Code::BadPosition, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_a_cursor_panic(text in "n?.{0,40}") {
        let _ = read_cursor(&text, Order::Newest);
    }
}
