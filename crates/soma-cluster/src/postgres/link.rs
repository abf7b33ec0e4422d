//! Connections: two pools, and what borrows from them.
//!
//! Reads and record transactions have pools of their own, so that transactions which wait for an
//! index never starve a recall. A [`Lease`] gives its connection back only when no statement runs on
//! it and no transaction is open; otherwise the connection is closed, which ends both on the server.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use futures::FutureExt;
use soma_core::error::{Code, Error, Result};
use tokio_postgres::config::SslMode as Wanted;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, Error as PgError, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{self, CONNECT_TIMEOUT, Settings, SslMode};
use super::{classify, tls};

/// How long one statement may take; a server that is slower is away.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for a connection of the pool that is in use.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How to reach the server.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// For errors.
    pub(super) target: String,
}

/// The connections of one store.
pub(super) struct Link {
    address: Address,
    readers: Pool,
    writers: Pool,
}

impl Link {
    /// Connects once, so that what the operator must mend is told at the start.
    pub(super) async fn open(settings: &Settings) -> Result<Self> {
        let config = settings.config()?;
        let target = settings::target(&config);
        let tls = match settings.ssl_mode {
            SslMode::Disable | SslMode::Allow => None,
            SslMode::Prefer | SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                Some(tls::connector(settings)?)
            }
        };
        let link = Self::new(Address { config, tls, target }, settings.pool_size)?;
        let insists = match link.probe().await {
            Ok(()) => return Ok(link),
            Err(PoolError::Backend(e)) if settings.ssl_mode == SslMode::Allow && refuses_plain(&e) => e,
            Err(PoolError::Backend(e)) => return Err(classify::at_start(&link.address.target, e)),
            Err(e) => return Err(classify::no_connection(&link.address.target, e)),
        };
        let mut address = link.address;
        tracing::debug!(error = %insists, "PostgreSQL insists on TLS");
        address.config.ssl_mode(Wanted::Require);
        address.tls = Some(tls::connector(settings)?);
        let link = Self::new(address, settings.pool_size)?;
        match link.probe().await {
            Ok(()) => Ok(link),
            Err(PoolError::Backend(e)) => Err(classify::at_start(&link.address.target, e)),
            Err(e) => Err(classify::no_connection(&link.address.target, e)),
        }
    }

    fn new(address: Address, size: usize) -> Result<Self> {
        let pool = || {
            let kind = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let config = address.config.clone();
            let manager = match &address.tls {
                Some(tls) => Manager::from_config(config, tls.clone(), kind),
                None => Manager::from_config(config, NoTls, kind),
            };
            let pool = Pool::builder(manager)
                .max_size(size.max(1))
                .runtime(Runtime::Tokio1)
                .wait_timeout(Some(WAIT_TIMEOUT))
                .create_timeout(Some(CONNECT_TIMEOUT))
                .recycle_timeout(Some(CONNECT_TIMEOUT));
            pool.build().map_err(|e| Error::new(Code::Internal, "no pool of connections can be made").because(e))
        };
        Ok(Self { readers: pool()?, writers: pool()?, address })
    }

    async fn probe(&self) -> Result<(), PoolError> {
        self.readers.get().await.map(drop)
    }

    /// For the connection that listens.
    pub(super) fn listening(&self) -> Address {
        self.address.clone()
    }

    /// A connection for reads and for single statements.
    pub(super) async fn reader(&self) -> Result<Lease> {
        let object = self.readers.get().await.map_err(|e| classify::no_connection(&self.address.target, e))?;
        Ok(Lease::new(object))
    }

    /// A connection for a record transaction.
    pub(super) async fn writer(&self) -> Result<Lease> {
        let object = self.writers.get().await.map_err(|e| classify::no_connection(&self.address.target, e))?;
        Ok(Lease::new(object))
    }
}

fn refuses_plain(e: &PgError) -> bool {
    e.code().is_some_and(|state| state.code() == "28000")
}

