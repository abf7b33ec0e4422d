//! Pages of memories and of namespaces.
//!
//! A cursor holds the order of its list and the place of the last memory of its page, so pages do
//! not shift when memories come or go. It is opaque to callers and carries no secret.

use uuid::Uuid;

use super::Engine;
use crate::error::{Code, Error, Result};
use crate::filter::Filter;
use crate::ids::{MemoryId, Namespace, Timestamp};
use crate::memory::Memory;
use crate::recall::Scope;
use crate::store::{ListKey, ListQuery, NamespaceCount, Order};
use crate::{json, limits};

/// Which memories to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Where to look.
    pub scope: Scope,
    /// Only memories that match.
    pub filter: Option<Filter>,
    /// In which order; ties by id.
    pub order: Order,
    /// The cursor of the page before.
    pub cursor: Option<String>,
    /// How many, 1 to [`limits::PAGE_MAX`].
    pub limit: usize,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What it holds, in order.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    pub next_cursor: Option<String>,
}

pub(super) async fn list(engine: &Engine, request: &ListRequest) -> Result<Page<Memory>> {
    check_limit(request.limit)?;
    let after = request.cursor.as_deref().map(|cursor| read_cursor(cursor, request.order)).transpose()?;
    let namespaces = request.scope.namespaces(engine).await?;
    if namespaces.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    let filter = request.filter.clone();
    let query = ListQuery { namespaces, filter, order: request.order, after, limit: request.limit + 1 };
    let mut items = engine.store.list(&query).await?;
    // A page that the bound of bytes has ended may be the last one all the same: then the next is empty.
    let bytes: usize = items.iter().map(|memory| json::weight(&memory.payload)).sum();
    let more = items.len() > request.limit || bytes >= limits::PAGE_BYTES;
    items.truncate(request.limit);
    let next_cursor = items.last().filter(|_| more).map(|last| cursor(request.order, last));
    Ok(Page { items, next_cursor })
}

pub(super) async fn namespaces(
    engine: &Engine,
    prefix: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<NamespaceCount>> {
    check_limit(limit)?;
    let after = cursor.map(Namespace::parse).transpose().map_err(|_| bad_cursor("is none of this list"))?;
    let mut items = engine.store.namespaces(prefix, after.as_ref(), limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| last.namespace.to_string());
    Ok(Page { items, next_cursor })
}

pub(super) fn check_limit(limit: usize) -> Result<()> {
    if (1..=limits::PAGE_MAX).contains(&limit) {
        return Ok(());
    }
    Err(Error::new(Code::BadRequest, format!("the limit is {limit}, not 1 to {}", limits::PAGE_MAX))
        .at("limit")
        .remedy("ask for fewer and follow next_cursor"))
}

const fn order_mark(order: Order) -> char {
    match order {
        Order::Newest => 'n',
        Order::Oldest => 'o',
        Order::Importance => 'i',
    }
}

/// The mark of the order, then time, importance and id in hexadecimal.
fn cursor(order: Order, last: &Memory) -> String {
    let importance = last.importance.map_or_else(|| "-".to_owned(), |value| format!("{:016x}", value.to_bits()));
    format!("{}{:016x}.{importance}.{}", order_mark(order), last.updated_at.0, last.id.0.as_simple())
}

fn read_cursor(text: &str, order: Order) -> Result<ListKey> {
    let rest = text.strip_prefix(['n', 'o', 'i']).ok_or_else(|| bad_cursor("was not made by this system"))?;
    if !text.starts_with(order_mark(order)) {
        return Err(bad_cursor("is that of a list in another order"));
    }
    read_key(rest).ok_or_else(|| bad_cursor("was not made by this system, or is damaged"))
}

fn read_key(text: &str) -> Option<ListKey> {
    let mut parts = text.split('.');
    let (time, importance, id) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || id.len() != 32 || id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let importance = match importance {
        "-" => None,
        bits => Some(f64::from_bits(hex16(bits)?)).filter(|value| value.is_finite()).map(Some)?,
    };
    let id = Uuid::try_parse(id).ok()?;
    Some(ListKey { updated_at: Timestamp(hex16(time)?.cast_signed()), importance, id: MemoryId(id) })
}

/// Exactly sixteen lower-case hexadecimal digits.
fn hex16(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits { u64::from_str_radix(text, 16).ok() } else { None }
}

pub(super) fn bad_cursor(what: &str) -> Error {
    let error = Error::new(Code::BadPosition, format!("the cursor {what}")).at("cursor");
    error.remedy("use next_cursor of the page before with the same order, or begin again without one")
}

#[cfg(test)]
mod tests;
