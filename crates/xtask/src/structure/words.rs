//! Words that may not stand in the repository.

#[cfg(test)]
mod tests;

use super::{File, Finding, Tree, has_word, numbered};

/// Nothing is left for later, no debugging remains, and no test waits by the clock or is switched off.
pub(crate) fn unfinished(tree: &Tree) -> Vec<Finding> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let calls = [
        ("todo!", "write it, or return an error that says what is missing"),
        ("unimplemented!", "write it, or return an error that says what is missing"),
        ("dbg!", "remove it, or log with `tracing`"),
        ("#[ignore", "make the test run, or remove it"),
        ("thread::sleep", "wait for the event itself; a sleep is a guess"),
    ];
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_ours(file)) {
        for (number, line) in numbered(&file.text) {
            if let Some(note) = notes.iter().find(|note| has_word(line, note)) {
                findings.push(file.finding(number, format!("`{note}`; do it, or make it an issue")));
            }
        }
    }
    for (file, views) in tree.rust() {
        for (number, line) in numbered(&views.code) {
            if let Some((call, remedy)) = calls.iter().find(|(call, _)| has_word(line, call)) {
                findings.push(file.finding(number, format!("`{call}`; {remedy}")));
            }
        }
    }
    findings
}

/// A failure says why it cannot happen, or is returned.
pub(crate) fn unwraps(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, views) in tree.rust() {
        for (number, line) in numbered(&views.code).filter(|(_, line)| line.contains(".unwrap()")) {
            let _ = line;
            findings.push(file.finding(number, "`unwrap`; return the error, or `expect(\"why it cannot fail\")`"));
        }
    }
    findings
}

/// Nothing names one machine: no home folders, no hosts of a company's registry, no borrowed data.
pub(crate) fn machines(tree: &Tree) -> Vec<Finding> {
    let names = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("C:", "\\Us", "ers"),
        concat!("arti", "factory"),
        concat!("dev", "pi."),
    ];
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        if file.path.to_lowercase().contains(concat!("loco", "mo")) {
            findings.push(file.finding(1, "a data set whose licence does not allow it here; remove it"));
        }
        for (number, line) in numbered(&file.text) {
            if let Some(name) = names.iter().find(|name| line.contains(**name)) {
                findings.push(
                    file.finding(number, format!("`{name}` names one machine; use a relative path or a setting")),
                );
            }
        }
    }
    findings
}

/// American spelling and its British one. Names from elsewhere (`serialize`, `color` in code) stay
/// as they are: only comments, strings and documents are read, without what stands in backticks.
const SPELLING: &[(&str, &str)] = &[
    ("analyze", "analyse"),
    ("analyzed", "analysed"),
    ("artifact", "artefact"),
    ("artifacts", "artefacts"),
    ("behavior", "behaviour"),
    ("behaviors", "behaviours"),
    ("canceled", "cancelled"),
    ("canceling", "cancelling"),
    ("canonicalize", "canonicalise"),
    ("canonicalized", "canonicalised"),
    ("catalog", "catalogue"),
    ("center", "centre"),
    ("color", "colour"),
    ("colors", "colours"),
    ("defense", "defence"),
    ("favor", "favour"),
    ("favorite", "favourite"),
    ("fulfill", "fulfil"),
    ("gray", "grey"),
    ("honor", "honour"),
    ("honors", "honours"),
    ("initialize", "initialise"),
    ("initialized", "initialised"),
    ("labeled", "labelled"),
    ("maximize", "maximise"),
    ("minimize", "minimise"),
    ("modeled", "modelled"),
    ("neighbor", "neighbour"),
    ("neighbors", "neighbours"),
    ("normalization", "normalisation"),
    ("normalize", "normalise"),
    ("normalized", "normalised"),
    ("normalizes", "normalises"),
    ("optimization", "optimisation"),
    ("optimize", "optimise"),
    ("optimized", "optimised"),
    ("organize", "organise"),
    ("organized", "organised"),
    ("recognize", "recognise"),
    ("recognized", "recognised"),
    ("summarize", "summarise"),
    ("summarized", "summarised"),
    ("synchronize", "synchronise"),
    ("synchronized", "synchronised"),
    ("traveled", "travelled"),
    ("traveling", "travelling"),
    ("unrecognized", "unrecognised"),
];

/// The repository speaks British English.
pub(crate) fn spelling(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_ours(file)) {
        let text = match &file.views {
            Some(views) => &views.words,
            None if [".md", ".py", ".sh", ".toml"].iter().any(|end| file.path.ends_with(end)) => &file.text,
            None => continue,
        };
        let mut fenced = false;
        for (number, line) in numbered(text) {
            if line.trim_start().trim_start_matches("//!").trim_start_matches("///").trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if fenced {
                continue;
            }
            let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`").to_lowercase();
            // A hyphen joins the names of packages, which stay as they are.
            let words: Vec<&str> = prose.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
            for (american, british) in SPELLING.iter().filter(|(american, _)| words.contains(american)) {
                findings.push(file.finding(
                    number,
                    format!("\"{american}\"; write \"{british}\" (a name from elsewhere goes into backticks)"),
                ));
            }
        }
    }
    findings
}

/// Whether the words in it are ours: not a licence, a lock file, or this list itself.
fn is_ours(file: &File) -> bool {
    let foreign =
        ["Cargo.lock", "LICENSE", "crates/xtask/src/structure/words.rs", "crates/xtask/src/structure/words/tests.rs"];
    !foreign.contains(&file.path.as_str())
}
