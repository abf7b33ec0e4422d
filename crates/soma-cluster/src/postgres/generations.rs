//! Which life of a topic is read: a log is named `<cluster id>/<topic>#<generation>`.
//!
//! A topic that was made anew has other events at the same offsets. Its log then needs another name,
//! or old positions would count for it.

use soma_core::error::{Code, Error, Result};

use super::Records;
use super::row::{Moment, integer};

/// The generation of a log that was never renewed.
const FIRST: u64 = 1;

impl Records {
    /// The generation of the log `<cluster id>/<topic>`; 1 until it is renewed.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn generation(&self, log_base: &str) -> Result<u64> {
        let lease = self.shared.link.reader().await?;
        let sql = "SELECT generation FROM log_generations WHERE log_base = $1";
        let rows = lease.rows("read the generation of a log", sql, &[&log_base]).await?;
        rows.first().map_or(Ok(FIRST), |row| positive(row.get(0)))
    }

    /// Begins the next generation, and returns it. Projectors read the log from its start under its new
    /// name when they next claim it; what the old one has set stays.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    pub async fn renew(&self, log_base: &str) -> Result<u64> {
        let lease = self.shared.link.reader().await?;
        let sql = "INSERT INTO log_generations (log_base, generation, renewed_at) VALUES ($1, $2, $3)
                   ON CONFLICT (log_base) DO UPDATE SET generation = log_generations.generation + 1,
                       renewed_at = excluded.renewed_at
                   RETURNING generation";
        let (second, now) = (integer(FIRST + 1)?, Moment(self.shared.clock.now()));
        let rows = lease.rows("renew a log", sql, &[&log_base, &second, &now]).await?;
        let row = rows.first().ok_or_else(|| Error::new(Code::Internal, "renewing a log returned no row"))?;
        positive(row.get(0))
    }
}

fn positive(generation: i64) -> Result<u64> {
    u64::try_from(generation).map_err(|e| Error::new(Code::Corrupt, "the generation of a log is negative").because(e))
}
