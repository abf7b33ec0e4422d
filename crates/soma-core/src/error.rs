//! One error type, named by what its reader must do.
//!
//! A [`Code`] is stable: programs match on it, documents list it. Each code belongs to exactly one
//! [`Kind`], and there are exactly three translations of kinds: to an HTTP status, to the
//! projector's verdict, and to the exit code of a command. Adapters classify what happened to them
//! here and never retry on their own.

use std::fmt;

/// What the reader of an error has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller sent something that can never work: fix it.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// Something else stands in its place: reread, then decide.
    Conflict,
    /// A dependency is away or too slow: try again, with backoff.
    Unavailable,
    /// Stored data contradicts itself: an operator must look before anything goes on.
    Corrupt,
    /// A defect in this program: report it.
    Internal,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $kind:ident),+ $(,)?) => {
        /// The stable name of a failure; see `docs/api.md` for the list that users read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The spelling that programs match on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// What the reader has to do about it.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind),+ }
            }
        }
    };
}

codes! {
    /// The bytes are not JSON.
    NotJson = "not_json" => Invalid,
    /// A field is missing, of the wrong type, or out of its bounds.
    Schema = "schema" => Invalid,
    /// The event type is not one that we know.
    TypeUnknown = "type_unknown" => Invalid,
    /// The record's key is not the memory's id.
    BadKey = "bad_key" => Invalid,
    /// The value is larger than the limit.
    TooLarge = "too_large" => Invalid,
    /// JSON is nested deeper than the limit.
    TooDeep = "too_deep" => Invalid,
    /// A string contains U+0000.
    NulCharacter = "nul_character" => Invalid,
    /// A number lies beyond ±1e308.
    NumberRange = "number_range" => Invalid,
    /// An object has one key twice.
    DuplicateKey = "duplicate_key" => Invalid,
    /// The memory belongs to another namespace.
    NamespaceMismatch = "namespace_mismatch" => Invalid,
    /// The schema registry does not know the schema that the value names.
    SchemaUnknown = "schema_unknown" => Invalid,
    /// A store refused this one row.
    StoreRejected = "store_rejected" => Invalid,
    /// A request is malformed outside its event: a parameter, a header, a body.
    BadRequest = "bad_request" => Invalid,
    /// The target of the request is longer than the limit.
    UriTooLong = "uri_too_long" => Invalid,
    /// The route knows other methods only.
    MethodNotAllowed = "method_not_allowed" => Invalid,
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout" => Invalid,
    /// A filter does not parse.
    BadFilter = "bad_filter" => Invalid,
    /// A position or cursor was not made by this system.
    BadPosition = "bad_position" => Invalid,
    /// The request carries a precondition that this route cannot honour.
    PreconditionUnsupported = "precondition_unsupported" => Invalid,
    /// The idempotency key was used before, for another body.
    IdempotencyConflict = "idempotency_conflict" => Invalid,
    /// The event became a dead letter.
    DeadLettered = "dead_lettered" => Invalid,
    /// The caller did not say who it is.
    Unauthorized = "unauthorized" => Invalid,
    /// The caller may not do this.
    Forbidden = "forbidden" => Invalid,
    /// The caller asks too often.
    RateLimited = "rate_limited" => Unavailable,
    /// The settings contradict each other or the stored data.
    BadConfig = "bad_config" => Invalid,
    /// No such memory, route or file.
    NotFound = "not_found" => NotFound,
    /// Another process owns the data directory, the partition or the address.
    InUse = "in_use" => Conflict,
    /// Another projector has taken this partition over.
    Fenced = "fenced" => Conflict,
    /// A row changed between reading and writing it.
    Contended = "contended" => Conflict,
    /// A dependency did not answer, or not in time.
    Unavailable = "unavailable" => Unavailable,
    /// The position asked for was not reached in time.
    PositionNotReached = "position_not_reached" => Unavailable,
    /// The process is shutting down.
    ShuttingDown = "shutting_down" => Unavailable,
    /// There is no space left.
    StorageFull = "storage_full" => Unavailable,
    /// Stored bytes contradict themselves.
    Corrupt = "corrupt" => Corrupt,
    /// The log was recreated or truncated behind the projector's position.
    LogReplaced = "log_replaced" => Corrupt,
    /// The data was written by a newer version.
    FormatTooNew = "format_too_new" => Corrupt,
    /// A defect.
    Internal = "internal" => Internal,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened, to what, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", remedy.as_deref().map(|r| format!("; {r}")).unwrap_or_default())]
pub struct Error {
    /// The stable name of the failure.
    pub code: Code,
    /// What happened, to what: a phrase in lower case without a final stop.
    pub message: String,
    /// The field of the input that is at fault, as a path (`payload.user[3]`).
    pub field: Option<String>,
    /// What the reader should do: an imperative phrase.
    pub remedy: Option<String>,
    /// What was underneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a code and a phrase that says what happened, to what.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, remedy: None, source: None }
    }

    /// Names the field of the input that is at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Keeps what was underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the reader has to do about it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.code.kind()
    }
}
