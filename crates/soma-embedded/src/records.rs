//! The record store in one SQLite file, `records.db`.
//!
//! Invariants:
//!
//! - Records and position are committed together: what a position has passed is in the file, and
//!   nothing else is.
//! - One connection writes. Whoever holds a record transaction holds it alone; the next one waits.
//!   Taking a partition over ends the transaction of its previous owner.
//! - A commit survives the end of the process. A power failure may undo the last commits, each
//!   together with its position; the projector then applies those events again.
//! - A `rev` is drawn once, also when its transaction is rolled back.
//! - A deleted memory keeps its row without content, and its history keeps no content. What SQLite
//!   overwrites still lies in the WAL until that is written back and cut off, which follows every
//!   commit that erased, as soon as no read holds the WAL ([`Records::scrub`]).
//!
//! Positions are kept by projector; the memories belong to the store, whoever projects them. It
//! decides nothing about meaning: what a batch changes is computed by [`soma_core::fold`].

mod apply;
mod beside;
mod count;
mod list;
mod load;
mod narrow;
mod position;
mod progress;
mod read;
mod row;
mod schema;
mod staging;
#[cfg(test)]
mod tests;
mod thread;
mod writer;

use std::path::Path;
use std::sync::Arc;

use soma_core::error::Result;

pub use beside::Beside;

use crate::directory::DataDir;
use crate::sqlite::{Database, Readers};
use progress::Board;
use writer::Writer;

/// The record store of one data directory. Clones share it.
#[derive(Clone)]
pub struct Records {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    readers: Readers,
    writer: Arc<Writer>,
    board: Arc<Board>,
    /// Held so that the lock outlives every connection.
    _directory: DataDir,
}

impl Records {
    /// Opens the record store of a directory, or makes it.
    ///
    /// # Errors
    /// `corrupt` when the file is damaged or foreign; `format_too_new`, `storage_full`, `unavailable`.
    pub fn open(directory: &DataDir) -> Result<Self> {
        let (database, connection) = Database::open(directory.records(), &schema::KIND)?;
        let board = Arc::new(Board::new(&position::all(&database, &connection)?));
        let writer = Arc::new(Writer::new(database.clone(), connection, Arc::clone(&board))?);
        let readers = Readers::new(database.clone());
        let shared = Shared { database, readers, writer, board, _directory: directory.clone() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.database.path()
    }

    /// Writes the WAL back into the file and cuts it off, so that no file holds what was erased.
    /// Follows every commit that erased; `false` when a read holds the WAL, then it is tried again
    /// after that read and after every transaction. Waits for the transaction that is open.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`, `corrupt`.
    pub async fn scrub(&self) -> Result<bool> {
        self.shared.writer.scrub_now().await
    }

    /// Refuses further reads, waits for the open transaction and writes the WAL back into the file.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`: nothing is lost, the WAL stays and is read at the next start.
    pub async fn close(&self) -> Result<()> {
        self.shared.readers.close();
        self.scrub().await.map(|_| ())
    }

    /// Reads every page, index and constraint; takes as long as reading the file.
    ///
    /// # Errors
    /// `corrupt` with the first findings; `unavailable`.
    pub async fn check(&self) -> Result<()> {
        let database = self.shared.database.clone();
        self.shared.readers.run(move |connection| database.check_integrity(connection)).await
    }

    /// Lets the file grow to so many pages of 4 KiB and no further: commits beyond fail with
    /// `storage_full`, as they do on a full disk, until the limit is raised.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn limit_pages(&self, pages: u32) -> Result<()> {
        let set = move |pen: &mut writer::Pen, database: &Database| {
            let set = pen.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
            set.map_err(database.failing("limit"))
        };
        self.shared.writer.run(set).await
    }
}
