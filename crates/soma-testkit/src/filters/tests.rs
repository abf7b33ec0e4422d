//! The definition of filters against the shared table.

use proptest::prelude::*;
use soma_core::error::Code;
use soma_core::filter::Filter;

use super::{filter, matching, memories, table};

#[test]
fn every_case_selects_what_the_table_says() {
    let table = table();
    let name_of = |id| table.memories.iter().find(|(_, memory)| memory.id == id).map(|(name, _)| name.as_str());
    for case in &table.cases {
        let found = matching(&case.filter, table.memories.iter().map(|(_, memory)| memory));
        let names = |ids: &[_]| ids.iter().map(|id| name_of(*id).unwrap_or("?")).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&case.matches), "{}: {}", case.name, case.json);
    }
    assert!(table.cases.len() >= 80, "the table has {} cases", table.cases.len());
}

#[test]
fn every_refusal_names_path_and_reason() {
    for case in table().refused {
        let error = Filter::parse(&case.json).expect_err(&case.name);
        assert_eq!(error.code, Code::BadFilter, "{}", case.name);
        assert_eq!(error.field.as_deref(), Some(case.at.as_str()), "{}: {error}", case.name);
        assert!(error.to_string().contains(&case.says), "{}: {error}", case.name);
    }
}

#[test]
fn every_case_can_be_sent_on() {
    for case in table().cases {
        assert_eq!(Filter::parse(&case.filter.to_json()).expect("it parses again"), case.filter, "{}", case.name);
    }
}

proptest! {
    #[test]
    fn what_is_sent_on_is_the_same_filter(filter in filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_json()).expect("it parses again"), filter);
    }

    #[test]
    fn not_selects_exactly_the_rest(filter in filter(), memories in memories(0..20)) {
        let not = Filter::Not(Box::new(filter.clone()));
        let both = matching(&filter, &memories).len() + matching(&not, &memories).len();
        prop_assert_eq!(both, memories.len());
    }
}
