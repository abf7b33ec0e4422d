//! What a caller may do, and in which namespaces.
//!
//! Whoever may not see a namespace learns nothing about it: a memory of it is not found, lists and
//! recall leave it out. Naming it is refused.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use soma_core::engine::{Engine, Target};
use soma_core::error::Code;
use soma_core::ids::{MemoryId, Namespace};
use soma_core::recall::Scope;
use soma_core::{Error, Result, limits};

use crate::http::audit;
use crate::http::endpoint::Right;
use crate::http::problem::Problem;

/// The rights of one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// By what people know who has them.
    pub(super) name: String,
    /// What it may do; never `Open`.
    pub(super) rights: Vec<Right>,
    /// Namespaces by name.
    pub(super) namespaces: Vec<Namespace>,
    /// Every namespace that begins with one of these; an empty one is everything.
    pub(super) prefixes: Vec<String>,
}

impl Grant {
    /// Everything everywhere.
    pub(crate) fn all(name: &str) -> Self {
        let rights = vec![Right::Read, Right::Write, Right::Admin];
        Self { name: name.to_owned(), rights, namespaces: Vec::new(), prefixes: vec![String::new()] }
    }

    /// Refuses a right that the caller has not.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn may(&self, right: Right) -> Result<()> {
        if right == Right::Open || self.rights.contains(&right) {
            return Ok(());
        }
        let word = right.as_str();
        Err(Error::new(Code::Forbidden, format!("the token has not the right {word}"))
            .remedy("use a token that has it; the operator lists them in SOMA_API_TOKENS_FILE"))
    }

    /// Whether no namespace is left out.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.prefixes.iter().any(String::is_empty)
    }

    /// Whether the caller may know of this namespace.
    pub(crate) fn covers(&self, namespace: &Namespace) -> bool {
        self.namespaces.contains(namespace) || self.prefixes.iter().any(|p| namespace.as_str().starts_with(p))
    }

    /// Refuses a namespace that the caller may not name.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn demand(&self, namespace: &Namespace) -> Result<()> {
        audit::note_namespace(namespace.as_str());
        if self.covers(namespace) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, format!("the token is not bound to the namespace {namespace}"))
            .at("namespace")
            .remedy("name a namespace of the token, or use another token"))
    }

    /// Refuses whoever is bound to some namespaces only.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn everywhere(&self) -> Result<()> {
        if self.is_everywhere() {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "the answer counts all namespaces, and the token is bound to some")
            .remedy("list namespaces instead, or use a token for all of them"))
    }

    /// The namespace of a memory that may be changed: as the records have it, else as the caller named it.
    ///
    /// # Errors
    /// `forbidden` for a named namespace that the token is not bound to; `not_found` for a memory of one.
    pub(crate) async fn target(
        &self,
        engine: &Engine,
        id: MemoryId,
        named: Option<Namespace>,
    ) -> Result<Option<Namespace>> {
        if let Some(named) = &named {
            self.demand(named)?;
        }
        if self.is_everywhere() && (named.is_some() || !audit::is_noting()) {
            return Ok(named);
        }
        let state = engine.store.states(&[id]).await?.into_iter().next();
        let owner = state.and_then(|state| state.namespace);
        if let Some(owner) = &owner {
            audit::note_namespace(owner.as_str());
        }
        if self.is_everywhere() {
            return Ok(named);
        }
        match owner {
            Some(owner) if !self.covers(&owner) => Err(Target::unknown(id)),
            // Named again, so that the engine refuses it if it turns out to be another one.
            Some(owner) => Ok(named.or(Some(owner))),
            None => Ok(named),
        }
    }

    /// Hides a memory of a namespace that the token is not bound to.
    ///
    /// # Errors
    /// `not_found`, as for a memory that nobody knows.
    pub(crate) async fn visible(&self, engine: &Engine, id: MemoryId) -> Result<()> {
        if self.is_everywhere() {
            return Ok(());
        }
        let state = engine.store.states(&[id]).await?.into_iter().next();
        let seen = state.and_then(|state| state.namespace).is_some_and(|owner| self.covers(&owner));
        if seen { Ok(()) } else { Err(unknown(id)) }
    }

    /// The part of a scope that the caller may see: names are demanded, a prefix is cut.
    ///
    /// # Errors
    /// `forbidden` for a name; `unavailable`, `corrupt`.
    pub(crate) async fn narrow(&self, engine: &Engine, scope: Scope) -> Result<Scope> {
        let prefix = match scope {
            Scope::Namespaces(names) => {
                names.iter().try_for_each(|name| self.demand(name))?;
                return Ok(Scope::Namespaces(names));
            }
            Scope::Prefix(prefix) => prefix,
        };
        audit::note_prefix(&prefix);
        if self.prefixes.iter().any(|bound| prefix.starts_with(bound)) {
            return Ok(Scope::Prefix(prefix));
        }
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = engine.namespaces(&prefix, cursor.as_deref(), limits::PAGE_MAX).await?;
            seen.extend(page.items.into_iter().map(|count| count.namespace).filter(|name| self.covers(name)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Scope::Namespaces(seen));
            }
        }
    }
}

fn unknown(id: MemoryId) -> Error {
    Error::new(Code::NotFound, format!("no memory {id} is known"))
        .remedy("check the id; after a write, read with the position that it returned")
}

/// Who calls, as the guard found it.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Arc<Grant>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Problem> {
        let missing = || Problem(Error::new(Code::Internal, "a route is not guarded").remedy("report this"));
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
