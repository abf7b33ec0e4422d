//! The record store in PostgreSQL 15 or newer.
//!
//! Invariants:
//!
//! - Records and position are committed together: what a position has passed is in the tables, and
//!   nothing else is.
//! - Whoever loads a memory holds its row until the end of the transaction. A row that does not exist
//!   yet cannot be locked: the first event of a memory is unique instead (`memory_events_first`), and
//!   whoever comes second is told `contended` and reads again.
//! - A `rev` is drawn after every row of the batch is held, once, also when its transaction is rolled
//!   back; so of two writers of one memory the later one has the higher `rev`.
//! - A record transaction holds an advisory lock that names its partition. By it a successor finds the
//!   session of its predecessor and ends it.
//! - A connection never returns to its pool inside a transaction, nor while a statement runs on it.
//!
//! All that is kept lies in the schema that the connection's `search_path` begins with. It decides
//! nothing about meaning: what a batch changes is computed by [`soma_core::fold`]. It never tries
//! again: it says by a code what happened ([`classify`]), and the projector decides.

mod apply;
pub mod bare;
mod classify;
mod columns;
mod count;
mod facts;
mod generations;
mod link;
mod list;
mod listen;
mod load;
mod migrate;
mod narrow;
mod position;
mod progress;
mod read;
mod row;
mod schema;
mod settings;
mod staging;
mod thread;
mod tls;

use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::error::Result;

pub use facts::{Facts, facts};
pub use settings::{Settings, SslMode};

use link::Link;
use progress::Board;
use schema::Schema;

/// The record store of one schema of one database. Clones share its connections.
#[derive(Clone)]
pub struct Records {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    schema: Schema,
    board: Board,
    clock: Arc<dyn Clock>,
}

impl Records {
    /// Connects, and brings the tables to this version. Several processes may do so at once.
    ///
    /// Up to `pool_size` connections serve reads and as many record transactions; one more listens
    /// while somebody waits for a position.
    ///
    /// # Errors
    /// `bad_config` for what only the operator can mend: the password, the database, TLS, a privilege,
    /// an old server; `format_too_new` when a newer version made the tables; `unavailable`.
    pub async fn connect(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let link = Link::open(settings).await?;
        let schema = migrate::run(&link).await?;
        let board = Board::new(link.listening(), &schema, Arc::clone(&clock));
        Ok(Self { shared: Arc::new(Shared { link, schema, board, clock }) })
    }
}
