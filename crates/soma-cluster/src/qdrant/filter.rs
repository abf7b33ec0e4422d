//! The conditions of a search ([`soma_core::point::condition`]) in the words of the wire.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition as Wired, DatetimeRange, FieldCondition, Filter, HasIdCondition, IsEmptyCondition, IsNullCondition,
    Match, PointId, Range, RepeatedIntegers, RepeatedStrings,
};
use soma_core::point::condition::{self, Bounds, Condition};
use uuid::Uuid;

/// The points that pass a condition.
pub(super) fn filter(condition: Condition) -> Filter {
    let translated = translated(condition);
    if let ConditionOneOf::Filter(filter) = translated {
        return filter;
    }
    Filter { must: vec![Wired { condition_one_of: Some(translated) }], ..Filter::default() }
}

/// Points whose `rev` is not above `rev`, or that have none.
pub(super) fn rev_up_to(rev: u64) -> Filter {
    filter(condition::rev_up_to(rev))
}

/// Of these points, those whose `rev` is not above `rev`, or that have none.
pub(super) fn among(ids: Vec<PointId>, rev: u64) -> Filter {
    let mut filter = rev_up_to(rev);
    filter.must.push(Wired { condition_one_of: Some(ConditionOneOf::HasId(HasIdCondition { has_id: ids })) });
    filter
}

/// The id of a point.
pub(super) fn id(id: Uuid) -> PointId {
    PointId::from(id.as_hyphenated().to_string())
}

fn translated(condition: Condition) -> ConditionOneOf {
    match condition {
        Condition::All(all) => ConditionOneOf::Filter(Filter { must: each(all), ..Filter::default() }),
        Condition::Any(any) => ConditionOneOf::Filter(Filter { should: each(any), ..Filter::default() }),
        Condition::Not(inner) => {
            let inner = Wired { condition_one_of: Some(translated(*inner)) };
            ConditionOneOf::Filter(Filter { must_not: vec![inner], ..Filter::default() })
        }
        Condition::Ids(ids) => ConditionOneOf::HasId(HasIdCondition { has_id: ids.into_iter().map(id).collect() }),
        Condition::Texts { at, mut any } => {
            let one = if any.len() == 1 { any.pop() } else { None };
            let value = one.map_or_else(|| MatchValue::Keywords(RepeatedStrings { strings: any }), MatchValue::Keyword);
            matches(at, value)
        }
        Condition::Integers { at, any } => matches(at, MatchValue::Integers(RepeatedIntegers { integers: any })),
        Condition::Flag { at, is } => matches(at, MatchValue::Boolean(is)),
        Condition::Numbers { at, within: Bounds { gt, gte, lt, lte } } => {
            let range = Some(Range { lt, gt, gte, lte });
            ConditionOneOf::Field(FieldCondition { key: at, range, ..FieldCondition::default() })
        }
        Condition::Moments { at, within } => {
            let Bounds { gt, gte, lt, lte } = within.map(moment);
            let datetime_range = Some(DatetimeRange { lt, gt, gte, lte });
            ConditionOneOf::Field(FieldCondition { key: at, datetime_range, ..FieldCondition::default() })
        }
        Condition::Null { at } => ConditionOneOf::IsNull(IsNullCondition { key: at }),
        Condition::Empty { at } => ConditionOneOf::IsEmpty(IsEmptyCondition { key: at }),
    }
}

fn each(conditions: Vec<Condition>) -> Vec<Wired> {
    conditions.into_iter().map(|condition| Wired { condition_one_of: Some(translated(condition)) }).collect()
}

fn matches(key: String, value: MatchValue) -> ConditionOneOf {
    let r#match = Some(Match { match_value: Some(value) });
    ConditionOneOf::Field(FieldCondition { key, r#match, ..FieldCondition::default() })
}

fn moment(micros: i64) -> prost_types::Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos: nanos as i32 }
}
