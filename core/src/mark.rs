//! Coverage marks: names beside the branches that are easy to get wrong, so that a campaign can tell which of them it
//! reached, and a test can fail when it stops reaching one.
//!
//! Without the feature `marks` they are nothing. With it each is a counter of its thread, which costs a load, a
//! comparison and a store; machines stay free of anything that could change what they do.

#[cfg(feature = "marks")]
pub use counted::{Mark, take};

#[cfg(feature = "marks")]
pub(crate) use counted::hit;

/// Says that this place was reached. The name is a short sentence, and no other place has it.
#[cfg(feature = "marks")]
macro_rules! mark {
    ($name:literal) => {{
        thread_local! {
            static HITS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
        }
        let mark = $crate::mark::Mark { name: $name, file: file!() };
        HITS.with(|hits| $crate::mark::hit(mark, hits, || HITS.take()));
    }};
}

#[cfg(not(feature = "marks"))]
macro_rules! mark {
    ($name:literal) => {{}};
}

#[cfg(feature = "marks")]
mod counted {
    use std::cell::{Cell, RefCell};

    /// A place in the source.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Mark {
        /// What it is called.
        pub name: &'static str,
        /// The file it is in.
        pub file: &'static str,
    }

    /// Reads and resets the counter of a mark.
    type Take = fn() -> u64;

    thread_local! {
        /// The marks this thread reached.
        static REACHED: RefCell<Vec<(Mark, Take)>> = const { RefCell::new(Vec::new()) };
    }

    /// Counts a mark; one that is reached for the first time is noted.
    pub(crate) fn hit(mark: Mark, hits: &Cell<u64>, take: Take) {
        if hits.get() == 0 {
            REACHED.with_borrow_mut(|reached| reached.push((mark, take)));
        }
        hits.set(hits.get() + 1);
    }

    /// The marks that this thread reached since it was asked last, in order of their names, with how often.
    pub fn take() -> Vec<(Mark, u64)> {
        let reached = REACHED.with_borrow_mut(std::mem::take);
        let mut marks: Vec<(Mark, u64)> = reached.into_iter().map(|(mark, take)| (mark, take())).collect();
        marks.sort_unstable();
        marks
    }
}

#[cfg(all(test, feature = "marks"))]
mod tests {
    use super::take;

    fn pass(times: u64) {
        for _ in 0..times {
            mark!("a test passes here");
        }
    }

    #[test]
    fn marks_are_counted_until_they_are_taken() {
        pass(3);
        mark!("a test comes here once");
        let counts: Vec<_> = take().into_iter().map(|(mark, hits)| (mark.name, hits)).collect();
        assert_eq!(counts, [("a test comes here once", 1), ("a test passes here", 3)]);
        assert_eq!(take(), []);
        pass(1);
        assert_eq!(take().len(), 1);
    }
}
