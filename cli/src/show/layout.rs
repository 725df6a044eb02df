//! Nested text, on one line where it fits and on indented lines where not.

/// Columns of a line.
const WIDTH: usize = 100;
const INDENT: usize = 2;

/// Text that may be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doc {
    /// Stays on its line.
    Text(String),
    /// One after the other on a line.
    Row(Vec<Doc>),
    /// Items between brackets: with commas on one line, or one on each line.
    Group { open: String, items: Vec<Doc>, close: &'static str },
}

impl Doc {
    pub(super) fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }

    /// `first: second`.
    pub(super) fn pair(first: Doc, second: Doc) -> Doc {
        Doc::Row(vec![first, Doc::text(": "), second])
    }

    pub(super) fn group(open: impl Into<String>, items: Vec<Doc>, close: &'static str) -> Doc {
        Doc::Group { open: open.into(), items, close }
    }

    /// The text, which begins at this column.
    pub(super) fn lay_out(&self, column: usize) -> String {
        let mut out = String::new();
        self.put(&mut out, column, column);
        out
    }

    /// Appends the text at a column, and returns the column after it. What is broken is indented from `indent`.
    fn put(&self, out: &mut String, indent: usize, column: usize) -> usize {
        match self {
            Doc::Text(text) => {
                out.push_str(text);
                column + text.chars().count()
            }
            Doc::Row(parts) => parts.iter().fold(column, |column, part| part.put(out, indent, column)),
            Doc::Group { open, items, close } => {
                if self.fits(WIDTH.saturating_sub(column)).is_some() {
                    return self.flat(out, column);
                }
                out.push_str(open);
                for item in items {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent + INDENT));
                    item.put(out, indent + INDENT, indent + INDENT);
                    out.push(',');
                }
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                out.push_str(close);
                indent + close.len()
            }
        }
    }

    /// Columns that are left of so many on one line. `None` when there are too few: then no more is looked at.
    fn fits(&self, left: usize) -> Option<usize> {
        match self {
            Doc::Text(text) => left.checked_sub(text.chars().count()),
            Doc::Row(parts) => parts.iter().try_fold(left, |left, part| part.fits(left)),
            Doc::Group { open, items, close } => {
                let left = left.checked_sub(open.chars().count() + close.len())?;
                items.iter().enumerate().try_fold(left, |left, (at, item)| {
                    item.fits(left.checked_sub(if at == 0 { 0 } else { 2 })?)
                })
            }
        }
    }

    fn flat(&self, out: &mut String, column: usize) -> usize {
        let before = out.len();
        self.put_flat(out);
        column + out[before..].chars().count()
    }

    fn put_flat(&self, out: &mut String) {
        match self {
            Doc::Text(text) => out.push_str(text),
            Doc::Row(parts) => parts.iter().for_each(|part| part.put_flat(out)),
            Doc::Group { open, items, close } => {
                out.push_str(open);
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    item.put_flat(out);
                }
                out.push_str(close);
            }
        }
    }
}
