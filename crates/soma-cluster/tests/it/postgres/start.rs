//! What the start finds, and what it says.

use std::sync::Arc;

use futures::future::join_all;
use soma_cluster::postgres::Records;
use soma_core::error::Code;
use soma_core::testing::SeededClock;

use super::{connect, project, schema, settings};

async fn refusal(url: &str) -> soma_core::Error {
    Records::connect(&settings(url), Arc::new(SeededClock::new(1))).await.map(|_| ()).expect_err("it is refused")
}

#[tokio::test]
async fn many_that_start_at_once_make_the_tables_once() {
    let Some(schema) = schema().await else { return };
    let opened = join_all((0..8).map(|_| schema.open())).await;
    let sql = "SELECT count(*) FROM soma_migrations";
    let made: i64 = schema.client().await.query_one(sql, &[]).await.expect("reads").get(0);
    assert_eq!(made, 1);
    for records in &opened {
        assert_eq!(records.facts().await.expect("facts").tables, (1, 1));
    }
    project(&opened[0], vec![super::created(1, 1, serde_json::json!(1))]).await;
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let Some(schema) = schema().await else { return };
    schema.open().await;
    schema.client().await.batch_execute("INSERT INTO soma_migrations (version) VALUES (99)").await.expect("inserts");
    let error = schema.try_open().await.map(|_| ()).expect_err("a newer program made them");
    assert_eq!(error.code, Code::FormatTooNew);
}

#[tokio::test]
async fn what_the_operator_must_mend_is_named() {
    let Some(schema) = schema().await else { return };
    let client = connect(&schema.server).await;
    let user: String = client.query_one("SELECT current_user::text", &[]).await.expect("reads").get(0);
    let (_, address) = schema.server.split_once('@').expect("the URL names a user");

    let error = refusal(&format!("postgres://{user}:not-the-password@{address}")).await;
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.to_string().contains("password") && !error.to_string().contains("not-the-password"), "{error}");

    let (login, rest) = schema.server.rsplit_once('/').expect("the URL names a database");
    let query = rest.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let error = refusal(&format!("{login}/no_such_database{query}")).await;
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.to_string().contains("no_such_database"), "{error}");

    let error = refusal(&schema.url.replace(&schema.schema, "no_such_schema")).await;
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.to_string().contains("search_path"), "{error}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_to_grant() {
    let Some(schema) = schema().await else { return };
    let role = format!("{}_role", schema.schema);
    let client = schema.client().await;
    let sql = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT USAGE ON SCHEMA {} TO {role}",
        schema.schema
    );
    client.batch_execute(&sql).await.expect("the user may make roles");
    let (_, address) = schema.url.split_once('@').expect("the URL names a user");
    let url = format!("postgres://{role}:p@{address}");
    let error = refusal(&url).await;
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.to_string().contains("GRANT"), "{error}");

    // With the tables made by their owner it needs no right to make any.
    schema.open().await;
    let grants = format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA {0} TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA {0} TO {role}",
        schema.schema
    );
    client.batch_execute(&grants).await.expect("grants");
    let records = Records::connect(&settings(&url), Arc::new(SeededClock::new(1))).await.expect("it has what it needs");
    project(&records, vec![super::created(1, 1, serde_json::json!(1))]).await;
    let facts = records.facts().await.expect("facts");
    assert!(!facts.may_create && !facts.may_end_sessions, "{facts:?}");
    drop(records);
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("drops");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    // Whether or not there is a server to test with: nobody listens on port 1.
    let error = refusal("postgres://soma:secret@127.0.0.1:1/soma").await;
    assert_eq!(error.code, Code::Unavailable);
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn the_server_is_described() {
    let Some(schema) = schema().await else { return };
    let facts = schema.open().await.facts().await.expect("facts");
    assert!(facts.server_version.starts_with(|c: char| c.is_ascii_digit()), "{facts:?}");
    assert!(facts.may_create && !facts.in_recovery && facts.tls.is_none(), "{facts:?}");
    assert_eq!(facts.schema, schema.schema);
    // The clock of the test stands still in 2024.
    assert!(facts.clock_skew_ms > 0, "{facts:?}");
}

#[tokio::test]
async fn a_log_has_the_generation_to_which_it_was_renewed() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    assert_eq!(records.generation("cluster/topic").await.expect("reads"), 1);
    let renewed = join_all((0..4).map(|_| records.renew("cluster/topic"))).await;
    let mut renewed: Vec<u64> = renewed.into_iter().map(|result| result.expect("renews")).collect();
    renewed.sort_unstable();
    assert_eq!(renewed, [2, 3, 4, 5]);
    assert_eq!(records.generation("cluster/topic").await.expect("reads"), 5);
    assert_eq!(records.generation("cluster/other").await.expect("reads"), 1);
}
