//! The references in a record, found in one pass over its opcodes.
//!
//! Of all values only those are kept that a persistent id can be made of: text and bytes by their place in the record,
//! the first items of lists, and of tuples that begin with text. Everything else is one and the same [`Slot::Other`].

use super::reference::{Part, Reference, read};
use super::{BadRecord, uncoded};
use crate::limits;
use crate::wire::Malformed;
use crate::wire::input::Input;
use crate::wire::pickle::{Memo, opcode as op, text};
use std::borrow::Cow;

/// Every persistent reference in a record, in its order, repeated as often as the record repeats it.
///
/// References are looked for in both pickles: a class may be an object of the database too. No text is checked and no
/// tree is built.
///
/// # Errors
/// [`BadRecord::Coding`]; [`BadRecord::Pickle`] when the opcodes do not fit together, [`BadRecord::Reference`] for a reference that cannot be
/// understood: none is passed over.
pub fn references(record: &[u8]) -> Result<Vec<Reference>, BadRecord> {
    let record = uncoded(record)?;
    let mut scanner = Scanner {
        record: &record,
        input: Input::new(&record)?,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::bounded(limits::RECORD_ENTRIES),
        rows: Vec::new(),
        found: Vec::new(),
    };
    scanner.pickle()?;
    scanner.pickle()?;
    Ok(scanner.found)
}

/// What is known of a value.
#[derive(Clone, Copy)]
enum Slot {
    Other,
    Text(Text),
    /// Its place in [`Scanner::rows`].
    Row(u32),
    /// The function `_codecs.encode`, with which protocols below 3 write bytes.
    Encode,
}

/// Text or bytes: where they lie in the record, and how they are written there.
#[derive(Clone, Copy)]
struct Text {
    start: u32,
    len: u32,
    written: Written,
    /// Whether they are bytes, written as the characters of the same numbers.
    latin1: bool,
}

#[derive(Clone, Copy)]
enum Written {
    Plain,
    /// As a Python 2 string between quotes.
    Quoted,
    /// As Python's `raw-unicode-escape`.
    Escaped,
}

/// The beginning of a list or tuple.
#[derive(Clone, Copy)]
struct Row {
    list: bool,
    len: u32,
    first: [Slot; 3],
}

struct Scanner<'r> {
    record: &'r [u8],
    input: Input<'r>,
    /// The offset of the opcode at work.
    at: usize,
    stack: Vec<Slot>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: Memo<Slot>,
    rows: Vec<Row>,
    found: Vec<Reference>,
}

impl<'r> Scanner<'r> {
    /// Passes over one pickle.
    fn pickle(&mut self) -> Result<(), BadRecord> {
        loop {
            self.at = self.input.at();
            match self.input.byte()? {
                op::STOP => {
                    self.pop()?;
                    let done = self.stack.is_empty() && self.marks.is_empty();
                    return if done { Ok(()) } else { Err(self.unbalanced().into()) };
                }
                op::BINPERSID => {
                    let id = self.pop()?;
                    self.refer(id)?;
                }
                op::PERSID => {
                    let text = self.line(Written::Plain)?;
                    self.refer(text)?;
                }
                opcode => self.step(opcode)?,
            }
        }
    }

    fn refer(&mut self, id: Slot) -> Result<(), BadRecord> {
        let (reference, _) = read(Seen { slot: id, scanner: self }).ok_or(BadRecord::Reference(self.at))?;
        self.found.push(reference);
        Ok(self.push(Slot::Other)?)
    }

