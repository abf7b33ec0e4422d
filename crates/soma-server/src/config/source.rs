//! Where settings come from: flags, the environment, `./.env`, defaults.
//!
//! The only file that reads the environment. Secrets never leave a [`Setting`] in clear.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use soma_core::Error;
use soma_core::error::Code;

use super::Secret;

/// One variable that the program understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// Its value when nobody sets it; empty means unset.
    pub default: &'static str,
    /// What it is for, in a phrase.
    pub about: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

impl Variable {
    /// A variable whose value may be shown.
    pub(crate) const fn new(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, default, about, secret: false }
    }

    /// A variable whose value must never be shown.
    pub(crate) const fn secret(name: &'static str, about: &'static str) -> Self {
        Self { name, default: "", about, secret: true }
    }
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of the command.
    Flag,
    /// A variable of the environment.
    Environment,
    /// The file `./.env`.
    File,
    /// Nobody.
    Default,
}

impl Origin {
    /// The word that people and programs read.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => ".env",
            Self::Default => "default",
        }
    }
}

/// One variable with its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The variable.
    pub variable: Variable,
    /// Its value as it may be shown; `None` is unset.
    pub shown: Option<String>,
    /// Who set it.
    pub origin: Origin,
}

/// All raw values, by origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// Values of flags, by the name of their variable.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The file.
    pub file: BTreeMap<String, String>,
    /// What is wrong with the file.
    pub problems: Vec<String>,
}

impl Source {
    /// Reads the environment of this process and, unless it is unwanted, `./.env`.
    pub(crate) fn of_process(flags: BTreeMap<&'static str, String>, with_file: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
        let variables = std::env::vars_os();
        let utf8 = |s: std::ffi::OsString| s.into_string().ok();
        let environment = variables.filter_map(|(k, v)| Some((utf8(k)?, utf8(v)?))).collect();
        let mut source = Self { flags, environment, ..Self::default() };
        if with_file {
            source.read_file(Path::new(".env"));
        }
        source
    }

    fn read_file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.parse_file(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.problems.push(format!("./.env cannot be read: {error}")),
        }
    }

    /// Lines of `NAME=value`, with `export` before it and quotes around the value if need be.
    pub(crate) fn parse_file(&mut self, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=').and_then(|(name, value)| Some((name.trim(), unquote(value.trim())?))) {
                Some((name, value)) if is_name(name) => drop(self.file.insert(name.to_owned(), value)),
                _ => self.problems.push(format!("./.env line {} is not of the form NAME=value", number + 1)),
            }
        }
    }

    fn get(&self, name: &'static str) -> Option<(&str, Origin)> {
        let flag = self.flags.get(name).map(|v| (v, Origin::Flag));
        let variable = self.environment.get(name).map(|v| (v, Origin::Environment));
        let file = self.file.get(name).map(|v| (v, Origin::File));
        [flag, variable, file].into_iter().flatten().map(|(v, o)| (v.trim(), o)).find(|(v, _)| !v.is_empty())
    }
}

/// How many letters have to be put in, left out or changed to make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let least = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[b.len()]
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The value without its quotes, or without the comment behind it; `None` when a quote stays open.
fn unquote(value: &str) -> Option<String> {
    let quote = match value.chars().next() {
        Some(c @ ('"' | '\'')) => c,
        _ => return Some(value.split(" #").next().unwrap_or_default().trim_end().to_owned()),
    };
    let (inner, rest) = value[1..].split_once(quote)?;
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then(|| inner.to_owned())
}

/// Beginnings of names that are ours, so that a misspelt one is noticed.
const OUR_PREFIXES: &[&str] = &["SOMA_", "KAFKA_", "POSTGRES_", "QDRANT_", "SCHEMA_REGISTRY_", "CONSUMER_"];

/// Names of ours that other programs read.
const READ_ELSEWHERE: &[&str] = &["POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"];

/// What begins so is handed on as it is, whatever follows.
const FREE_PREFIX: &str = "KAFKA_CONFIG_";

/// Hands out values one by one and remembers what was wrong.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Source,
    settings: Vec<Setting>,
    problems: Vec<Error>,
    warnings: Vec<String>,
}

/// What remains when everything has been read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Every variable asked for.
    pub settings: Vec<Setting>,
    /// What makes a start impossible.
    pub problems: Vec<Error>,
    /// What looks like a mistake.
    pub warnings: Vec<String>,
}

