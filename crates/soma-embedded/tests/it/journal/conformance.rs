//! The journal passes the suites of the ports that it fills.

use std::sync::{Arc, Mutex};

use soma_core::log::{DeadLetters, EventLog};
use soma_core::testing::conformance;
use soma_embedded::journal::Journal;
use tempfile::TempDir;

use super::{folder, open};

/// Folders of journals, kept until the suite has ended.
#[derive(Default)]
struct Folders(Mutex<Vec<TempDir>>);

impl Folders {
    fn journal(&self) -> Arc<Journal> {
        let folder = folder();
        let journal = open(folder.path()).expect("an empty folder opens");
        self.0.lock().expect("nobody panics while holding the lock").push(folder);
        Arc::new(journal)
    }
}

#[tokio::test]
async fn the_journal_is_an_event_log() {
    let folders = Folders::default();
    conformance::event_log(async || folders.journal() as Arc<dyn EventLog>).await;
}

#[tokio::test]
async fn the_journal_keeps_dead_letters() {
    let folders = Folders::default();
    conformance::dead_letters(async || folders.journal() as Arc<dyn DeadLetters>).await;
}
