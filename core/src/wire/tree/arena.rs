//! The arena that values are read into.

use crate::limits;
use crate::wire::Malformed;
use crate::wire::pickle::Memo;

/// Nodes, items and text that a tree keeps allocated between messages.
const KEPT: usize = 1 << 14;

/// The place of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::wire) struct Id(pub(super) u32);

/// The place of bytes: in the message, or in the tree's own buffer for text that had to be rewritten.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Span {
    /// The highest bit tells the tree's buffer from the message.
    start: u32,
    len: u32,
}

impl Span {
    /// The longest message whose places can be told.
    pub(in crate::wire) const LONGEST: usize = (1 << 31) - 1;
    const REWRITTEN: u32 = 1 << 31;

    /// A place in the message. The message was checked to be no longer than [`Span::LONGEST`].
    pub(in crate::wire) fn in_message(start: usize, len: usize) -> Span {
        Span { start: start as u32, len: len as u32 }
    }

    /// The first `len` bytes of it.
    pub(in crate::wire) fn shortened(self, len: usize) -> Span {
        Span { len: self.len.min(len as u32), ..self }
    }

    fn rewritten(start: usize, len: usize) -> Span {
        Span { start: start as u32 | Span::REWRITTEN, len: len as u32 }
    }
}

/// A tuple's items: a row in [`Tree::items`].
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Row {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// The items of a container that a pickle may append to at any later time: rows linked in order.
///
/// Lists that grow by turns would cost quadratic time if each had to stay in one piece.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Chain {
    pub(super) first: u32,
    last: u32,
    pub(super) len: u32,
}

impl Chain {
    const EMPTY: Chain = Chain { first: Link::NONE, last: Link::NONE, len: 0 };
}

/// One row of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) row: Row,
    pub(super) next: u32,
}

impl Link {
    pub(super) const NONE: u32 = u32::MAX;
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) enum Node {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Span),
    Float(f64),
    Bytes(Span),
    /// Checked to be UTF-8.
    Str(Span),
    Surrogates(Span),
    Tuple(Row),
    List(Chain),
    /// Keys and values by turns.
    Dict(Chain),
    Set(Chain),
    /// The set of a list's items: `set([..])` as older protocols write it.
    SetOf(Id),
    FrozenSet(Chain),
    /// The same for `frozenset([..])`.
    FrozenSetOf(Id),
    /// Module and name, both [`Node::Str`].
    Global(Id, Id),
    Reduce(Id, Id),
    Build(Id, Id),
    Persid(Id),
    Extension(u32),
}

/// Values read from one message, and the room to read the next into.
///
/// A tree holds places only: reading a value needs the message beside it, which is what [`Value`](super::Value) carries.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    items: Vec<Id>,
    links: Vec<Link>,
    text: Vec<u8>,
    text_limit: usize,
    stack: Vec<Id>,
    memo: Memo<Id>,
}

impl Tree {
    /// An empty tree. It grows with the first messages.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Forgets all values, and the room that an unusually large message took.
    pub(in crate::wire) fn clear(&mut self, message: &[u8]) {
        fn forget<T>(row: &mut Vec<T>) {
            row.clear();
            row.shrink_to(KEPT);
        }
        forget(&mut self.nodes);
        forget(&mut self.items);
        forget(&mut self.links);
        forget(&mut self.text);
        forget(&mut self.stack);
        self.memo.clear();
        // Unescaping at most doubles text (Latin-1 as UTF-8), and turning that back into bytes repeats it. What wants
        // more sends the same text through `_codecs.encode` over and over.
        self.text_limit = message.len().saturating_mul(4).min(Span::LONGEST);
    }

    /// How many entries are allocated.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.nodes.capacity() + self.items.capacity() + self.links.capacity() + self.stack.capacity()
    }

    pub(in crate::wire) fn memo(&mut self) -> &mut Memo<Id> {
        &mut self.memo
    }

    pub(in crate::wire) fn node(&self, id: Id) -> Node {
        self.nodes[id.0 as usize]
    }

    pub(super) fn item(&self, at: u32) -> Id {
        self.items[at as usize]
    }

    pub(super) fn link(&self, at: u32) -> Link {
        self.links[at as usize]
    }

    /// The bytes of a span, in the message it was read from.
    pub(in crate::wire) fn bytes<'a>(&'a self, message: &'a [u8], span: Span) -> &'a [u8] {
        let start = (span.start & !Span::REWRITTEN) as usize;
        let source = if span.start & Span::REWRITTEN == 0 { message } else { &self.text };
        &source[start..start + span.len as usize]
    }

    /// Adds bytes that do not stand in the message as such: `write` appends them.
    pub(in crate::wire) fn rewrite(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<Span, Malformed> {
        let start = self.text.len();
        write(&mut self.text)?;
        if self.text.len() > self.text_limit {
            return Err(Malformed::Limit("rewritten text"));
        }
        Ok(Span::rewritten(start, self.text.len() - start))
    }

    /// Room for `len` bytes of rewritten text; asked before text is written that the message does not bound.
    pub(in crate::wire) fn admit_text(&self, len: usize) -> Result<(), Malformed> {
        if len > self.text_limit - self.text.len() { Err(Malformed::Limit("rewritten text")) } else { Ok(()) }
    }
}

