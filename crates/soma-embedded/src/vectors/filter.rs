//! The conditions of a search ([`condition`]) in the library's types.

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition as EdgeCondition, DateTimeWrapper, FieldCondition, Filter as EdgeFilter, IsEmptyCondition,
    IsNullCondition, JsonPath, Match, PointId, Range,
};
use soma_core::point::condition::{self, Bounds, Condition};

/// The points that pass a condition.
pub(super) fn filter(condition: Condition) -> EdgeFilter {
    let translated = translated(condition);
    if let EdgeCondition::Filter(filter) = translated { filter } else { EdgeFilter::new_must(translated) }
}

/// Points whose `rev` is not above `rev`, or that have none.
pub(super) fn rev_up_to(rev: u64) -> EdgeFilter {
    filter(condition::rev_up_to(rev))
}

fn translated(condition: Condition) -> EdgeCondition {
    match condition {
        Condition::All(all) => EdgeCondition::Filter(EdgeFilter { must: Some(each(all)), ..EdgeFilter::default() }),
        Condition::Any(any) => EdgeCondition::Filter(EdgeFilter { should: Some(each(any)), ..EdgeFilter::default() }),
        Condition::Not(inner) => EdgeCondition::Filter(EdgeFilter::new_must_not(translated(*inner))),
        Condition::Ids(ids) => {
            EdgeCondition::Filter(EdgeFilter::default().with_point_ids(ids.into_iter().map(PointId::Uuid)))
        }
        Condition::Texts { at, mut any } => {
            let one = if any.len() == 1 { any.pop() } else { None };
            let test = one.map_or_else(|| Match::from(any), Match::from);
            EdgeCondition::Field(FieldCondition::new_match(path(&at), test))
        }
        Condition::Integers { at, any } => EdgeCondition::Field(FieldCondition::new_match(path(&at), Match::from(any))),
        Condition::Flag { at, is } => EdgeCondition::Field(FieldCondition::new_match(path(&at), is.into())),
        Condition::Numbers { at, within } => {
            EdgeCondition::Field(FieldCondition::new_range(path(&at), range(within.map(OrderedFloat))))
        }
        Condition::Moments { at, within } => {
            let moment = |micros| DateTimeWrapper::from_timestamp(micros).expect("a moment of the years 1 to 9999");
            EdgeCondition::Field(FieldCondition::new_datetime_range(path(&at), range(within.map(moment))))
        }
        Condition::Null { at } => EdgeCondition::IsNull(IsNullCondition::from(path(&at))),
        Condition::Empty { at } => EdgeCondition::IsEmpty(IsEmptyCondition::from(path(&at))),
    }
}

fn each(conditions: Vec<Condition>) -> Vec<EdgeCondition> {
    conditions.into_iter().map(translated).collect()
}

fn range<T>(bounds: Bounds<T>) -> Range<T> {
    let Bounds { gt, gte, lt, lte } = bounds;
    Range { gt, gte, lt, lte }
}

fn path(text: &str) -> JsonPath {
    text.parse().expect("the core writes paths of names, digests and `[]`")
}
