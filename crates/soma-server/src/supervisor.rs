//! Named tasks, signals, and the order in which everything ends.
//!
//! Tasks stand in stages. At the first signal the stages are stopped one after the other: the first
//! takes no new requests and finishes those in hand, the last flushes and closes. A task that
//! ends before it is told to ends the process with an error. The second signal ends the process at
//! once; the start after it recovers as after a crash.

use std::future::Future;

use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was told twice to end.
const EXIT_AT_ONCE: i32 = 130;

/// When a task ends, counted from the first to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Takes requests.
    Serving,
    /// Moves events into the stores.
    Projecting,
    /// Tells how the process is, to the end.
    Watching,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Serving, Self::Projecting, Self::Watching];
}

struct Ended {
    name: &'static str,
    stage: Stage,
    result: Result<()>,
}

/// The tasks of the process.
pub(crate) struct Supervisor {
    tasks: JoinSet<Ended>,
    running: Vec<(Stage, usize)>,
    stops: [CancellationToken; 3],
}

impl Supervisor {
    /// No tasks yet.
    pub(crate) fn new() -> Self {
        let running = Stage::ALL.map(|stage| (stage, 0)).to_vec();
        Self { tasks: JoinSet::new(), running, stops: std::array::from_fn(|_| CancellationToken::new()) }
    }

    /// What tells the tasks of a stage to end.
    pub(crate) fn stop(&self, stage: Stage) -> CancellationToken {
        self.stops[stage as usize].clone()
    }

    /// Starts a task under a name.
    pub(crate) fn spawn(
        &mut self,
        stage: Stage,
        name: &'static str,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.count(stage, 1);
        self.tasks.spawn(async move { Ended { name, stage, result: task.await } });
    }

    fn count(&mut self, stage: Stage, by: isize) {
        if let Some((_, running)) = self.running.iter_mut().find(|(s, _)| *s == stage) {
            *running = running.saturating_add_signed(by);
        }
    }

    fn left(&self, stage: Stage) -> usize {
        self.running.iter().find(|(s, _)| *s == stage).map_or(0, |(_, running)| *running)
    }

    /// Runs until a signal, or until a task ends by itself, then stops all stages in order.
    ///
    /// # Errors
    /// The first failure of a task, also one that ended without being told to.
    pub(crate) async fn run(mut self, mut signals: Signals, on_stop: impl FnOnce()) -> Result<()> {
        let mut failure = None;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "stopping; a second signal ends the process at once"),
            ended = self.tasks.join_next() => {
                if let Some(ended) = ended {
                    failure = Some(self.unexpected(ended));
                }
            }
        }
        on_stop();
        tokio::select! {
            result = self.wind_down(failure) => result,
            name = signals.next() => {
                tracing::warn!(signal = name, "ending at once");
                #[expect(clippy::disallowed_methods, reason = "whoever asks twice does not want to wait for destructors")]
                std::process::exit(EXIT_AT_ONCE);
            }
        }
    }

    /// Stops stage after stage, waiting for the tasks of each.
    async fn wind_down(mut self, mut failure: Option<Error>) -> Result<()> {
        for stage in Stage::ALL {
            self.stops[stage as usize].cancel();
            while self.left(stage) > 0 {
                let Some(ended) = self.tasks.join_next().await else { break };
                match ended {
                    Ok(ended) if ended.stage <= stage && ended.result.is_ok() => self.count(ended.stage, -1),
                    ended => {
                        let error = self.unexpected(ended);
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn unexpected(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> Error {
        match ended {
            Ok(Ended { name, stage, result }) => {
                self.count(stage, -1);
                match result {
                    Ok(()) => Error::new(Code::Internal, format!("the task {name} ended by itself")),
                    Err(error) => {
                        tracing::error!(task = name, "a task failed: {error}");
                        error
                    }
                }
            }
            // The name of a task that panicked is lost with it; stop waiting for anything.
            Err(error) => {
                self.running.iter_mut().for_each(|(_, running)| *running = 0);
                Error::new(Code::Internal, "a task met a defect").because(error)
            }
        }
    }
}

/// What comes of a future, unless a signal comes first: then the process ends at once. For the time
/// before any request was accepted.
pub(crate) async fn unless_signalled<T>(signals: &mut Signals, first: impl Future<Output = T>) -> T {
    tokio::select! {
        result = first => result,
        name = signals.next() => {
            tracing::warn!(signal = name, "ending before the start was complete");
            #[expect(clippy::disallowed_methods, reason = "opening a store cannot be called off")]
            std::process::exit(EXIT_AT_ONCE);
        }
    }
}

/// The signals that ask the process to end.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from here on.
    ///
    /// # Errors
    /// `internal` when the operating system refuses.
    pub(crate) fn listen() -> Result<Self> {
        let refused = |error| Error::new(Code::Internal, "signals cannot be received").because(error);
        let listen = |kind| signal(kind).map_err(refused);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
