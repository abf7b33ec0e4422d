//! `soma config`: every setting, its value and where it came from.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::output::Output;
use crate::config::Config;

/// Prints all settings; secrets are hidden.
pub(super) fn run(config: &Config, out: &Output) -> ExitCode {
    let settings: Vec<Value> = config
        .settings
        .iter()
        .map(|setting| {
            json!({
                "name": setting.variable.name,
                "value": setting.shown,
                "origin": setting.origin.as_str(),
                "about": setting.variable.about,
            })
        })
        .collect();
    out.result(&json!({ "settings": settings, "warnings": config.warnings }), || {
        let width = config.settings.iter().map(|s| s.variable.name.len()).max().unwrap_or(0);
        let line = |s: &crate::config::Setting| {
            let value = s.shown.as_deref().unwrap_or("(unset)");
            format!("{:width$}  {value}  [{}]  {}", s.variable.name, s.origin.as_str(), s.variable.about)
        };
        let warnings = config.warnings.iter().map(|warning| format!("warning: {warning}"));
        config.settings.iter().map(line).chain(warnings).collect::<Vec<_>>().join("\n")
    });
    ExitCode::SUCCESS
}
