//! A full disk fails what does not fit, and nothing else.

use futures::future::join_all;
use soma_core::error::Code;
use soma_core::log::EventLog;

use super::{append, folder, large, offset, open, read_all, record};

#[tokio::test]
async fn a_full_file_refuses_appends_until_there_is_space_and_loses_none() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    journal.limit_pages(60).await.expect("the file can be limited");
    let mut kept = Vec::new();
    let error = loop {
        let number = kept.len() as u128;
        match journal.append(vec![large(number, 3_000)]).await {
            Ok(appended) => kept.push(offset(&appended[0])),
            Err(e) => break e,
        }
    };
    assert_eq!(error.code, Code::StorageFull);
    assert!(error.message.contains("journal.db"), "{error}");
    assert!(error.remedy.is_some());
    assert!(!kept.is_empty());

    let refused = join_all((500..510).map(|n| journal.append(vec![large(n, 100_000)]))).await;
    assert!(refused.iter().all(|r| r.as_ref().is_err_and(|e| e.code == Code::StorageFull)), "{refused:?}");
    assert_eq!(read_all(&journal).await.len(), kept.len(), "reading goes on, and nothing was half written");

    journal.limit_pages(u32::MAX - 1).await.expect("the limit can be raised");
    let appended = append(&journal, vec![record(900)]).await;
    assert_eq!(offset(&appended[0]), kept.len() as u64, "a failed append leaves no gap");
    drop(journal);
    let journal = open(folder.path()).expect("the journal opens again");
    assert_eq!(journal.check().await.expect("nothing is damaged").records, kept.len() as u64 + 1);
}
