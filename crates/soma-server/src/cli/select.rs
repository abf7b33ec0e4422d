//! Which memories a command works on, and reading them page by page.

use clap::Args;
use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result, json as bounded, limits};

use super::client::{Call, Client, encoded};
use super::output::{items, text};

/// Flags that select memories.
#[derive(Clone, Debug, Args)]
pub(super) struct Select {
    /// Whose memories.
    #[arg(long, short)]
    pub(super) namespace: Option<String>,
    /// Only memories that match, as JSON.
    #[arg(long, value_name = "JSON")]
    pub(super) filter: Option<String>,
}

impl Select {
    /// The selection as parameters of a query, each with its `&` in front.
    ///
    /// # Errors
    /// `bad_filter` when the filter is not JSON.
    pub(super) fn query(&self) -> Result<String> {
        let mut query = String::new();
        if let Some(namespace) = &self.namespace {
            query.push_str(&format!("&namespace={}", encoded(namespace)));
        }
        if let Some(filter) = &self.filter {
            bounded::parse(filter.as_bytes()).map_err(|error| {
                let what = format!("the filter is not JSON: {error}");
                Error::new(Code::BadFilter, what).at("filter").remedy("quote it for the shell")
            })?;
            query.push_str(&format!("&filter={}", encoded(filter)));
        }
        Ok(query)
    }
}

/// Where memories are, said to whoever looked in the default namespace and found none; empty if there are
/// none, or nobody may know.
pub(super) fn elsewhere(client: &Client) -> String {
    const NAMED: usize = 5;
    let Ok(mut page) = client.call(&Call::get(&format!("/v1/namespaces?limit={}", NAMED + 1))) else {
        return String::new();
    };
    let found = items(&mut page);
    if found.is_empty() {
        return String::new();
    }
    let more = if found.len() > NAMED { ", …" } else { "" };
    let names: Vec<&str> = found.iter().take(NAMED).map(|item| text(item, "namespace")).collect();
    format!(" in the default namespace; there are memories in {}{more}: add --namespace", names.join(", "))
}

/// A list that is read page by page.
pub(super) struct Pages<'a> {
    client: &'a Client,
    /// Path and parameters, without limit and cursor.
    target: String,
    cursor: String,
    left: usize,
    more: bool,
}

impl<'a> Pages<'a> {
    /// At most `limit` items of the list at this target, which has a query already.
    pub(super) fn of(client: &'a Client, target: String, limit: usize) -> Self {
        Self { client, target, cursor: String::new(), left: limit, more: true }
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Those of the route.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Value>>> {
        if self.left == 0 || !self.more {
            return Ok(None);
        }
        let limit = self.left.min(limits::PAGE_MAX);
        let mut page = self.client.call(&Call::get(&format!("{}&limit={limit}{}", self.target, self.cursor)))?;
        let next = page.get("next_cursor").and_then(Value::as_str).map(|next| format!("&cursor={}", encoded(next)));
        self.more = next.is_some();
        self.cursor = next.unwrap_or_default();
        let items = items(&mut page);
        self.left -= items.len().min(self.left);
        Ok(Some(items))
    }

    /// All that is left.
    ///
    /// # Errors
    /// Those of the route.
    pub(super) fn all(mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while let Some(page) = self.next()? {
            all.extend(page);
        }
        Ok(all)
    }
}
