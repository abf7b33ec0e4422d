//! How SQLite answers lists.

use soma_core::store::Order;

use super::{list, thread};
use crate::directory::DataDir;
use crate::records::Records;

/// A page costs what it holds only if the index delivers the order.
#[test]
fn no_order_sorts_more_than_the_ties_of_one_moment() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let directory = DataDir::open(folder.path()).expect("the folder can be owned");
    let records = Records::open(&directory).expect("the store opens");
    let connection = records.shared.database.connect_reader().expect("a connection");
    for order in [Order::Newest, Order::Oldest, Order::Importance] {
        for sql in list::every_text(order) {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
            let plan = statement.query_map([rusqlite::types::Null; 3], |row| row.get::<_, String>(3)).expect("a plan");
            let plan = plan.collect::<Result<Vec<_>, _>>().expect("a plan").join("; ");
            assert!(plan.contains("USING INDEX memories_"), "{sql}: {plan}");
            assert!(!plan.contains("FOR ORDER BY"), "{sql}: {plan}");
            let sorts = plan.contains("TEMP B-TREE");
            assert!(!sorts || order == Order::Oldest, "{sql}: {plan}");
        }
    }
}

/// Neighbours and actors cost what is asked for, however long the thread is.
#[test]
fn turns_and_actors_are_found_along_their_indexes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let directory = DataDir::open(folder.path()).expect("the folder can be owned");
    let records = Records::open(&directory).expect("the store opens");
    let connection = records.shared.database.connect_reader().expect("a connection");
    for sql in thread::TEXTS {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
        let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
        let plan = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3));
        let plan = plan.expect("a plan").collect::<Result<Vec<_>, _>>().expect("a plan").join("; ");
        let along = ["COVERING INDEX memories_", "INDEX sqlite_autoindex_memories_1 (id=?)"];
        assert!(along.iter().any(|index| plan.contains(index)), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