impl Reader {
    /// Starts with what the file's syntax has to say.
    pub(crate) fn new(source: Source) -> Self {
        let problems = source.problems.iter().map(|p| Error::new(Code::BadConfig, p.clone())).collect();
        Self { source, settings: Vec::new(), problems, warnings: Vec::new() }
    }

    /// The text of a variable, or its default; `None` when it has neither.
    pub(crate) fn text(&mut self, variable: &Variable) -> Option<String> {
        let (value, origin) = match self.source.get(variable.name) {
            Some((value, origin)) => (Some(value.to_owned()), origin),
            None => ((!variable.default.is_empty()).then(|| variable.default.to_owned()), Origin::Default),
        };
        let shown = if variable.secret { value.as_ref().map(|_| "<hidden>".to_owned()) } else { value.clone() };
        self.settings.push(Setting { variable: *variable, shown, origin });
        value
    }

    /// A secret: from its variable, or from the file that another variable names; `None` when neither is set.
    pub(crate) fn secret(&mut self, variable: &Variable, file: &Variable) -> Option<Secret> {
        let text = self.text(variable);
        let path = self.text(file);
        match (text, path) {
            (Some(_), Some(_)) => {
                self.problem(format!("{} and {} are both set; unset one", variable.name, file.name), variable.name);
                None
            }
            (Some(text), None) => Some(Secret(text)),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) if !text.trim().is_empty() => Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Ok(_) => {
                    self.problem(format!("{}={path} is empty; write the secret into it", file.name), file.name);
                    None
                }
                Err(error) => {
                    self.problem(format!("{}={path} cannot be read: {error}", file.name), file.name);
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// What is handed on as it is: the rest of each name behind the free prefix, and its value. The
    /// environment beats the file.
    pub(crate) fn free(&mut self) -> BTreeMap<String, String> {
        let file = self.source.file.iter();
        let all = file.chain(&self.source.environment);
        all.filter_map(|(name, value)| Some((name.strip_prefix(FREE_PREFIX)?.to_owned(), value.trim().to_owned())))
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .collect()
    }

    /// The parsed value of a variable that may be unset; a wrong one is remembered as a problem.
    pub(crate) fn optional<T>(&mut self, variable: &Variable, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(variable)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                let shown = if variable.secret { String::new() } else { format!("={text}") };
                self.problem(format!("{}{shown} {why}", variable.name), variable.name);
                None
            }
        }
    }

    /// The parsed value of a variable that has a default.
    pub(crate) fn required<T>(&mut self, variable: &Variable, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.optional(variable, &parse).unwrap_or_else(|| parse(variable.default).expect("a default parses"))
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self, name: &'static str) -> bool {
        self.source.get(name).is_some()
    }

    /// Shows another value for a variable whose default is computed.
    pub(crate) fn show(&mut self, name: &'static str, value: String) {
        if let Some(setting) = self.settings.iter_mut().find(|s| s.variable.name == name) {
            setting.shown = Some(value);
        }
    }

    /// Remembers a reason not to start.
    pub(crate) fn problem(&mut self, message: impl Into<String>, name: &'static str) {
        self.problems.push(Error::new(Code::BadConfig, message).at(name));
    }

    /// Remembers something odd.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// Warns of names that look like ours and are not.
    pub(crate) fn note_unknown(&mut self) {
        let known: BTreeSet<&str> = self.settings.iter().map(|s| s.variable.name).collect();
        let names = self.source.environment.keys().chain(self.source.file.keys());
        let unknown: BTreeSet<String> = names
            .filter(|name| OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
            .filter(|name| !name.starts_with(FREE_PREFIX))
            .filter(|name| !known.contains(name.as_str()) && !READ_ELSEWHERE.contains(&name.as_str()))
            .cloned()
            .collect();
        let nearest = |name: &str| known.iter().copied().min_by_key(|known| distance(name, known));
        let warnings = unknown.iter().map(|name| match nearest(name) {
            Some(nearest) => {
                format!("{name} is set but has no meaning here; the nearest name is {nearest}, `soma config` lists all")
            }
            None => format!("{name} is set but has no meaning here"),
        });
        self.warnings.extend(warnings.collect::<Vec<_>>());
    }

    /// Everything that was read and noticed.
    pub(crate) fn finish(self) -> Read {
        Read { settings: self.settings, problems: self.problems, warnings: self.warnings }
    }
}
