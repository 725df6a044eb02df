//! Values on their own.

use super::{Items, Kind, Value};
use crate::limits;
use crate::wire::Malformed;
use std::fmt;

/// A value on its own: what a message held, without the message.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A larger integer: two's complement, little-endian, as pickle writes it.
    BigInt(Vec<u8>),
    /// A float.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Str(String),
    /// Text with lone surrogates, as Python's `surrogatepass` writes it.
    Surrogates(Vec<u8>),
    /// A tuple; msgpack's arrays are tuples.
    Tuple(Vec<Owned>),
    /// A list.
    List(Vec<Owned>),
    /// A dictionary, in its order.
    Dict(Vec<(Owned, Owned)>),
    /// A set.
    Set(Vec<Owned>),
}

impl Value<'_> {
    /// The value without its message.
    ///
    /// # Errors
    /// [`Malformed::Global`] where it names a class. [`Malformed::Limit`] where it is nested deeper than
    /// [`limits::DEPTH`], or unfolds to much more than the message it came in: a pickle can refer to one value many
    /// times, and to a list from within itself.
    pub fn to_owned(self) -> Result<Owned, Malformed> {
        Copier::of(self).copy(self)
    }

    /// The value without its message, if it holds at most so many values and bytes of text.
    ///
    /// # Errors
    /// As [`to_owned`](Value::to_owned).
    pub fn to_owned_within(self, values: usize, bytes: usize) -> Result<Owned, Malformed> {
        Copier::within(values, bytes).copy(self)
    }
}

/// Copies values out of a message, and counts what the copies may still take together.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::wire) struct Copier {
    values: usize,
    bytes: usize,
}

impl Copier {
    /// For as much as the message of this value can hold when nothing in it is referred to twice.
    pub(in crate::wire) fn of(value: Value<'_>) -> Copier {
        // Written out in full, every value takes a byte at least.
        let values = value.message.len().min(limits::VALUES);
        Copier::within(values, value.message.len().saturating_mul(4) + limits::METADATA)
    }

    /// For so many values and bytes of text.
    pub(in crate::wire) fn within(values: usize, bytes: usize) -> Copier {
        Copier { values, bytes }
    }

    /// Sets so much of what is left aside for one part of the copies, or all if it is less.
    pub(in crate::wire) fn part(&mut self, values: usize, bytes: usize) -> Copier {
        let part = Copier::within(values.min(self.values), bytes.min(self.bytes));
        self.values -= part.values;
        self.bytes -= part.bytes;
        part
    }

    /// Takes back what a part has left.
    pub(in crate::wire) fn take_back(&mut self, part: Copier) {
        self.values += part.values;
        self.bytes += part.bytes;
    }

    /// The value without its message.
    pub(in crate::wire) fn copy(&mut self, value: Value<'_>) -> Result<Owned, Malformed> {
        self.copy_within(value, limits::DEPTH)
    }

    /// Counts values that are looked at and not copied.
    pub(in crate::wire) fn admit_values(&mut self, count: usize) -> Result<(), Malformed> {
        self.values = self.values.checked_sub(count).ok_or(Malformed::Limit("values"))?;
        Ok(())
    }

    fn copy_within(&mut self, value: Value<'_>, depth: usize) -> Result<Owned, Malformed> {
        self.admit_values(1)?;
        let deeper = || depth.checked_sub(1).ok_or(Malformed::Limit("depth"));
        Ok(match value.kind() {
            Kind::None => Owned::None,
            Kind::Bool(value) => Owned::Bool(value),
            Kind::Int(value) => Owned::Int(value),
            Kind::BigInt(bytes) => Owned::BigInt(self.bytes(bytes)?),
            Kind::Float(value) => Owned::Float(value),
            Kind::Bytes(bytes) => Owned::Bytes(self.bytes(bytes)?),
            Kind::Str(text) => {
                self.admit_bytes(text.len())?;
                Owned::Str(text.into())
            }
            Kind::Surrogates(bytes) => Owned::Surrogates(self.bytes(bytes)?),
            Kind::Tuple(items) => Owned::Tuple(self.items(items, deeper()?)?),
            Kind::List(items) => Owned::List(self.items(items, deeper()?)?),
            Kind::Set(items) | Kind::FrozenSet(items) => Owned::Set(self.items(items, deeper()?)?),
            Kind::Dict(pairs) => {
                let depth = deeper()?;
                let pairs = pairs
                    .map(|(key, value)| Ok((self.copy_within(key, depth)?, self.copy_within(value, depth)?)));
                Owned::Dict(pairs.collect::<Result<_, Malformed>>()?)
            }
            Kind::Global { module, name } => return Err(Malformed::Global(format!("{module}.{name}"))),
            Kind::Reduce { callable, .. } => return Err(named(callable)),
            Kind::Build { object, .. } => return Err(named(object)),
            Kind::Persid(_) => return Err(Malformed::Global("a persistent reference".into())),
            Kind::Extension(code) => return Err(Malformed::Global(format!("extension {code}"))),
        })
    }

    /// Counts bytes that are looked at and not copied.
    pub(in crate::wire) fn admit_bytes(&mut self, len: usize) -> Result<(), Malformed> {
        self.bytes = self.bytes.checked_sub(len).ok_or(Malformed::Limit("bytes"))?;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        self.admit_bytes(bytes.len())?;
        Ok(bytes.into())
    }

    fn items(&mut self, items: Items<'_>, depth: usize) -> Result<Vec<Owned>, Malformed> {
        items.map(|item| self.copy_within(item, depth)).collect()
    }
}

/// The class behind an object that is not plain data, for the log.
fn named(mut value: Value<'_>) -> Malformed {
    for _ in 0..limits::DEPTH {
        value = match value.kind() {
            Kind::Global { module, name } => return Malformed::Global(format!("{module}.{name}")),
            Kind::Reduce { callable, .. } => callable,
            Kind::Build { object, .. } => object,
            _ => break,
        }
    }
    Malformed::Global("an object".into())
}

impl fmt::Display for Owned {
    /// Much as Python prints it, for logs and error messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owned::None => f.write_str("None"),
            Owned::Bool(true) => f.write_str("True"),
            Owned::Bool(false) => f.write_str("False"),
            Owned::Int(value) => value.fmt(f),
            Owned::BigInt(bytes) => {
                f.write_str("0x")?;
                bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Owned::Float(value) => write!(f, "{value:?}"),
            Owned::Bytes(bytes) | Owned::Surrogates(bytes) => write!(f, "b'{}'", bytes.escape_ascii()),
            Owned::Str(text) => write!(f, "'{text}'"),
            Owned::Tuple(items) => match &items[..] {
                [item] => write!(f, "({item},)"),
                _ => list(f, "(", items, ")"),
            },
            Owned::List(items) => list(f, "[", items, "]"),
            Owned::Set(items) => list(f, "{", items, "}"),
            Owned::Dict(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: &str, items: &[Owned], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    f.write_str(close)
}
