//! A pool of connections that only read.
//!
//! A read runs on the blocking threads of the runtime, and takes a connection for as long as it
//! runs. Reads are short: one that lingers would keep the WAL from being reset.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use soma_core::error::{Code, Error, Result};
use tokio::sync::Semaphore;

use super::Database;

/// Reads of one file that run at the same time, and connections kept for them.
const READERS: usize = 8;

/// Connections that only read, opened when first needed.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(database: Database) -> Self {
        let shared = Shared { database, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)) };
        Self { shared: Arc::new(shared) }
    }

    /// Runs a read on a connection of the pool.
    ///
    /// # Errors
    /// Those of `read`; `shutting_down` once the pool is closed; those of opening a connection.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || Error::new(Code::ShuttingDown, "the store is closing").remedy("try again after the restart");
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(|_| closed())?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || {
            let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = idle.map_or_else(|| shared.database.connect_reader(), Ok)?;
            let result = read(&mut connection);
            // After an error the connection may hold a stale view of the file: a fresh one costs little.
            if result.is_ok() && !shared.permits.is_closed() {
                shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            drop(permit);
            result
        });
        task.await.map_err(|e| Error::new(Code::Internal, "a read ended unexpectedly").because(e))?
    }

    /// Refuses further reads and closes idle connections; a read in hand closes its own.
    pub(crate) fn close(&self) {
        self.shared.permits.close();
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
