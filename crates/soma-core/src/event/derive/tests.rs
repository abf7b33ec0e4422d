use super::*;

#[test]
fn a_coordinate_is_read_from_comma_separated_decimals() {
    assert_eq!(Coordinate::parse("1.0,2.5").expect("valid").numbers(), [1.0, 2.5]);
    assert_eq!(Coordinate::parse(" 1 , -2e3 ").expect("valid").numbers(), [1.0, -2000.0]);
    for text in ["", ",", "1,", "inf", "nan", "1;2", "1_0", "1 2", "1e400", "0x10", "１"] {
        assert_eq!(Coordinate::parse(text).expect_err("refused").field.as_deref(), Some("coordinate"), "{text}");
    }
    assert!(Coordinate::parse(&"1,".repeat(5_000)).is_err());
    assert!(Coordinate::new(vec![f64::NAN]).is_err());
    assert!(Coordinate::new(vec![]).is_err());
}

#[test]
fn both_zeros_are_one_place() {
    let namespace = Namespace::parse("demo").expect("valid");
    let id = |text| coordinate_id(&namespace, &Coordinate::parse(text).expect("valid"));
    assert_eq!(id("-0.0,1"), id("0,1.0"));
    assert_ne!(id("0,1"), id("1,0"));
}

#[test]
fn a_coordinate_shows_itself_as_it_is_read() {
    let coordinate = Coordinate::parse("1,-2.5,1e300").expect("valid");
    assert_eq!(coordinate.to_string(), "1.0,-2.5,1e300");
    assert_eq!(Coordinate::parse(&coordinate.to_string()).expect("valid"), coordinate);
}

#[test]
fn every_part_of_a_request_changes_its_ids() {
    let (demo, other) = (Namespace::parse("demo").expect("valid"), Namespace::parse("other").expect("valid"));
    let base = Idempotency { namespace: &demo, method: "POST", target: "/v1/memories", item: 0, key: "k" };
    let ids = [
        base,
        Idempotency { namespace: &other, ..base },
        Idempotency { method: "PUT", ..base },
        Idempotency { target: "/v1/events", ..base },
        Idempotency { item: 1, ..base },
        Idempotency { key: "l", ..base },
    ]
    .map(|request| [request.event_id().0, request.memory_id().0]);
    let distinct: std::collections::HashSet<_> = ids.into_iter().flatten().collect();
    assert_eq!(distinct.len(), 12);
}
