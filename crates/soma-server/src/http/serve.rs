//! The connections of one port: bounded in number, in time, and drained at shutdown.
//!
//! A client that is slow to send its head, or keeps an idle connection, is cut off after the read
//! timeout; its body has a bound of its own ([`super::body`]). Beyond `connections_max` a client
//! waits in the listener's queue.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use soma_core::Result;
use soma_core::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the listener rests when the process has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of one port.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// Connections served at a time.
    pub connections_max: usize,
    /// How long a request's head may take.
    pub read_timeout: Duration,
    /// How long requests in hand may take once `stop` is called.
    pub drain_timeout: Duration,
    /// What measures the pause of a listener that cannot accept.
    pub clock: Arc<dyn Clock>,
}

/// Serves until `stop`, then finishes the requests in hand.
///
/// # Errors
/// None; the type is that of a supervised task.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let connections = TaskTracker::new();
    while let Some((stream, place)) = next(&listener, &places, &bounds, &stop).await {
        let connection = connection(stream, router.clone(), bounds.read_timeout, stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.drain_timeout, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests in hand did not end in time and are cut off");
    }
    Ok(())
}

/// The next connection and its place; `None` once `stop` is called.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    bounds: &Bounds,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    bounds.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accept => Some(accepted),
    }
}

async fn connection(stream: TcpStream, router: Router, read_timeout: Duration, stop: CancellationToken) {
    drop(stream.set_nodelay(true));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(read_timeout);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(served);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
