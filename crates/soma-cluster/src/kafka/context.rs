//! What every client of ours tells us beside its answers: errors, log lines, and its wish for tokens.
//!
//! The client says why it cannot connect by its error callback and its log, not by the call that then
//! times out; the latest of these sentences are kept for [`super::diagnose`].

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use super::oauth::Source;

/// Sentences that are kept.
const KEPT: usize = 24;

/// One sentence of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The kind of the error; log lines have none.
    pub(super) code: Option<RDKafkaErrorCode>,
    pub(super) text: String,
}

/// The latest sentences of a client, oldest first.
#[derive(Debug, Default)]
pub(super) struct Signals(Mutex<VecDeque<Sentence>>);

impl Signals {
    pub(super) fn note(&self, code: Option<RDKafkaErrorCode>, text: &str) {
        let mut kept = self.lock();
        // The client counts brokers that are down many times a second, and says only once what happened to them.
        let counts = code == Some(RDKafkaErrorCode::AllBrokersDown);
        kept.retain(|known| known.code != code || (!counts && known.text != text));
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Sentence { code, text: text.to_owned() });
    }

    pub(super) fn all(&self) -> Vec<Sentence> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets what was said: it works again.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sentence>> {
        self.0.lock().expect("nobody panics while holding the lock")
    }
}

/// The context of producers and of readers.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) signals: Arc<Signals>,
    pub(super) tokens: Option<Arc<Source>>,
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.signals.note(None, text);
        // Every client gets one configuration, so each hears of properties that are meant for another kind.
        if facility == "CONFWARN" {
            tracing::debug!(kafka.facility = facility, "kafka client: {text}");
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(kafka.facility = facility, "kafka client: {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(kafka.facility = facility, "kafka client: {text}");
            }
        }
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The end of a partition is no failure.
        if code != Some(RDKafkaErrorCode::PartitionEOF) {
            self.signals.note(code, reason);
            tracing::debug!("kafka client: {reason}");
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn StdError>> {
        let Some(tokens) = &self.tokens else { return Err("no token endpoint is configured".into()) };
        tokens.token().map_err(|error| {
            let text = error.to_string().replace('\0', " ");
            self.signals.note(Some(RDKafkaErrorCode::Authentication), &text);
            text.into()
        })
    }
}

impl ConsumerContext for Context {}
