//! Classes whose changes can be merged by the client that undoes one of them.

use crate::record;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which conflicts of an undo are left to the client: those of the package BTrees, which whoever has ZODB can merge, and of
/// classes that an operator vouches for: they have `_p_resolveConflict`, and every client that undoes has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged(Arc<BTreeSet<String>>);

impl Merged {
    /// BTrees, and the classes of these dotted names.
    pub fn with(names: impl IntoIterator<Item = String>) -> Merged {
        Merged(Arc::new(names.into_iter().collect()))
    }

    /// Whether an object with this state belongs to one of them.
    pub fn has(&self, state: &[u8]) -> bool {
        record::class(state).is_ok_and(|class| {
            class.module.starts_with("BTrees.")
                || self.0.contains(&format!("{}.{}", class.module, class.name))
        })
    }
}
