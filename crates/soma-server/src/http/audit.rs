//! Who did what: one line of JSON for every write, delete, recall and refused access.
//!
//! ```text
//! {"time":"2026-01-02T03:04:05.000006Z","who":"ci","from":"10.0.0.7","action":"write","method":"POST",
//!  "route":"/v1/memories","target":"/v1/memories","namespaces":["demo"],"status":201,"result":"ok"}
//! ```
//!
//! `who` is the name of the token, `null` for a caller that nobody knows. The target is a path without its
//! query, because filters hold what memories hold; payloads and questions never stand here.
//!
//! Invariants:
//! - The line is written before the answer is sent: what was answered is in the log.
//! - A line that cannot be written does not take the request back, which may be done already. It goes to
//!   the log of the process instead, as an error, so it is neither lost nor overlooked.
//! - A file that somebody moved away is opened anew, so that it can be rotated.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::{Map, Value};
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::endpoint::{Right, Verb};
use crate::config::api::AuditTo;

/// The most names of one request that stand in its line.
const NAMES_MAX: usize = 100;
/// A file of ours is for its owner, and its group may read it.
const MODE: u32 = 0o640;

/// What a request does, as far as this log cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Looks at something; noted only when it is refused.
    Read,
    /// Stores or replaces memories.
    Write,
    /// Deletes memories.
    Delete,
    /// Asks a question.
    Recall,
    /// Works on the system itself: verifies, repairs, redrives.
    Operate,
}

impl Action {
    /// That of a route.
    pub(super) fn of(verb: Verb, path: &str, right: Right) -> Self {
        match (verb, right) {
            (Verb::Post, Right::Read) if path == "/v1/recall" => Self::Recall,
            (Verb::Delete, Right::Write) => Self::Delete,
            (Verb::Post | Verb::Put, Right::Write) => Self::Write,
            (Verb::Post | Verb::Put | Verb::Delete, Right::Admin) => Self::Operate,
            (Verb::Get, _) | (_, Right::Open | Right::Read) => Self::Read,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Recall => "recall",
            Self::Operate => "operate",
        }
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) from: Option<IpAddr>,
    pub(super) method: String,
    pub(super) route: String,
    /// The path alone.
    pub(super) target: String,
}

/// How it ended.
pub(super) struct Outcome {
    /// The name of the token.
    pub(super) who: Option<String>,
    pub(super) status: StatusCode,
    /// The code of a problem.
    pub(super) code: Option<Code>,
    pub(super) named: Named,
}

/// What a request names, or reaches without naming it.
#[derive(Debug, Default)]
pub(super) struct Named {
    namespaces: BTreeSet<String>,
    prefixes: BTreeSet<String>,
}

tokio::task_local! {
    static NAMED: RefCell<Named>;
}

/// Runs a request, and answers with what it names as well.
pub(super) async fn noting<T>(request: impl Future<Output = T>) -> (T, Named) {
    let noted = async {
        let answer = request.await;
        (answer, NAMED.with(RefCell::take))
    };
    NAMED.scope(RefCell::default(), noted).await
}

/// Whether somebody wants to know what this request reaches.
pub(super) fn is_noting() -> bool {
    NAMED.try_with(|_| ()).is_ok()
}

/// Notes that this request is about a namespace.
pub(super) fn note_namespace(name: &str) {
    // Nobody listens when there is no log.
    let _ = NAMED.try_with(|named| named.borrow_mut().namespaces.insert(name.to_owned()));
}

/// Notes that this request is about all namespaces that begin so.
pub(super) fn note_prefix(prefix: &str) {
    let _ = NAMED.try_with(|named| named.borrow_mut().prefixes.insert(prefix.to_owned()));
}

/// Where lines go.
enum Sink {
    Stdout,
    File { path: PathBuf, file: File },
}

/// The log of who did what.
pub(crate) struct Audit {
    sink: Mutex<Sink>,
    clock: Arc<dyn Clock>,
}

impl Audit {
    /// Opens it.
    ///
    /// # Errors
    /// `bad_config` for a file that cannot be written.
    pub(crate) fn open(to: &AuditTo, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let sink = match to {
            AuditTo::Stdout => Sink::Stdout,
            AuditTo::File(path) => {
                let file = opened(path).map_err(|error| {
                    Error::new(Code::BadConfig, format!("the audit log {} cannot be written: {error}", path.display()))
                        .at("SOMA_AUDIT_LOG")
                        .remedy("name a file that this process may write, or stdout")
                })?;
                Sink::File { path: path.clone(), file }
            }
        };
        Ok(Arc::new(Self { sink: Mutex::new(sink), clock }))
    }

    /// Writes down what has to be: everything but a look that nobody refused.
    pub(super) fn note(&self, request: &Request, outcome: &Outcome) {
        let is_refused = matches!(outcome.code, Some(Code::Unauthorized | Code::Forbidden | Code::RateLimited));
        if request.action == Action::Read && !is_refused {
            return;
        }
        let line = self.line(request, outcome);
        if let Err(error) = self.write(&line) {
            tracing::error!(audit.line = line, "a line of the audit log could not be written: {error}");
        }
    }

    fn line(&self, request: &Request, outcome: &Outcome) -> String {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        put("time", self.clock.now().to_string().into());
        put("who", outcome.who.clone().into());
        put("from", request.from.map(|from| from.to_string()).into());
        put("action", request.action.as_str().into());
        put("method", request.method.clone().into());
        put("route", request.route.clone().into());
        put("target", request.target.clone().into());
        put("namespaces", names(&outcome.named.namespaces));
        if !outcome.named.prefixes.is_empty() {
            put("prefixes", names(&outcome.named.prefixes));
        }
        put("status", outcome.status.as_u16().into());
        put("result", outcome.code.map_or("ok", Code::as_str).into());
        Value::Object(line).to_string()
    }

    fn write(&self, line: &str) -> std::io::Result<()> {
        let line = format!("{line}\n");
        match &mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.flush()
            }
            Sink::File { path, file } => {
                if !is_at(file, path) {
                    *file = opened(path)?;
                }
                file.write_all(line.as_bytes())
            }
        }
    }
}

fn names(all: &BTreeSet<String>) -> Value {
    let shown: Vec<&String> = all.iter().take(NAMES_MAX).collect();
    let mut names: Vec<Value> = shown.into_iter().map(|name| Value::from(name.as_str())).collect();
    if all.len() > NAMES_MAX {
        names.push(format!("and {} more", all.len() - NAMES_MAX).into());
    }
    names.into()
}

fn opened(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// Whether the file still lies where it was opened.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |meta: Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}
