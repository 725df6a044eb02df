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
/// Connections of one server.
pub const CONNECTIONS: usize = 10_000;
/// Bytes on their way to one peer at which its requests are no longer read, until half of it is sent.
pub const UNSENT_PAUSE: usize = 4 << 20;
/// Bytes on their way to one peer at which it is closed: it stopped reading while others commit.
pub const UNSENT_MAX: usize = 1 << 30;
/// Operations of one connection that may wait for the disk at the same time.
pub const OPERATIONS_PER_CONNECTION: usize = 1_000;
/// Votes of one transaction that may end in conflicts; the next one answers ConflictError (Python's client stops at 9).
pub const VOTE_ROUNDS: u32 = 9;
/// Object ids handed out by one `new_oids` call, as in Python's server.
pub const NEW_OIDS: u64 = 100;
/// Bytes of a client label kept for the log.
pub const LABEL: usize = 200;
/// Transactions in the invalidation queue unless configured (`invalidation-queue-size`).
pub const INVALIDATION_QUEUE: usize = 100;
/// Bytes of a body up to which it is copied into a connection's send buffer instead of being sent from where it lies.
pub const COPY_BODY: usize = 4096;
/// Bytes of the disk reserved ahead of the log's end, so that most votes need not ask.
pub const RESERVE_AHEAD: u64 = 8 << 20;
/// Bytes of one sequential read while a log is scanned at open.
pub const SCAN_CHUNK: usize = 1 << 20;
/// Bytes read for an object whose size is not known yet.
pub const FIRST_READ: usize = 4096;
