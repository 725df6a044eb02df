//! Writing values in either encoding, byte for byte as Python's peers do.

use crate::ids::{Oid, Tid};
use crate::wire::tree::{Copier, Items, Kind, Owned, Value};
use crate::wire::{Codec, Malformed, msgpack, pickle};
use bytes::{BufMut, BytesMut};

/// Appends values to a buffer.
///
/// A message is [`start`](Writer::start), one value, [`finish`](Writer::finish). Containers are told their length and
/// given a function that writes exactly so many items.
#[derive(Debug)]
pub struct Writer<'b> {
    codec: Codec,
    out: &'b mut BytesMut,
}

/// Writes a value in the encoding at hand.
macro_rules! encode {
    ($writer:ident, $function:ident($($argument:expr),*)) => {
        match $writer.codec {
            Codec::Pickle => pickle::write::$function($writer.out $(, $argument)*),
            Codec::Msgpack => msgpack::write::$function($writer.out $(, $argument)*),
        }
    };
}

impl<'b> Writer<'b> {
    /// Writes to the end of `out`.
    pub fn new(codec: Codec, out: &'b mut BytesMut) -> Writer<'b> {
        Writer { codec, out }
    }

    /// What precedes the message's value.
    pub fn start(&mut self) {
        if self.codec == Codec::Pickle {
            pickle::write::start(self.out);
        }
    }

    /// What follows the message's value.
    pub fn finish(&mut self) {
        if self.codec == Codec::Pickle {
            pickle::write::finish(self.out);
        }
    }

    /// The encoding.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// How long the buffer is.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// `None`.
    pub fn none(&mut self) {
        encode!(self, none());
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        encode!(self, bool(value));
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        encode!(self, int(value));
    }

    /// A count; beyond 63 bits it is written as the largest number of these.
    pub fn count(&mut self, value: u64) {
        self.int(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A float.
    pub fn float(&mut self, value: f64) {
        encode!(self, float(value));
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes_head(bytes.len());
        self.out.put_slice(bytes);
    }

    /// The head of a bytes value whose `len` bytes the caller sends after what is written so far.
    ///
    /// # Panics
    /// When `len` is 4 GiB or more, which neither encoding can express.
    pub fn bytes_head(&mut self, len: usize) {
        let len = u32::try_from(len).expect("bytes shorter than 4 GiB");
        encode!(self, bytes_head(len));
    }

    /// Text.
    pub fn str(&mut self, text: &str) {
        self.utf8(text.as_bytes());
    }

    fn utf8(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).expect("text shorter than 4 GiB");
        encode!(self, str_head(len));
        self.out.put_slice(bytes);
    }

    /// An object id: eight bytes.
    pub fn oid(&mut self, oid: Oid) {
        self.bytes(&oid.bytes());
    }

    /// A transaction id: eight bytes.
    pub fn tid(&mut self, tid: Tid) {
        self.bytes(&tid.bytes());
    }

    /// What `write` makes of a value, or `None`.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.none(),
        }
    }

    /// A tuple whose `len` items `write` writes.
    pub fn tuple(&mut self, len: usize, write: impl FnOnce(&mut Self)) {
        match self.codec {
            Codec::Pickle => {
                pickle::write::tuple_open(self.out, len);
                write(self);
                pickle::write::tuple_close(self.out, len);
            }
            Codec::Msgpack => {
                msgpack::write::array_head(self.out, len);
                write(self);
            }
        }
    }

    /// A list: `write` is called for every item.
    pub fn list<I>(&mut self, items: I, mut write: impl FnMut(&mut Self, I::Item))
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>,
    {
        let items = items.into_iter();
        let len = items.len();
        match self.codec {
            Codec::Pickle => {
                pickle::write::list_open(self.out);
                for (at, item) in items.enumerate() {
                    pickle::write::list_before(self.out, len, at);
                    write(self, item);
                    pickle::write::list_after(self.out, len, at);
                }
            }
            Codec::Msgpack => {
                msgpack::write::array_head(self.out, len);
                items.for_each(|item| write(self, item));
            }
        }
    }

    /// A dictionary: `write` is called for every pair and writes key and value.
    pub fn dict<I>(&mut self, pairs: I, mut write: impl FnMut(&mut Self, I::Item))
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>,
    {
        let pairs = pairs.into_iter();
        let len = pairs.len();
        match self.codec {
            Codec::Pickle => {
                pickle::write::dict_open(self.out);
                for (at, pair) in pairs.enumerate() {
                    pickle::write::dict_before(self.out, len, at);
                    write(self, pair);
                    pickle::write::dict_after(self.out, len, at);
                }
            }
            Codec::Msgpack => {
                msgpack::write::map_head(self.out, len);
                pairs.for_each(|pair| write(self, pair));
            }
        }
    }

