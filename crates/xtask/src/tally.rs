//! Sums up what test binaries say about themselves.
//!
//! A run can be green because nothing ran: the tally therefore knows the tiers that must have run,
//! and fails when one of them did not.

#[cfg(test)]
mod tests;

use crate::cargo::Result;

/// The tiers of the test plan: each needs at least one passing test whose name contains the text.
const TIERS: &[Tier] = &[
    Tier { name: "structure checks", contains: "structure::" },
    Tier { name: "corpus", contains: "corpus::" },
    Tier { name: "properties of the codec", contains: "make_the_codec_panic" },
    Tier { name: "properties of the fold", contains: "two_interleavings" },
    Tier { name: "golden scripts", contains: "golden" },
    Tier { name: "conformance suites", contains: "conformance::" },
    Tier { name: "simulation", contains: "simulation::" },
    Tier { name: "crash test", contains: "crash::" },
    Tier { name: "example conversation", contains: "examples::" },
];

struct Tier {
    name: &'static str,
    contains: &'static str,
}

/// What was read so far.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
    binaries: usize,
    krate: String,
    binary: String,
    closings: Vec<String>,
    names: Vec<String>,
    failures: Vec<String>,
}

impl Tally {
    /// Reads one line of `cargo test`.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(binary) = line.strip_prefix("Running ") {
            self.begin(binary);
        } else if let Some(krate) = line.strip_prefix("Doc-tests ") {
            self.binary = format!("{krate}, documentation");
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
            self.binaries += 1;
            if !counts.starts_with("ok. 0 passed; 0 failed; 0 ignored") {
                self.closings.push(format!("{}: {line}", self.binary));
            }
        } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... ok")) {
            self.names.push(name.to_owned());
        } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            self.failures.push(format!("{}: {name}", self.binary));
        }
    }

    /// Reads the name of a binary from `unittests src/lib.rs (…/deps/soma_core-1f)`. Integration tests have
    /// one name in all crates; cargo runs them after the unit tests of their crate, which names them.
    fn begin(&mut self, binary: &str) {
        let file = binary.rsplit('/').next().unwrap_or(binary).trim_end_matches(')');
        let name = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
        if binary.starts_with("unittests") {
            name.clone_into(&mut self.krate);
            self.binary = format!("{name}, unit");
        } else {
            self.binary = format!("{}, {name}", self.krate);
        }
    }

    /// The closing line of each binary in which a test ran, with the binary's name before it.
    pub(crate) fn closings(&self) -> &[String] {
        &self.closings
    }

    /// All of it in one line.
    pub(crate) fn summary(&self) -> String {
        let Self { passed, failed, ignored, binaries, .. } = self;
        format!("tests: {passed} passed, {failed} failed, {ignored} ignored, in {binaries} test binaries")
    }

    /// Fails when a test failed, was ignored, or none ran.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            return Err(format!("{} tests failed:\n  {}", self.failed, self.failures.join("\n  ")));
        }
        if self.ignored > 0 {
            return Err(format!("{} tests are ignored; make them run or remove them", self.ignored));
        }
        if self.passed == 0 {
            return Err("no test ran".into());
        }
        Ok(())
    }

    /// Fails when a tier did not run.
    pub(crate) fn tiers(&self) -> Result<()> {
        let ran = |tier: &&Tier| self.names.iter().any(|name| name.contains(tier.contains));
        let missing: Vec<_> = TIERS.iter().filter(|tier| !ran(tier)).map(|tier| tier.name).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("these tiers of tests did not run: {}", missing.join(", ")))
        }
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}
