//! `SOMA_EVENT_BYTES_MAX`, `EVENTING_ENABLED`, and the variables of the cluster profile:
//! `KAFKA_BOOTSTRAP_SERVERS`, `POSTGRES_URL`, `QDRANT_URL`, `SCHEMA_REGISTRY_URL`.
//!
//! Where events are kept and how large they may be. This build has the embedded profile only, so
//! naming a broker or a store server is refused rather than ignored.

use soma_core::limits;

use super::source::{Reader, Variable};
use super::{number, switch};

const BYTES_MAX: Variable = Variable::new("SOMA_EVENT_BYTES_MAX", "1048576", "largest event, in bytes");
const EVENTING: Variable = Variable::new("EVENTING_ENABLED", "", "whether events are published to Kafka");
const CLUSTER: [Variable; 4] = [
    Variable::secret("KAFKA_BOOTSTRAP_SERVERS", "brokers of the cluster profile"),
    Variable::secret("POSTGRES_URL", "record store of the cluster profile"),
    Variable::secret("QDRANT_URL", "vector index of the cluster profile"),
    Variable::secret("SCHEMA_REGISTRY_URL", "schema registry of the cluster profile"),
];

/// Where events are kept and how large they may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    /// The largest event value, in bytes.
    pub value_bytes_max: usize,
}

impl Events {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let max = u64::try_from(limits::VALUE_BYTES_MAX).expect("a small number");
        let bytes = reader.required(&BYTES_MAX, number(1024, max));
        if reader.optional(&EVENTING, switch) == Some(true) {
            reader.problem(
                format!("{}=true needs Kafka, and this build has the embedded profile only; unset it", EVENTING.name),
                EVENTING.name,
            );
        }
        for variable in &CLUSTER {
            if reader.text(variable).is_some() {
                reader.problem(
                    format!("{} is set, and this build has the embedded profile only; unset it", variable.name),
                    variable.name,
                );
            }
        }
        Self { value_bytes_max: usize::try_from(bytes).expect("bounded by 16 MiB") }
    }
}