    /// An object of this class, made without arguments and given the state that `write` writes: in pickles only.
    ///
    /// # Panics
    /// In msgpack, which has no objects.
    pub fn object(&mut self, module: &str, class: &str, write: impl FnOnce(&mut Self)) {
        assert_eq!(self.codec, Codec::Pickle, "msgpack has no objects");
        pickle::write::object_open(self.out, module, class);
        write(self);
        pickle::write::object_close(self.out);
    }

    /// Any value. msgpack knows neither lists nor sets nor lone surrogates: they become arrays and bytes.
    pub fn value(&mut self, value: &Owned) {
        match value {
            Owned::None => self.none(),
            Owned::Bool(value) => self.bool(*value),
            Owned::Int(value) => self.int(*value),
            Owned::BigInt(bytes) => encode!(self, big_int(bytes)),
            Owned::Float(value) => self.float(*value),
            Owned::Bytes(bytes) => self.bytes(bytes),
            Owned::Str(text) => self.str(text),
            Owned::Surrogates(bytes) => match self.codec {
                Codec::Pickle => self.utf8(bytes),
                Codec::Msgpack => self.bytes(bytes),
            },
            Owned::Tuple(items) => self.tuple(items.len(), |w| items.iter().for_each(|item| w.value(item))),
            Owned::List(items) => self.list(items, Self::value),
            Owned::Dict(pairs) => self.dict(pairs, |w, (key, value)| {
                w.value(key);
                w.value(value);
            }),
            Owned::Set(items) => match self.codec {
                Codec::Pickle => {
                    pickle::write::set_open(self.out);
                    self.list(items, Self::value);
                    pickle::write::set_close(self.out);
                }
                Codec::Msgpack => self.list(items, Self::value),
            },
        }
    }

    /// A whole message: start, the value that `write` writes, finish.
    pub fn message(codec: Codec, out: &'b mut BytesMut, write: impl FnOnce(&mut Writer<'b>)) {
        let mut writer = Writer::new(codec, out);
        writer.start();
        write(&mut writer);
        writer.finish();
    }
}

/// The pickle a storage keeps of a transaction's extension dictionary, as Python's server writes it: protocol 3,
/// whichever encoding it came in.
///
/// Empty for an empty dictionary and for `None`. Bytes are such a pickle already and are taken as they are.
///
/// # Errors
/// [`Malformed::Global`] when the dictionary holds anything but plain data, [`Malformed::Limit`] when it is nested too
/// deep or unfolds to too much, [`Malformed::Shape`] when it is no dictionary.
pub fn extension_pickle(extension: Value<'_>) -> Result<Vec<u8>, Malformed> {
    if let Some(bytes) = extension.as_bytes() {
        return Ok(bytes.into());
    }
    match called_dict(extension)
        .map_or_else(|| extension.to_owned(), |items| dict(items, Copier::of(extension)))?
    {
        Owned::None => Ok(Vec::new()),
        Owned::Dict(pairs) if pairs.is_empty() => Ok(Vec::new()),
        dict @ Owned::Dict(_) => Ok(pickle::kept::kept(&dict)),
        _ => Err(Malformed::Shape("the extension is not a dictionary")),
    }
}

/// What `dict` is called with where that makes the value, as a class that extends `dict` may have itself pickled.
fn called_dict(value: Value<'_>) -> Option<Items<'_>> {
    let Kind::Reduce { callable, args } = value.kind() else { return None };
    let Kind::Global { module: "builtins" | "__builtin__", name: "dict" } = callable.kind() else {
        return None;
    };
    let [pairs] = args.array()?;
    pairs.items()
}

/// A dictionary of tuples of two.
fn dict(items: Items<'_>, mut copier: Copier) -> Result<Owned, Malformed> {
    let pairs = items.map(|pair| {
        let Kind::Tuple(pair) = pair.kind() else { return Err(Malformed::Shape("a pair is no tuple")) };
        let [key, value] = pair.array().ok_or(Malformed::Shape("a pair is not of two"))?;
        Ok((copier.copy(key)?, copier.copy(value)?))
    });
    Ok(Owned::Dict(pairs.collect::<Result<_, _>>()?))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
