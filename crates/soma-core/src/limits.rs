//! Every bound of the system, in one place.

use std::time::Duration;

/// The largest event value accepted unless configured otherwise, in bytes.
pub const VALUE_BYTES_DEFAULT: usize = 1 << 20;
/// The largest event value that may be configured, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// How deep JSON may nest; the event itself is level 1.
pub const DEPTH_MAX: usize = 64;
/// The longest name of an actor or a thread, in bytes; a longer text is content.
pub const NAME_BYTES_MAX: usize = 512;
/// The longest namespace, in Unicode scalar values.
pub const NAMESPACE_CHARS_MAX: usize = 256;
/// The longest `model_revision`, in Unicode scalar values.
pub const MODEL_REVISION_CHARS_MAX: usize = 256;
/// The longest `embedding`, in numbers.
pub const EMBEDDING_LEN_MAX: usize = 65_536;
/// The largest magnitude of a number.
pub const NUMBER_ABS_MAX: f64 = 1e308;
/// Integers beyond ±2⁵³ compare by equality only.
pub const EXACT_INTEGER_MAX: i64 = 1 << 53;
/// The most numbers of a coordinate.
pub const COORDINATE_NUMBERS_MAX: usize = 1_024;
/// The longest text of one position, in bytes.
pub const POSITION_BYTES_MAX: usize = 64 << 10;
/// How many occurrences of one imported content are tried to recognise the id that follows from it.
pub const IMPORT_OCCURRENCES_MAX: u64 = 1_000;
/// The most items of one batch request.
pub const BATCH_ITEMS_MAX: usize = 1_000;
/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// The most hits of one recall.
pub const TOP_K_MAX: usize = 1_000;
/// Hits of a recall that names no number.
pub const TOP_K_DEFAULT: usize = 10;
/// The longest target (path and query) of a request, in bytes.
pub const TARGET_BYTES_MAX: usize = 32 << 10;
/// The longest query text, in Unicode scalar values.
pub const QUERY_CHARS_MAX: usize = 64 << 10;
/// The most different words of a question that count.
pub const QUESTION_WORDS_MAX: usize = 256;
/// The most namespaces whose own counts say how rare a question's words are.
pub const COUNTED_NAMESPACES_MAX: usize = 16;
/// The most words, each in each of these namespaces, that an index is asked about at once.
pub const COUNTED_TERMS_MAX: usize = 512;
/// The most namespaces that one recall names.
pub const RECALL_NAMESPACES_MAX: usize = 1_000;
/// About how many terms a recall over a prefix asks for altogether; over more namespaces a question counts
/// fewer words, but never less than [`QUESTION_WORDS_MIN`].
pub const RECALL_TERMS_MAX: usize = 1 << 17;
/// The words of a question that count over however many namespaces.
pub const QUESTION_WORDS_MIN: usize = 16;
/// The most terms of one search by words.
pub const SEARCH_TERMS_MAX: usize = 16 << 10;
/// The most actors whose names a question is asked without.
pub const ACTORS_MAX: usize = 256;
/// The most namespaces whose actors are looked up for a question.
pub const ACTOR_NAMESPACES_MAX: usize = 16;
/// Candidates taken from each list at recall, at least.
pub const CANDIDATES_MIN: usize = 64;
/// Items of a list page: default and maximum.
pub const PAGE_DEFAULT: usize = 100;
/// The most items of one list page.
pub const PAGE_MAX: usize = 1_000;
/// About how many bytes of payload one page holds, be it of a list, a history, a scan or the hits of a
/// recall: the item with which they are reached is the last.
pub const PAGE_BYTES: usize = 16 << 20;
/// The deepest nesting of a filter.
pub const FILTER_DEPTH_MAX: usize = 16;
/// The most conditions in a filter, values of `in` included.
pub const FILTER_TERMS_MAX: usize = 256;
/// How long a read waits for a position when the request does not say.
pub const WAIT_DEFAULT: Duration = Duration::from_millis(2_000);
/// The longest that a read may wait for a position.
pub const WAIT_MAX: Duration = Duration::from_millis(30_000);
/// How long an append may take before the caller is told that the log is away.
pub const APPEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Events of one projector batch.
pub const BATCH_EVENTS: usize = 1_000;
/// Bytes of one projector batch; a single larger event still forms a batch alone.
pub const BATCH_BYTES: usize = 8 << 20;
/// A batch that fails after so long was too much for stores that are slow: the next one is half as large, and
/// batches grow again once they take less than half of it.
pub const BATCH_SLOW: Duration = Duration::from_secs(5);
/// How often the index is made durable while it changes.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How often a dead letter is redriven before somebody has to insist.
pub const REDRIVES_MAX: u32 = 3;
