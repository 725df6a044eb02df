//! What a failure has in common with others that are the same.

use super::{Kind, Violation};

/// Of a panic its place, of liveness what is waited for, up to the details: words without a number in them. Nothing of
/// safety: one promise is broken in one way, whatever it is seen from.
pub(super) fn of(violation: &Violation) -> String {
    let what = &violation.what;
    match violation.kind {
        Kind::Safety => String::new(),
        Kind::Panic => what.rsplit_once(" (").map_or("", |(_, place)| place).to_owned(),
        Kind::Liveness => {
            let what = what.split_once(':').map_or(&what[..], |(what, _)| what);
            let words =
                what.split_whitespace().filter(|word| !word.contains(|letter: char| letter.is_ascii_digit()));
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_alike(kind: Kind, one: &str, two: &str) -> bool {
        let violation = |what: &str| Violation { promise: 20, kind, what: what.to_owned() };
        violation(one).is_like(&violation(two))
    }

    #[test]
    fn panics_are_the_same_at_the_same_place() {
        let alike = |one, two| are_alike(Kind::Panic, one, two);
        assert!(alike("tids rise (core/src/a.rs:12)", "tids 3 (core/src/a.rs:12)"));
        assert!(!alike("tids rise (core/src/a.rs:12)", "tids rise (core/src/a.rs:13)"));
    }

    #[test]
    fn those_who_wait_for_ever_wait_for_the_same_kind_of_thing() {
        let alike = |one, two| are_alike(Kind::Liveness, one, two);
        assert!(alike(
            "client 0 waits for ever voting: object 3",
            "client 1 waits for ever voting: object 7"
        ));
        assert!(!alike(
            "client 0 waits for ever voting: object 3",
            "client 0 waits for ever reading: object 3"
        ));
        assert!(alike(
            "nobody waits, and connection 3 has 2 iterations",
            "nobody waits, and connection 4 has 1 iterations"
        ));
        assert!(!alike(
            "nobody waits, and connection 3 has 2 iterations",
            "nobody waits, and connection 3 has locks"
        ));
    }

    #[test]
    fn a_broken_promise_is_the_same_in_other_words() {
        assert!(are_alike(Kind::Safety, "one thing", "another"));
    }
}
