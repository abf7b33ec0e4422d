//! `SOMA_EVENT_BYTES_MAX`, `EVENTING_ENABLED`.
//!
//! Whether events are published to Kafka, and how large they may be.

use soma_core::limits;

use super::source::{Reader, Variable};
use super::{number, switch};

const BYTES_MAX: Variable = Variable::new("SOMA_EVENT_BYTES_MAX", "1048576", "largest event, in bytes");
const EVENTING: Variable = Variable::new("EVENTING_ENABLED", "", "whether events are published to Kafka");

/// Whether events are published, and how large they may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    /// The largest event value, in bytes.
    pub value_bytes_max: usize,
    /// Whether events are published to Kafka; else they are kept in the journal.
    pub eventing: bool,
}

impl Events {
    /// Reads and checks; without a word, events are published when there is a broker.
    pub(crate) fn read(reader: &mut Reader, has_broker: bool) -> Self {
        let max = u64::try_from(limits::VALUE_BYTES_MAX).expect("a small number");
        let bytes = reader.required(&BYTES_MAX, number(1024, max));
        let said = reader.optional(&EVENTING, switch);
        if said == Some(true) && !has_broker {
            let what = format!("{}=true needs a broker; set KAFKA_BOOTSTRAP_SERVERS, or unset it", EVENTING.name);
            reader.problem(what, EVENTING.name);
        }
        let eventing = said.unwrap_or(has_broker);
        if said.is_none() {
            reader.show(EVENTING.name, eventing.to_string());
        }
        Self { value_bytes_max: usize::try_from(bytes).expect("bounded by 16 MiB"), eventing }
    }
}