    fn step(&mut self, opcode: u8) -> Result<(), Malformed> {
        let slot = match opcode {
            op::PROTO => {
                let version = self.input.byte()?;
                return if version <= 5 { Ok(()) } else { Err(self.unexpected(opcode)) };
            }
            op::FRAME => return self.skip(8),
            op::MARK => {
                self.bounded(self.marks.len(), "marks")?;
                self.marks.push(self.stack.len());
                return Ok(());
            }
            op::POP if !self.marks.is_empty() && self.stack.len() == self.fence() => {
                self.marks.pop();
                return Ok(());
            }
            op::POP => return self.pop().map(drop),
            op::POP_MARK => return self.cut().map(drop),
            op::DUP => self.top()?,

            op::PUT => {
                let number = self.number()?;
                return self.memo.put(number, self.top()?);
            }
            op::BINPUT => {
                let number = self.input.byte()?;
                return self.memo.put(number.into(), self.top()?);
            }
            op::LONG_BINPUT => {
                let number = u32::from_le_bytes(self.input.array()?);
                return self.memo.put(number, self.top()?);
            }
            op::MEMOIZE => return self.memo.put_next(self.top()?),
            op::GET => {
                let number = self.number()?;
                self.recall(number)?
            }
            op::BINGET => {
                let number = self.input.byte()?;
                self.recall(number.into())?
            }
            op::LONG_BINGET => {
                let number = u32::from_le_bytes(self.input.array()?);
                self.recall(number)?
            }

            op::EMPTY_TUPLE | op::EMPTY_DICT | op::EMPTY_SET => Slot::Other,
            op::TUPLE1 => self.tuple(1)?,
            op::TUPLE2 => self.tuple(2)?,
            op::TUPLE3 => self.tuple(3)?,
            op::TUPLE => {
                let height = self.mark()?;
                self.row(height, false)?
            }
            op::EMPTY_LIST => self.row(self.stack.len(), true)?,
            op::LIST => {
                let height = self.mark()?;
                self.row(height, true)?
            }
            op::APPEND => {
                let height = self.below(1)?;
                return self.append(height);
            }
            op::APPENDS => {
                let height = self.mark()?;
                return self.append(height);
            }
            op::SETITEM => return self.replace(2, None),
            op::SETITEMS | op::ADDITEMS => return self.cut(),
            op::DICT | op::FROZENSET | op::OBJ => {
                self.cut()?;
                Slot::Other
            }
            op::INST => {
                self.cut()?;
                self.input.line()?;
                self.input.line()?;
                Slot::Other
            }

            op::GLOBAL => match (self.input.line()?, self.input.line()?) {
                (b"_codecs", b"encode") => Slot::Encode,
                _ => Slot::Other,
            },
            op::REDUCE => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.called(callable, args)
            }
            op::NEWOBJ | op::STACK_GLOBAL => return self.replace(2, Some(Slot::Other)),
            op::NEWOBJ_EX => return self.replace(3, Some(Slot::Other)),
            op::BUILD => return self.replace(1, None),

            op::SHORT_BINSTRING | op::SHORT_BINBYTES | op::SHORT_BINUNICODE => {
                let len = self.input.byte()?;
                self.text(len.into())?
            }
            op::BINSTRING | op::BINBYTES | op::BINUNICODE => {
                let len = u32::from_le_bytes(self.input.array()?);
                self.text(len as usize)?
            }
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => {
                let len = u64::from_le_bytes(self.input.array()?);
                self.text(usize::try_from(len).map_err(|_| Malformed::Truncated)?)?
            }
            op::STRING => self.line(Written::Quoted)?,
            op::UNICODE => self.line(Written::Escaped)?,

            op::INT | op::LONG | op::FLOAT => {
                self.input.line()?;
                Slot::Other
            }
            op::LONG1 => {
                let len = self.input.byte()?;
                self.text(len.into())?;
                Slot::Other
            }
            op::LONG4 => {
                let len = u32::from_le_bytes(self.input.array()?);
                self.text(len as usize)?;
                Slot::Other
            }
            _ => {
                let operand = match opcode {
                    op::NONE | op::NEWTRUE | op::NEWFALSE => 0,
                    op::BININT1 | op::EXT1 => 1,
                    op::BININT2 | op::EXT2 => 2,
                    op::BININT | op::EXT4 => 4,
                    op::BINFLOAT => 8,
                    _ => return Err(self.unexpected(opcode)),
                };
                self.skip(operand)?;
                Slot::Other
            }
        };
        self.push(slot)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.input.take(bytes).map(drop)
    }

    fn text(&mut self, len: usize) -> Result<Slot, Malformed> {
        let start = self.input.at();
        self.skip(len)?;
        Ok(Slot::Text(Text { start: start as u32, len: len as u32, written: Written::Plain, latin1: false }))
    }

    fn line(&mut self, written: Written) -> Result<Slot, Malformed> {
        let start = self.input.at();
        let len = self.input.line()?.len();
        Ok(Slot::Text(Text { start: start as u32, len: len as u32, written, latin1: false }))
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        let line = self.input.line()?;
        let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
        number.ok_or(Malformed::Text(self.at))
    }

    fn recall(&self, number: u32) -> Result<Slot, Malformed> {
        self.memo.find(number).ok_or_else(|| self.unbalanced())
    }

    /// What a call returns: bytes, if it encodes text as Latin-1.
    fn called(&self, callable: Slot, args: Slot) -> Slot {
        let (Slot::Encode, Slot::Row(args)) = (callable, args) else { return Slot::Other };
        match self.rows[args as usize].first {
            [Slot::Text(text), encoding @ Slot::Text(_), _] => {
                let encoding = Seen { slot: encoding, scanner: self }.octets();
                match encoding.as_deref() {
                    Some(b"latin1" | b"latin-1") => Slot::Text(Text { latin1: true, ..text }),
                    _ => Slot::Other,
                }
            }
            _ => Slot::Other,
        }
    }

    /// A list or tuple of what is above `height`, which is taken. A tuple that cannot be part of a persistent id, nor
    /// what bytes are made from, is not kept.
    fn row(&mut self, height: usize, list: bool) -> Result<Slot, Malformed> {
        let items = &self.stack[height..];
        let slot = if list || matches!(items.first(), Some(Slot::Text(_))) {
            self.bounded(self.rows.len(), "lists and tuples")?;
            let mut row = Row { list, len: 0, first: [Slot::Other; 3] };
            row.extend(items);
            self.rows.push(row);
            Slot::Row(self.rows.len() as u32 - 1)
        } else {
            Slot::Other
        };
        self.stack.truncate(height);
        Ok(slot)
    }

    fn tuple(&mut self, len: usize) -> Result<Slot, Malformed> {
        let height = self.below(len)?;
        self.row(height, false)
    }

    /// Gives what is above `height` to the list below it, or to the object there.
    fn append(&mut self, height: usize) -> Result<(), Malformed> {
        if height <= self.fence() {
            return Err(self.unbalanced());
        }
        if let Slot::Row(row) = self.stack[height - 1] {
            let row = &mut self.rows[row as usize];
            if !row.list {
                return Err(self.unbalanced());
            }
            row.extend(&self.stack[height..]);
        }
        self.stack.truncate(height);
        Ok(())
    }

    /// Puts one value, or none, in the place of the topmost `taken`.
    fn replace(&mut self, taken: usize, by: Option<Slot>) -> Result<(), Malformed> {
        let height = self.below(taken)?;
        self.stack.truncate(height);
        by.map_or(Ok(()), |slot| self.push(slot))
    }

    fn push(&mut self, slot: Slot) -> Result<(), Malformed> {
        self.bounded(self.stack.len(), "values")?;
        self.stack.push(slot);
        Ok(())
    }

    fn pop(&mut self) -> Result<Slot, Malformed> {
        let slot = self.top()?;
        self.stack.pop();
        Ok(slot)
    }

    fn top(&self) -> Result<Slot, Malformed> {
        let height = self.below(1)?;
        Ok(self.stack[height])
    }

    /// Below this height the stack belongs to what an open mark interrupted.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    /// The height under the topmost `n` values.
    fn below(&self, n: usize) -> Result<usize, Malformed> {
        let height = self.stack.len().checked_sub(n).filter(|height| *height >= self.fence());
        height.ok_or_else(|| self.unbalanced())
    }

    /// Closes the innermost mark and returns its height.
    fn mark(&mut self) -> Result<usize, Malformed> {
        self.marks.pop().ok_or_else(|| self.unbalanced())
    }

    /// Drops everything down to the innermost mark.
    fn cut(&mut self) -> Result<(), Malformed> {
        let height = self.mark()?;
        self.stack.truncate(height);
        Ok(())
    }

    fn bounded(&self, len: usize, what: &'static str) -> Result<(), Malformed> {
        if len >= limits::RECORD_ENTRIES { Err(Malformed::Limit(what)) } else { Ok(()) }
    }

    fn unexpected(&self, opcode: u8) -> Malformed {
        Malformed::Opcode { encoding: "pickle", opcode, at: self.at }
    }

    fn unbalanced(&self) -> Malformed {
        Malformed::Unbalanced(self.at)
    }
}

