//! A machine's panic as an outcome: a broken invariant is a violation as well, and must not lose its seed.

use crate::checkers::Violation;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does something that may panic. Such a panic prints nothing: a machine may be made to panic a thousand times while its
/// schedule is shrunk.
pub(crate) fn watched<T>(act: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| if WATCHED.get() { note(info) } else { usual(info) }));
    });
    WATCHED.set(true);
    let result = catch_unwind(AssertUnwindSafe(act));
    WATCHED.set(false);
    result.unwrap_or_else(|_| Err(Violation::panic(SAID.take())))
}

fn note(info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("a panic without words");
    let place = info.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
    SAID.set(what.to_owned() + &place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_violation_that_says_where() {
        let violation = watched::<()>(|| panic!("tids rise")).expect_err("it panics");
        assert!(violation.what.starts_with("tids rise (sim/src/panics.rs:"), "{violation}");
        assert_eq!(watched(|| Ok(1)), Ok(1));
    }
}