/// A borrowed connection.
pub(super) struct Lease {
    /// `None` only while it is dropped.
    object: Option<Object>,
    /// How many statements run; one whose future is dropped counts for ever. Several that are awaited
    /// together are sent together, and the server runs them in the order in which they were sent.
    busy: AtomicUsize,
    /// Whether a transaction is open.
    open: AtomicBool,
}

/// Why a statement gave nothing.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the connection is gone with it.
    pub(super) lost: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, lost: false }
    }
}

impl Lease {
    const fn new(object: Object) -> Self {
        Self { object: Some(object), busy: AtomicUsize::new(0), open: AtomicBool::new(false) }
    }

    fn object(&self) -> &Object {
        self.object.as_ref().expect("only dropping takes the connection")
    }

    /// Runs one exchange with the server, bounded in time. Cancelling it costs the connection.
    async fn bounded<T>(&self, what: &str, exchange: impl Future<Output = Result<T, PgError>>) -> Result<T, Failure> {
        self.busy.fetch_add(1, Ordering::AcqRel);
        let Ok(answer) = tokio::time::timeout(STATEMENT_TIMEOUT, exchange).await else {
            return Err(Failure { error: classify::silent(what), lost: true });
        };
        self.busy.fetch_sub(1, Ordering::AcqRel);
        answer.map_err(|e| {
            let lost = classify::is_lost(&e);
            Failure { error: classify::failed(what, e), lost }
        })
    }

    /// Prepares statements that are kept, so that those that are awaited together go out in the order in
    /// which they are polled: preparing one would let the next go first.
    pub(super) async fn prepare(&self, what: &str, statements: &[&str]) -> Result<(), Failure> {
        let object = self.object();
        for sql in statements {
            self.bounded(what, object.prepare_cached(sql)).await?;
        }
        Ok(())
    }

    /// Rows of a statement that is kept prepared. `what` completes "PostgreSQL could not …".
    pub(super) async fn rows(&self, what: &str, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let object = self.object();
        let exchange = async {
            let statement = object.prepare_cached(sql).await?;
            object.query(&statement, params).await
        };
        self.bounded(what, exchange).await
    }

    /// Rows of a statement whose text is made for this call.
    pub(super) async fn rows_once(
        &self,
        what: &str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Failure> {
        self.bounded(what, self.object().query_typed(sql, params)).await
    }

    /// How many rows a statement that is kept prepared has changed.
    pub(super) async fn execute(&self, what: &str, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        let object = self.object();
        let exchange = async {
            let statement = object.prepare_cached(sql).await?;
            object.execute(&statement, params).await
        };
        self.bounded(what, exchange).await
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, what: &str, sql: &str) -> Result<(), Failure> {
        self.bounded(what, self.object().batch_execute(sql)).await
    }

    /// Opens a transaction with a text that begins with `BEGIN`.
    pub(super) async fn begin(&self, what: &str, sql: &str) -> Result<(), Failure> {
        self.open.store(true, Ordering::Release);
        self.batch(what, sql).await
    }

    /// Opens a transaction that reads of one moment.
    pub(super) async fn snapshot(&self) -> Result<(), Failure> {
        let sql =
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '15s'";
        self.begin("begin to read", sql).await
    }

    /// Commits the transaction.
    pub(super) async fn commit(&self, what: &str) -> Result<(), Failure> {
        self.batch(what, "COMMIT").await?;
        self.open.store(false, Ordering::Release);
        Ok(())
    }

    /// Closes the connection, and with it whatever it holds on the server.
    pub(super) fn close(mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.busy.load(Ordering::Acquire) > 0 {
            // Nobody reads its answer; the server ends the transaction when it sees the connection closed.
            drop(Object::take(object));
            return;
        }
        if self.open.load(Ordering::Acquire) {
            // The first poll sends the statement; whoever borrows the connection next is answered after it.
            if let Some(Err(_)) = object.batch_execute("ROLLBACK").now_or_never() {
                drop(Object::take(object));
            }
        }
    }
}
