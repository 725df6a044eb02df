//! Every bound in one place.

/// The bounds of one server that an operator may want to move. The defaults are the constants below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections; one more is closed at once.
    pub connections: usize,
    /// Bytes of data one transaction may buffer; past it the vote is refused.
    pub transaction_bytes: usize,
    /// Objects one transaction may store or check; past it the vote is refused.
    pub transaction_objects: usize,
    /// Bytes on their way to one peer at which its requests are no longer read.
    pub unsent_pause: usize,
    /// Bytes on their way to one peer past which it is closed.
    pub unsent_max: usize,
    /// Bytes of blobs from one connection that wait to be written at which it is no longer read.
    pub intake_pause: usize,
    /// Operations of one connection that may wait for the disk at the same time.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: CONNECTIONS,
            transaction_bytes: TRANSACTION,
            transaction_objects: TRANSACTION_OBJECTS,
            unsent_pause: UNSENT_PAUSE,
            unsent_max: UNSENT_MAX,
            intake_pause: INTAKE_PAUSE,
            operations: OPERATIONS_PER_CONNECTION,
        }
    }
}

/// Bytes of one frame before `register`: more than a handshake, a register call and a label take.
pub const FRAME_BEFORE_REGISTER: usize = 32_000;
/// Bytes on their way to a peer that has not registered: refusals of `register` that it does not read. Together with a
/// frame, less than 64 KB for somebody who has shown nothing yet.
pub const UNSENT_BEFORE_REGISTER: usize = 16_000;
/// Bytes of one frame after `register`: one object with its envelope. Python has no bound but the 32-bit length.
pub const FRAME: usize = 1 << 30;
/// Bytes that one transaction may buffer; past it the vote is refused with TransactionTooLargeError.
pub const TRANSACTION: usize = 2 << 30;
/// Objects that one transaction may store or check.
pub const TRANSACTION_OBJECTS: usize = 10_000_000;
/// Bytes of user name, description and extension data each: the file format counts them with 16 bits.
pub const METADATA: usize = u16::MAX as usize;
/// Nesting of values in one message.
pub const DEPTH: usize = 64;
/// Values in one message, counted as they are read, so that a small message cannot unfold into a large one.
pub const VALUES: usize = 4_000_000;
/// Values in a message id that is neither a number nor a load's.
pub const ID_VALUES: usize = 16;
/// Bytes of text in such an id.
pub const ID_BYTES: usize = 1024;
/// Entries of a pickle's memo.
pub const MEMO: usize = 1_000_000;
/// Values at a time, lists and tuples, and memo entries, each, while references are looked for in a record. Four times
/// what a tree may have: a record that is refused there can never be packed.
pub const RECORD_ENTRIES: usize = 4 * VALUES;
/// Bytes of a compressed record that are unfolded to find its class: conflicts ask for it, and must not cost much.
pub const CLASS: usize = 1 << 20;
/// Bytes that one object's history may take; a longer one is refused.
pub const HISTORY: usize = 4 << 20;
/// Values in one transaction's extension data, as it is told: a pickle can refer to one value many times.
pub const EXTENSION_VALUES: usize = 1 << 16;
/// Bytes of text in one transaction's extension data, as it is told.
pub const EXTENSION_BYTES: usize = 1 << 20;
/// Connections of one server.
pub const CONNECTIONS: usize = 10_000;
/// TLS handshakes of one server at the same time; one more ends the one that takes longest.
pub const HANDSHAKES: usize = 1_000;
/// Bytes on their way to one peer at which its requests are no longer read, until half of it is sent.
pub const UNSENT_PAUSE: usize = 4 << 20;
/// Bytes on their way to one peer at which it is closed: it stopped reading while others commit.
pub const UNSENT_MAX: usize = 1 << 30;
/// Bytes of blobs from one connection that wait to be written at which it is no longer read, until half of it is.
pub const INTAKE_PAUSE: usize = 4 << 20;
/// Bytes on their way to a peer below which more of a blob is read for it.
pub const BLOB_UNSENT: usize = 1 << 20;
/// Bytes of a blob that are read at once: some chunks.
pub const BLOB_READ: usize = 4 * BLOB_CHUNK;
/// Operations of one connection that may wait for the disk at the same time.
pub const OPERATIONS_PER_CONNECTION: usize = 1_000;
/// Answers of the disk that one turn of the loop gives to the server; what they ask for next comes in a later turn, behind
/// what other peers wanted meanwhile. A search through a whole log takes very many.
pub const ANSWERS_PER_TURN: usize = 250;
/// Votes of one transaction that may end in conflicts; the next one answers ConflictError (Python's client stops at 9).
pub const VOTE_ROUNDS: u32 = 9;
/// Object ids handed out by one `new_oids` call, as in Python's server.
pub const NEW_OIDS: u64 = 100;
/// Object ids a client takes from one `new_oids` call.
pub const NEW_OIDS_MAX: usize = 10_000;
/// Bytes of a client label kept for the log.
pub const LABEL: usize = 200;
/// Transactions in the invalidation queue unless configured (`invalidation-queue-size`).
pub const INVALIDATION_QUEUE: usize = 100;
/// Bytes of the transactions that a server remembers for their age alone (`invalidation-age`).
pub const REMEMBERED: usize = 64 << 20;
/// Bytes of a body up to which it is copied into a connection's send buffer instead of being sent from where it lies.
pub const COPY_BODY: usize = 4096;
/// Bytes of the disk reserved ahead of the log's end, so that most votes need not ask.
pub const RESERVE_AHEAD: u64 = 8 << 20;
/// Bytes behind the log at which a pack makes finishes wait for the rest.
pub const PACK_BEHIND: u64 = 1 << 20;
/// Times that a pack catches up before it makes them wait, however far behind it is.
pub const PACK_ROUNDS: u32 = 20;
/// Bytes of a log up to which an opening checks all of it; of a longer one, what the index does not cover.
pub const CHECKED_AT_OPEN: u64 = 1 << 30;
/// Bytes of one sequential read while a log is checked: two of them stay in a processor's cache.
pub const CHECK_CHUNK: usize = 256 << 10;
/// Bytes at the end of a log without checksums that are written again when it is opened: more than is synced at once, but
/// for the largest of transactions.
pub const DOUBTED: u64 = 64 << 20;
/// Bytes of one sequential read of an index: more than its longest pickle.
pub const SCAN_CHUNK: usize = 1 << 20;
/// Bytes read for an object whose size is not known yet.
pub const FIRST_READ: usize = 4096;
/// Transactions and objects together that a client remembers for those who follow the changes: about 8 MB.
pub const CHANGES_KEPT: usize = 1_000_000;
/// Questions that callers of one client may wait for at the same time.
pub const QUESTIONS: usize = 1_000_000;
/// Loads that a client sends for prefetches before the first of them is answered.
pub const PREFETCH: usize = 1_000;
/// Objects that wait in a client to be prefetched.
pub const PREFETCH_QUEUE: usize = 1_000_000;
/// Transactions and objects that a client keeps while it verifies its cache; past it the cache is dropped.
pub const KEPT_INVALIDATIONS: usize = 1_000_000;
/// Bytes of an object's state that a client stores: a frame but for its envelope.
pub const STATE: usize = FRAME - 1024;
/// Bytes of a blob in one message, as Python's client sends them.
pub const BLOB_CHUNK: usize = 59_000;
/// Transactions that were lost after they were voted, of which a client remembers why.
pub const LOST_TRANSACTIONS: usize = 1_000;
/// Revisions of an object that are looked through first for a lost transaction: its own, or the one it was based on, is mostly the newest.
pub const SETTLE_HISTORY: i64 = 2;
/// Revisions of an object that are looked through at most for a lost transaction.
pub const SETTLE_HISTORY_MAX: i64 = 16_384;
/// Iterations of one client that a server keeps.
pub const ITERATIONS: usize = 1_000;
