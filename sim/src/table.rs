//! The table of planted bugs in `docs/simulation.md`: made by a command, and compared with it by a test.

use crate::bug::Bug;
use crate::hunt::Hunted;
use std::ops::Range;

/// The first lines of the table.
pub const HEAD: &str = "\
| Bug | Promise | Found in seed | Events before | Events after |
|--|--|--|--|--|
";

/// The line of a bug, with what finds it; `None`: nothing does.
pub fn row(bug: Bug, found: Option<&Hunted>) -> String {
    let (name, promise) = (bug.name(), bug.promise());
    match found {
        Some(found) => {
            let (seed, before, after) = (found.seed, found.before, found.shrunk.outcome.events.len());
            format!("| {name} | {promise} | {seed} | {before} | {after} |\n")
        }
        None => format!("| {name} | {promise} | none | | |\n"),
    }
}

/// Where the table stands in a text; `None` when there is none.
pub fn place(text: &str) -> Option<Range<usize>> {
    let start = text.find(HEAD)?;
    let rows = text[start..].split_inclusive('\n').take_while(|line| line.starts_with('|'));
    Some(start..start + rows.map(str::len).sum::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_found_in_a_text() {
        let table = format!("{HEAD}| a | 1 | 2 | 3 | 4 |\n");
        let text = format!("Before.\n\n{table}\nBehind. | no row\n");
        assert_eq!(place(&text).map(|place| &text[place]), Some(&table[..]));
        assert_eq!(place("| Bug |\n"), None);
    }
}
