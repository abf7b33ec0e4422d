//! What one check found.

use serde_json::{Value, json};
use soma_core::Error;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work, or will not for long.
    Failed,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) state: State,
    measured: String,
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, measured: impl Into<String>) -> Self {
        Self { check, state: State::Ok, measured: measured.into(), remedy: None }
    }

    pub(super) fn warning(check: &'static str, measured: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, state: State::Warning, measured: measured.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn failed(check: &'static str, measured: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, state: State::Failed, measured: measured.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn of_error(check: &'static str, error: &Error) -> Self {
        Self { check, state: State::Failed, measured: error.message.clone(), remedy: error.remedy.clone() }
    }

    pub(super) fn line(&self, width: usize) -> String {
        let remedy =
            self.remedy.as_ref().map(|remedy| format!("\n{:width$}           → {remedy}", "")).unwrap_or_default();
        format!("{:width$}  {:7}  {}{remedy}", self.check, self.state.as_str(), self.measured)
    }

    pub(super) fn shape(&self) -> Value {
        json!({
            "check": self.check, "state": self.state.as_str(), "measured": self.measured, "remedy": self.remedy,
        })
    }
}
