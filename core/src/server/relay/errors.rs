//! What goes wrong above, as a client hears it.

use crate::client::Error;
use crate::commit::item::conflict_error;
use crate::wire::remote::{ConflictError, RemoteError};

/// The error of a call that could not be carried out above.
pub(super) fn remote(error: Error) -> RemoteError {
    match error {
        Error::Refused(error) => error,
        Error::Disconnected(_) | Error::Lost(_) | Error::OutcomeUnknown(_) | Error::Closed => {
            RemoteError::Disconnected(error.to_string())
        }
        Error::ReadOnly => RemoteError::ReadOnly,
        Error::Conflict(conflict) => conflict_error(&conflict),
        Error::ReadConflict { oid, committed, read } => {
            RemoteError::ReadConflict(Box::new(ConflictError { oid, committed, read, class_name: None }))
        }
        Error::NoObject(oid) => RemoteError::PosKey(oid),
        Error::NoTransaction => RemoteError::StorageTransaction(error.to_string()),
        Error::Empty(_) | Error::Extension(_) | Error::Limit(_) | Error::Blob(_) => {
            RemoteError::Storage(error.to_string())
        }
        Error::ServerBehind { .. } | Error::NotYet { .. } | Error::Protocol(_) | Error::NoIteration => {
            RemoteError::StorageSystem(error.to_string())
        }
    }
}
