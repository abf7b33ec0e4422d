//! Another process: killed while it writes, it has lost nothing that it acknowledged.
//!

use std::collections::BTreeSet;

use soma_core::error::Code;
use soma_core::log::EventLog;

use super::super::child::{command, say, start, told};
use super::{append, folder, large, offset, open, read_all, record};

/// The offset that a line acknowledges; the test runner's own lines acknowledge none.
fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

#[tokio::test]
async fn append_until_killed() {
    let Some(folder) = told() else { return };
    let journal = open(&folder).expect("the journal opens");
    let first = u128::from(journal.bounds().await.expect("bounds are known")[0].next);
    for number in first.. {
        say(&format!("acknowledged {}", offset(&append(&journal, vec![record(number)]).await[0])));
    }
}

#[tokio::test]
async fn append_until_refused() {
    let Some(folder) = told() else { return };
    let journal = open(&folder).expect("the journal opens");
    for number in 0.. {
        match journal.append(vec![large(number, 4_000)]).await {
            Ok(appended) => say(&format!("acknowledged {}", offset(&appended[0]))),
            Err(e) => return say(&format!("refused {}", e.code)),
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let folder = folder();
    let mut seen = BTreeSet::new();
    for round in 1..=4 {
        let (mut child, mut lines) = start(&command("journal::child::append_until_killed", folder.path()));
        let mut count = 0;
        for line in lines.by_ref().map_while(Result::ok) {
            seen.extend(acknowledged(&line));
            count += usize::from(acknowledged(&line).is_some());
            if count == 10 * round {
                child.kill().expect("the child can be killed");
            }
        }
        child.wait().expect("the child has ended");
        let journal = open(folder.path()).expect("the journal opens after a kill");
        let read = read_all(&journal).await;
        let last = seen.last().expect("the child acknowledged offsets");
        assert!(*last < read.len() as u64, "{} records, {last} was acknowledged", read.len());
        for (index, stored) in read.iter().enumerate() {
            assert_eq!(stored.place.offset, index as u64);
            assert_eq!(stored.value, record(index as u128).value);
        }
        journal.check().await.expect("nothing is damaged");
    }
}

#[tokio::test]
async fn a_folder_in_use_by_another_process_names_that_process() {
    let folder = folder();
    let (mut child, mut lines) = start(&command("journal::child::append_until_killed", folder.path()));
    let running = lines.by_ref().map_while(Result::ok).any(|line| acknowledged(&line).is_some());
    assert!(running, "the child writes");
    let error = open(folder.path()).err().expect("the folder is in use");
    assert_eq!(error.code, Code::InUse);
    assert!(error.message.contains(&folder.path().display().to_string()), "{error}");
    assert!(error.message.contains(&format!("process {}", child.id())), "{error}");
    child.kill().expect("the child can be killed");
    child.wait().expect("the child has ended");
    open(folder.path()).expect("the lock ends with the process");
}

/// The operating system refuses every byte beyond the limit, in the WAL as in the file.
#[cfg(unix)]
#[tokio::test]
async fn files_that_cannot_grow_lose_nothing_acknowledged() {
    let folder = folder();
    let mut limited: Vec<String> =
        ["sh", "-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "sh"].map(String::from).into();
    limited.extend(command("journal::child::append_until_refused", folder.path()));
    let (mut child, lines) = start(&limited);
    let lines: Vec<_> = lines.map_while(Result::ok).collect();
    child.wait().expect("the child has ended");
    let seen = lines.iter().filter_map(|line| acknowledged(line)).count();
    assert!(seen > 0, "some appends fit: {lines:?}");
    let refused = lines.iter().any(|line| ["refused storage_full", "refused unavailable"].contains(&line.as_str()));
    assert!(refused, "the limit is reached, and said: {lines:?}");

    let journal = open(folder.path()).expect("the journal opens again");
    assert!(read_all(&journal).await.len() >= seen);
    journal.check().await.expect("nothing is damaged");
    append(&journal, vec![record(1_000_000)]).await;
}
