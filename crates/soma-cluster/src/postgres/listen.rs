//! Hears what others commit: `LISTEN` on a connection of its own.
//!
//! It listens first and reads the positions then, so nothing falls between. A connection that is lost
//! is made again once, at once; when that fails, whoever waits is told, and the next wait begins anew.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use soma_core::error::Result;
use soma_core::store::PositionRow;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use super::progress::{Wall, read_notice};
use super::{classify, position};

/// Between losing a connection and making another, so that a server that drops every one is not hammered.
const PAUSE: Duration = Duration::from_millis(100);
const WHAT: &str = "tell about positions";

/// Starts the task.
#[expect(
    clippy::disallowed_methods,
    reason = "the task belongs to the store that starts it, ends with it, and tells those who wait when it fails"
)]
pub(super) fn start(wall: Arc<Wall>) -> AbortHandle {
    tokio::spawn(async move {
        let mut ending = Ending { wall, why: "listening was ended".to_owned() };
        loop {
            match listen(&ending.wall).await {
                Ok(()) => tracing::info!("the connection that listens to PostgreSQL is lost and made again"),
                Err(error) => {
                    ending.why = error.to_string();
                    return;
                }
            }
            ending.wall.clock.sleep(PAUSE).await;
        }
    })
    .abort_handle()
}

/// Tells that the task has ended, however it did.
struct Ending {
    wall: Arc<Wall>,
    why: String,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.wall.ended(&self.why);
    }
}

/// Returns when the connection is lost; fails when there was none to lose.
async fn listen(wall: &Wall) -> Result<()> {
    let failed = |e| classify::failed(WHAT, e);
    match wall.address.tls.clone() {
        Some(tls) => {
            let (client, connection) = wall.address.config.connect(tls).await.map_err(failed)?;
            follow(wall, &client, connection).await
        }
        None => {
            let (client, connection) = wall.address.config.connect(NoTls).await.map_err(failed)?;
            follow(wall, &client, connection).await
        }
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<PositionRow>>> + Send + 'a>>;

async fn follow<S, T>(wall: &Wall, client: &Client, mut connection: Connection<S, T>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = false;
    let mut reading: Option<Reading<'_>> = Some(Box::pin(read(wall, client)));
    loop {
        tokio::select! {
            message = poll_fn(|cx| connection.poll_message(cx)) => match message {
                Some(Ok(message)) => {
                    if let AsyncMessage::Notification(notification) = message {
                        match read_notice(notification.payload()) {
                            Some(moved) => wall.moved(moved),
                            None => reading = Some(Box::pin(read(wall, client))),
                        }
                    }
                }
                Some(Err(_)) | None if heard => return Ok(()),
                Some(Err(e)) => return Err(classify::failed(WHAT, e)),
                None => return Err(classify::silent(WHAT)),
            },
            rows = async { match &mut reading { Some(reading) => reading.await, None => std::future::pending().await } } => {
                reading = None;
                match rows {
                    Ok(rows) => wall.all(rows),
                    Err(_) if heard => return Ok(()),
                    Err(error) => return Err(error),
                }
                heard = true;
            }
        }
    }
}

/// Listens, then reads: what is committed in between is heard, what was before is read.
async fn read(wall: &Wall, client: &Client) -> Result<Vec<PositionRow>> {
    let failed = |e| classify::failed(WHAT, e);
    client.batch_execute(&format!("LISTEN {}", wall.channel)).await.map_err(failed)?;
    let rows = client.query(position::POSITIONS, &[]).await.map_err(failed)?;
    rows.iter().map(position::position).collect()
}
