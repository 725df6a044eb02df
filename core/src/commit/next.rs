//! What follows for a transaction from an answer it waited for.

use crate::server::names::{ConnId, ReplyTo, TxnKey};
use crate::wire::remote::RemoteError;

/// What is to be done next with a transaction.
#[derive(Debug)]
pub(super) enum Next {
    Nothing,
    /// Its vote may go on.
    Vote(ConnId),
    /// Its vote ends with an error.
    Fail(ConnId, ReplyTo, RemoteError),
    /// One of its blobs has its name: when all have, it may be appended.
    Append(TxnKey),
    /// One of its blobs cannot have its name.
    Withdraw(TxnKey, RemoteError),
}