impl Row {
    fn extend(&mut self, items: &[Slot]) {
        for (place, item) in self.first.iter_mut().skip(self.len as usize).zip(items) {
            *place = *item;
        }
        self.len += items.len() as u32;
    }
}

/// A value, and the scanner that knows its content.
#[derive(Clone, Copy)]
struct Seen<'s, 'r> {
    slot: Slot,
    scanner: &'s Scanner<'r>,
}

impl Seen<'_, '_> {
    fn row(self, list: bool) -> Option<(usize, [Option<Self>; 3])> {
        let Slot::Row(row) = self.slot else { return None };
        let row = self.scanner.rows[row as usize];
        let item = |at: usize| (at < row.len as usize).then_some(Seen { slot: row.first[at], ..self });
        (row.list == list).then(|| (row.len as usize, [0, 1, 2].map(item)))
    }
}

impl<'r> Part<'r> for Seen<'_, 'r> {
    fn octets(self) -> Option<Cow<'r, [u8]>> {
        let Slot::Text(text) = self.slot else { return None };
        let raw = &self.scanner.record[text.start as usize..][..text.len as usize];
        let mut out = Vec::new();
        let octets = match text.written {
            Written::Plain => Cow::Borrowed(raw),
            Written::Quoted => {
                text::quoted(raw, &mut out)?;
                Cow::Owned(out)
            }
            Written::Escaped => {
                text::raw_unicode_escape(raw, &mut out)?;
                Cow::Owned(out)
            }
        };
        if !text.latin1 {
            return Some(octets);
        }
        let mut out = Vec::new();
        text::latin1(std::str::from_utf8(&octets).ok()?, &mut out)?;
        Some(Cow::Owned(out))
    }

    fn tuple(self) -> Option<[Option<Self>; 3]> {
        self.row(false).map(|(_, first)| first)
    }

    fn list(self) -> Option<(usize, [Option<Self>; 3])> {
        self.row(true)
    }
}
