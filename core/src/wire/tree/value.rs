//! A value in a tree, and what can be asked of it.

use super::arena::{Chain, Link, Node, Row, Span};
use super::{Id, Tree};
use crate::ids::{Oid, Tid};
use std::fmt;

/// A decoded value: a place in a [`Tree`] and the message it was read from.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    pub(super) tree: &'a Tree,
    pub(super) message: &'a [u8],
    pub(super) id: Id,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A larger integer: two's complement, little-endian, without needless bytes.
    BigInt(&'a [u8]),
    /// A float.
    Float(f64),
    /// Bytes. Python 2 strings are bytes when they are not ASCII.
    Bytes(&'a [u8]),
    /// Text.
    Str(&'a str),
    /// Text with lone surrogates, which has no UTF-8 form: as Python's `surrogatepass` writes it.
    Surrogates(&'a [u8]),
    /// A tuple; msgpack's arrays are tuples.
    Tuple(Items<'a>),
    /// A list. It may contain itself.
    List(Items<'a>),
    /// A dictionary, in its order, with repeated keys if the message repeats them. It may contain itself.
    Dict(Pairs<'a>),
    /// A set.
    Set(Items<'a>),
    /// A frozenset.
    FrozenSet(Items<'a>),
    /// A class or function by name. It is never looked up.
    Global {
        /// The dotted module.
        module: &'a str,
        /// The name within the module.
        name: &'a str,
    },
    /// What calling would have made; nothing is called. Keyword arguments follow the others as one more item.
    Reduce {
        /// What would be called.
        callable: Value<'a>,
        /// With what: usually a tuple.
        args: Value<'a>,
    },
    /// An object that is given its state, or items of its own as a list, or pairs as a dictionary.
    Build {
        /// The object.
        object: Value<'a>,
        /// Its state.
        state: Value<'a>,
    },
    /// A persistent reference.
    Persid(Value<'a>),
    /// A class by its code in Python's `copyreg`.
    Extension(u32),
}

impl<'a> Value<'a> {
    pub(in crate::wire) fn new(tree: &'a Tree, message: &'a [u8], id: Id) -> Value<'a> {
        Value { tree, message, id }
    }

    pub(in crate::wire) fn id(self) -> Id {
        self.id
    }

    fn at(self, id: Id) -> Value<'a> {
        Value { id, ..self }
    }

    fn bytes(self, span: Span) -> &'a [u8] {
        self.tree.bytes(self.message, span)
    }

    fn text(self, span: Span) -> &'a str {
        std::str::from_utf8(self.bytes(span)).expect("text was checked when it was read")
    }

    fn row(self, row: Row) -> Items<'a> {
        Items { of: self, row, next: Link::NONE, left: row.len as usize }
    }

    fn chain(self, chain: Chain) -> Items<'a> {
        Items { of: self, row: Row { start: 0, len: 0 }, next: chain.first, left: chain.len as usize }
    }

    fn listed(self, list: Id) -> Items<'a> {
        match self.tree.node(list) {
            Node::List(chain) => self.chain(chain),
            _ => unreachable!("a set is made of a list"),
        }
    }

    /// Where it is in its tree: two values of one tree with the same place are one object.
    pub fn place(self) -> usize {
        self.id.0 as usize
    }

    /// What the value is, with its content.
    pub fn kind(self) -> Kind<'a> {
        match self.tree.node(self.id) {
            Node::None => Kind::None,
            Node::Bool(value) => Kind::Bool(value),
            Node::Int(value) => Kind::Int(value),
            Node::BigInt(span) => Kind::BigInt(self.bytes(span)),
            Node::Float(value) => Kind::Float(value),
            Node::Bytes(span) => Kind::Bytes(self.bytes(span)),
            Node::Str(span) => Kind::Str(self.text(span)),
            Node::Surrogates(span) => Kind::Surrogates(self.bytes(span)),
            Node::Tuple(row) => Kind::Tuple(self.row(row)),
            Node::List(chain) => Kind::List(self.chain(chain)),
            Node::Dict(chain) => Kind::Dict(Pairs(self.chain(chain))),
            Node::Set(chain) => Kind::Set(self.chain(chain)),
            Node::SetOf(list) => Kind::Set(self.listed(list)),
            Node::FrozenSet(chain) => Kind::FrozenSet(self.chain(chain)),
            Node::FrozenSetOf(list) => Kind::FrozenSet(self.listed(list)),
            Node::Global(module, name) => match (self.at(module).kind(), self.at(name).kind()) {
                (Kind::Str(module), Kind::Str(name)) => Kind::Global { module, name },
                _ => unreachable!("a global is named by text"),
            },
            Node::Reduce(callable, args) => Kind::Reduce { callable: self.at(callable), args: self.at(args) },
            Node::Build(object, state) => Kind::Build { object: self.at(object), state: self.at(state) },
            Node::Persid(id) => Kind::Persid(self.at(id)),
            Node::Extension(code) => Kind::Extension(code),
        }
    }

    /// Whether it is `None`.
    pub fn is_none(self) -> bool {
        matches!(self.tree.node(self.id), Node::None)
    }

    /// An integer of 64 bits; a boolean is one, as in Python.
    pub fn as_int(self) -> Option<i64> {
        match self.tree.node(self.id) {
            Node::Int(value) => Some(value),
            Node::Bool(value) => Some(i64::from(value)),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub fn as_count(self) -> Option<u64> {
        self.as_int()?.try_into().ok()
    }

    /// A float or an integer, as a float.
    pub fn as_number(self) -> Option<f64> {
        match self.tree.node(self.id) {
            Node::Float(value) => Some(value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// A boolean or an integer, true unless zero.
    pub fn as_flag(self) -> Option<bool> {
        self.as_int().map(|value| value != 0)
    }

    /// Bytes, and nothing else.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self.tree.node(self.id) {
            Node::Bytes(span) => Some(self.bytes(span)),
            _ => None,
        }
    }

    /// Text, and nothing else.
    pub fn as_str(self) -> Option<&'a str> {
        match self.tree.node(self.id) {
            Node::Str(span) => Some(self.text(span)),
            _ => None,
        }
    }

    /// Bytes, or text as UTF-8: where Python 2 made no difference.
    pub fn as_octets(self) -> Option<&'a [u8]> {
        match self.tree.node(self.id) {
            Node::Bytes(span) | Node::Str(span) => Some(self.bytes(span)),
            _ => None,
        }
    }

    /// Eight bytes, which Python 2 may have written as text.
    pub fn as_oid(self) -> Option<Oid> {
        Oid::from_slice(self.as_octets()?)
    }

    /// Eight bytes, which Python 2 may have written as text.
    pub fn as_tid(self) -> Option<Tid> {
        Tid::from_slice(self.as_octets()?)
    }

    /// What `read` reads, or `None` where the value is that; the outer `None` is neither.
    pub fn or_none<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_none() { Some(None) } else { read(self).map(Some) }
    }

    /// The items of a tuple or list.
    pub fn items(self) -> Option<Items<'a>> {
        match self.tree.node(self.id) {
            Node::Tuple(row) => Some(self.row(row)),
            Node::List(chain) => Some(self.chain(chain)),
            _ => None,
        }
    }

    /// The items of a tuple or list of exactly `N`.
    pub fn array<const N: usize>(self) -> Option<[Value<'a>; N]> {
        self.items()?.array()
    }

    /// The pairs of a dictionary.
    pub fn pairs(self) -> Option<Pairs<'a>> {
        match self.tree.node(self.id) {
            Node::Dict(chain) => Some(Pairs(self.chain(chain))),
            _ => None,
        }
    }

    /// The value under a text key of a dictionary. As in Python, the last of repeated keys counts.
    pub fn field(self, key: &str) -> Option<Value<'a>> {
        let is_key = |candidate: Value<'a>| match self.tree.node(candidate.id) {
            Node::Str(span) => self.bytes(span) == key.as_bytes(),
            _ => false,
        };
        self.pairs()?.filter(|(candidate, _)| is_key(*candidate)).map(|(_, value)| value).last()
    }
}

impl fmt::Debug for Value<'_> {
    /// The content, or why it cannot be told: cycles are legal in a pickle.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self).to_owned() {
            Ok(owned) => owned.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

/// The items of a container, in their order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    of: Value<'a>,
    row: Row,
    next: u32,
    left: usize,
}

impl<'a> Items<'a> {
    /// All of them, if they are exactly `N`.
    pub fn array<const N: usize>(mut self) -> Option<[Value<'a>; N]> {
        if self.left != N {
            return None;
        }
        let mut array = [self.of; N];
        for place in &mut array {
            *place = self.next()?;
        }
        Some(array)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.row.len == 0 {
            if self.next == Link::NONE {
                return None;
            }
            let link = self.of.tree.link(self.next);
            (self.row, self.next) = (link.row, link.next);
        }
        let id = self.of.tree.item(self.row.start);
        self.row.start += 1;
        self.row.len -= 1;
        self.left -= 1;
        Some(self.of.at(id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The keys and values of a dictionary, in their order.
#[derive(Clone, Debug)]
pub struct Pairs<'a>(Items<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.left / 2, Some(self.0.left / 2))
    }
}

impl ExactSizeIterator for Pairs<'_> {}
