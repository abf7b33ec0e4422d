//! The connections of one port: bounded in number, in time, and drained at shutdown.
//!
//! A client that is slow to send its head, or keeps an idle connection, is cut off after the read
//! timeout; its body has a bound of its own ([`super::body`]). Beyond `connections_max` a client
//! waits in the listener's queue.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use soma_core::Result;
use soma_core::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::access::Peer;
use super::tls::Tls;

/// How long the listener rests when the process has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a request that is on its way may take once `stop` is called.
const ARRIVAL_GRACE: Duration = Duration::from_millis(500);

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

/// Serves until `stop`, then finishes the requests in hand. One that has not arrived as a whole is cut off:
/// nothing was promised to its sender, and it may never come.
///
/// # Errors
/// None; the type is that of a supervised task.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) -> Result<()> {
    serve_with(listener, router, None, bounds, stop).await
}

/// The same behind TLS, if there is a certificate. Each connection shakes hands for itself, within the time
/// that a request's head may take, so a client that never does holds nobody up.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn serve_with(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    bounds: Bounds,
    stop: CancellationToken,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = next(&listener, &places, &bounds, &stop).await {
        drop(stream.set_nodelay(true));
        let (router, tls, bounds, stop) = (router.clone(), tls.clone(), bounds.clone(), stop.clone());
        connections.spawn(async move {
            match tls {
                None => connection(stream, peer, router, bounds, stop).await,
                Some(tls) => {
                    if let Some(stream) = shaken(&tls, stream, &bounds, &stop).await {
                        connection(stream, peer, router, bounds, stop).await;
                    }
                }
            }
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
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.ip(), place),
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

/// The connection once both sides have shaken hands; `None` when that fails, takes too long, or `stop` is
/// called before.
async fn shaken(
    tls: &Tls,
    stream: TcpStream,
    bounds: &Bounds,
    stop: &CancellationToken,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::time::timeout(bounds.read_timeout, tls.accept(stream));
    let shaken = tokio::select! {
        () = stop.cancelled() => return None,
        shaken = shaken => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client did not shake hands");
            None
        }
        Err(_) => {
            tracing::debug!("a client took too long to shake hands");
            None
        }
    }
}

async fn connection<S>(stream: S, peer: IpAddr, router: Router, bounds: Bounds, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(bounds.read_timeout);
    let arrival = Arc::new(Arrival::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (router, arrival) = (router.clone(), Arc::clone(&arrival));
        async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(Peer(peer));
            arrival.is(body.is_end_stream());
            let body = Body::new(Watched { body, arrival: Arc::clone(&arrival) });
            let answer = router.oneshot(Request::from_parts(parts, body)).await;
            arrival.is(true);
            answer
        }
    });
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let log = |ended: hyper::Result<()>| {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    };
    tokio::select! {
        ended = served.as_mut() => return log(ended),
        () = stop.cancelled() => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = served.as_mut() => return log(ended),
        () = bounds.clock.sleep(ARRIVAL_GRACE) => {}
    }
    if arrival.is_whole() {
        log(served.await);
    }
}

/// Whether the request in hand has arrived as a whole.
#[derive(Default)]
struct Arrival(AtomicBool);

impl Arrival {
    fn is(&self, whole: bool) {
        self.0.store(whole, Ordering::Relaxed);
    }

    fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that says when it has ended.
struct Watched {
    body: Incoming,
    arrival: Arc<Arrival>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.arrival.is(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
