//! Decoded values.

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
    /// A tuple; msgpack's arrays are tuples.
    Tuple(Vec<Owned>),
    /// A list.
    List(Vec<Owned>),
    /// A dictionary, in its order.
    Dict(Vec<(Owned, Owned)>),
    /// A set.
    Set(Vec<Owned>),
}
