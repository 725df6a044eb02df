//! An object's record as text for people: class, size, references, and the state as a tree. Nothing in it is executed.

mod command;
mod layout;
mod literal;
mod shapes;
mod value;

pub use command::{ShowArgs, show};
pub(crate) use literal::plain;

use std::borrow::Cow;
use std::fmt::Write;
use value::Painter;
use zeolith_core::record::{Reference, State, class_of, references, uncoded};
use zeolith_core::wire::tree::Tree;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Everything, where otherwise long bytes, texts and containers are cut short and say how long they are.
    pub full: bool,
}

/// A record as text, with a newline at its end.
///
/// Whatever cannot be read is said in its place: a record is never refused as a whole. The text is bounded even with
/// [`Options::full`]: by the depth that is followed, and because what occurs more than once is shown once and then
/// named.
pub fn render(record: &[u8], options: Options) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    put(&mut out, record, options).expect("a string takes everything");
    out
}

fn put(out: &mut String, record: &[u8], options: Options) -> std::fmt::Result {
    let (data, size) = match uncoded(record) {
        Ok(Cow::Borrowed(data)) => (Cow::Borrowed(data), format!("{} bytes", data.len())),
        Ok(data) => {
            let size = format!("{} bytes, {} uncoded", record.len(), data.len());
            (data, size)
        }
        Err(why) => {
            return writeln!(out, "size        {} bytes; {why}", record.len());
        }
    };
    let mut tree = Tree::new();
    let state = State::read(&data, &mut tree);
    match &state {
        Ok(state) => match class_of(state.class()) {
            Some(class) => writeln!(out, "class       {}", literal::plain(&class.to_string()))?,
            None => {
                let class = Painter::new(options, &[state.class()]).value(state.class());
                writeln!(out, "class       {}", class.lay_out(12))?;
            }
        },
        Err(_) => match zeolith_core::record::class(&data) {
            Ok(class) => writeln!(out, "class       {}", literal::plain(&class.to_string()))?,
            Err(_) => writeln!(out, "class       unknown")?,
        },
    }
    writeln!(out, "size        {size}")?;
    match references(&data) {
        Ok(references) => writeln!(out, "references  {}", listed(&references, options))?,
        Err(error) => writeln!(out, "references  {error}")?,
    }
    match state {
        Ok(state) => {
            let shown = shapes::record(&mut Painter::new(options, &[state.state()]), &state);
            writeln!(out, "state       {}", shown.lay_out(12))?;
            match state.trailing() {
                0 => Ok(()),
                trailing => writeln!(out, "            and {trailing} bytes after it, which ZODB ignores"),
            }
        }
        Err(error) => {
            writeln!(out, "state       {error}")?;
            let bytes = literal::bytes(&data, options);
            writeln!(out, "            {bytes}")
        }
    }
}

/// References that are listed unless all are wanted.
const LISTED: usize = 20;

fn listed(references: &[Reference], options: Options) -> String {
    if references.is_empty() {
        return "none".to_owned();
    }
    let shown = if options.full { references.len() } else { references.len().min(LISTED) };
    let texts: Vec<String> = references[..shown].iter().map(literal::reference).collect();
    let rest = references.len() - shown;
    let more = if rest == 0 { String::new() } else { format!(", and {rest} more") };
    format!("{}: {}{more}", references.len(), texts.join(", "))
}

#[cfg(test)]
mod tests;