/// Reading: a stack of values from which containers take their items.
impl Tree {
    /// How many values are on the stack.
    pub(in crate::wire) fn height(&self) -> usize {
        self.stack.len()
    }

    /// Adds a value to the arena.
    pub(in crate::wire) fn add(&mut self, node: Node) -> Result<Id, Malformed> {
        if self.nodes.len() >= limits::VALUES {
            return Err(Malformed::Limit("values"));
        }
        self.nodes.push(node);
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    /// Puts a value on the stack that is in the arena already.
    pub(in crate::wire) fn push_again(&mut self, id: Id) -> Result<(), Malformed> {
        // References are counted apart from values: a pickle's memo makes many of one.
        if self.stack.len() + self.items.len() >= 2 * limits::VALUES {
            return Err(Malformed::Limit("values"));
        }
        self.stack.push(id);
        Ok(())
    }

    /// Adds a value and puts it on the stack.
    pub(in crate::wire) fn push(&mut self, node: Node) -> Result<(), Malformed> {
        let id = self.add(node)?;
        self.push_again(id)
    }

    /// Takes the top of the stack. `None` when it is empty.
    pub(in crate::wire) fn pop(&mut self) -> Option<Id> {
        self.stack.pop()
    }

    /// The top of the stack.
    pub(in crate::wire) fn top(&self) -> Option<Id> {
        self.stack.last().copied()
    }

    /// The value at a height of the stack.
    pub(in crate::wire) fn stacked(&self, height: usize) -> Option<Id> {
        self.stack.get(height).copied()
    }

    /// Drops what is above `height`.
    pub(in crate::wire) fn lower(&mut self, height: usize) {
        self.stack.truncate(height);
    }

    /// A tuple of what is above `height`, in its place.
    pub(in crate::wire) fn gather_tuple(&mut self, height: usize) -> Result<(), Malformed> {
        let row = self.take_row(height);
        self.push(Node::Tuple(row))
    }

    /// A container of what is above `height`, in its place.
    pub(in crate::wire) fn gather(
        &mut self,
        height: usize,
        kind: fn(Chain) -> Node,
    ) -> Result<(), Malformed> {
        let mut chain = Chain::EMPTY;
        self.extend(&mut chain, height);
        self.push(kind(chain))
    }

    /// Moves what is above `height` into the list, dictionary or set that `id` names, if `kind` is what it is.
    pub(in crate::wire) fn append(&mut self, id: Id, height: usize, kind: fn(Chain) -> Node) -> bool {
        let node = self.node(id);
        let wanted = kind(Chain::EMPTY);
        let (Node::List(mut chain) | Node::Dict(mut chain) | Node::Set(mut chain)) = node else {
            return false;
        };
        if std::mem::discriminant(&node) != std::mem::discriminant(&wanted) {
            return false;
        }
        self.extend(&mut chain, height);
        self.nodes[id.0 as usize] = kind(chain);
        true
    }

    fn take_row(&mut self, height: usize) -> Row {
        let start = self.items.len();
        self.items.extend(self.stack.drain(height..));
        Row { start: start as u32, len: (self.items.len() - start) as u32 }
    }

    fn extend(&mut self, chain: &mut Chain, height: usize) {
        let row = self.take_row(height);
        if row.len == 0 {
            return;
        }
        chain.len += row.len;
        if chain.last != Link::NONE {
            let last = &mut self.links[chain.last as usize].row;
            if last.start + last.len == row.start {
                last.len += row.len;
                return;
            }
        }
        let link = self.links.len() as u32;
        self.links.push(Link { row, next: Link::NONE });
        match chain.last {
            Link::NONE => chain.first = link,
            last => self.links[last as usize].next = link,
        }
        chain.last = link;
    }
}
