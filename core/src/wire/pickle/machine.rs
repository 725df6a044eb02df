//! The opcode machine: a stack, marks and a memo.

use super::opcode as op;
use super::{data, scalar};
use crate::limits;
use crate::wire::Malformed;
use crate::wire::input::Input;
use crate::wire::tree::{Chain, Id, Node, Tree};
use smallvec::SmallVec;

struct Machine<'m, 't> {
    message: &'m [u8],
    input: Input<'m>,
    tree: &'t mut Tree,
    /// Heights of the stack at open marks.
    marks: SmallVec<[usize; 16]>,
    /// The offset of the opcode at work.
    at: usize,
}

/// Reads `N` pickles that one pickler wrote in a row, with one memo for all; returns their values and their length.
pub(super) fn run<const N: usize>(message: &[u8], tree: &mut Tree) -> Result<([Id; N], usize), Malformed> {
    tree.clear(message);
    let input = Input::new(message)?;
    let mut machine = Machine { message, input, tree, marks: SmallVec::new(), at: 0 };
    let mut ids = [Id::default(); N];
    for id in &mut ids {
        *id = machine.run()?;
    }
    Ok((ids, machine.input.at()))
}

impl Machine<'_, '_> {
    fn run(&mut self) -> Result<Id, Malformed> {
        loop {
            self.at = self.input.at();
            match self.input.byte()? {
                op::STOP => return self.stop(),
                opcode => self.step(opcode)?,
            }
        }
    }

    fn stop(&mut self) -> Result<Id, Malformed> {
        let value = self.pop()?;
        if self.tree.height() > 0 || !self.marks.is_empty() { Err(self.unbalanced()) } else { Ok(value) }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Malformed> {
        match opcode {
            op::PROTO => match self.input.byte()? {
                0..=5 => Ok(()),
                _ => Err(self.unexpected(op::PROTO)),
            },
            op::FRAME => {
                // Frames only help a reader of files; but one that is longer than the pickle is cut off.
                let len = u64::from_le_bytes(self.input.array()?);
                if len > self.input.left() as u64 { Err(Malformed::Truncated) } else { Ok(()) }
            }

            op::MARK => {
                if self.marks.len() >= limits::VALUES {
                    return Err(Malformed::Limit("marks"));
                }
                self.marks.push(self.tree.height());
                Ok(())
            }
            op::POP if self.tree.height() == self.fence() && !self.marks.is_empty() => {
                self.marks.pop();
                Ok(())
            }
            op::POP => self.pop().map(drop),
            op::POP_MARK => {
                let height = self.mark()?;
                self.tree.lower(height);
                Ok(())
            }
            op::DUP => {
                let top = self.top()?;
                self.tree.push_again(top)
            }

            op::EMPTY_TUPLE => self.tree.gather_tuple(self.tree.height()),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::TUPLE => {
                let height = self.mark()?;
                self.tree.gather_tuple(height)
            }
            op::EMPTY_LIST => self.tree.gather(self.tree.height(), Node::List),
            op::LIST => {
                let height = self.mark()?;
                self.tree.gather(height, Node::List)
            }
            op::APPEND => {
                let height = self.below(1)?;
                self.append(height, Node::List)
            }
            op::APPENDS => {
                let height = self.mark()?;
                self.append(height, Node::List)
            }
            op::EMPTY_DICT => self.tree.gather(self.tree.height(), Node::Dict),
            op::DICT => {
                let height = self.mark()?;
                self.paired(height)?;
                self.tree.gather(height, Node::Dict)
            }
            op::SETITEM => {
                let height = self.below(2)?;
                self.append(height, Node::Dict)
            }
            op::SETITEMS => {
                let height = self.mark()?;
                self.paired(height)?;
                self.append(height, Node::Dict)
            }
            op::EMPTY_SET => self.tree.gather(self.tree.height(), Node::Set),
            op::FROZENSET => {
                let height = self.mark()?;
                self.tree.gather(height, Node::FrozenSet)
            }
            op::ADDITEMS => {
                let height = self.mark()?;
                self.append(height, Node::Set)
            }

            op::PUT => {
                let number = self.number_line()?;
                self.put(number)
            }
            op::BINPUT => {
                let number = self.input.byte()?;
                self.put(number.into())
            }
            op::LONG_BINPUT => {
                let number = u32::from_le_bytes(self.input.array()?);
                self.put(number)
            }
            op::MEMOIZE => {
                let top = self.top()?;
                self.tree.memo().put_next(top)
            }
            op::GET => {
                let number = self.number_line()?;
                self.recall(number)
            }
            op::BINGET => {
                let number = self.input.byte()?;
                self.recall(number.into())
            }
            op::LONG_BINGET => {
                let number = u32::from_le_bytes(self.input.array()?);
                self.recall(number)
            }

            op::GLOBAL => {
                let global = self.global_lines()?;
                self.tree.push(global)
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.tree.node(module), self.tree.node(name)) {
                    (Node::Str(_), Node::Str(_)) => self.tree.push(Node::Global(module, name)),
                    _ => Err(self.unbalanced()),
                }
            }
            op::REDUCE => {
                let (args, callable) = (self.pop()?, self.pop()?);
                let data = data::called(self.tree, self.message, callable, args, self.at)?;
                self.tree.push(data.unwrap_or(Node::Reduce(callable, args)))
            }
            op::NEWOBJ => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.tree.push(Node::Reduce(class, args))
            }
            op::NEWOBJ_EX => {
                self.tuple(2)?;
                let (args, class) = (self.pop()?, self.pop()?);
                self.tree.push(Node::Reduce(class, args))
            }
            op::INST => {
                let height = self.mark()?;
                self.tree.gather_tuple(height)?;
                let args = self.pop()?;
                let global = self.global_lines()?;
                let class = self.tree.add(global)?;
                self.tree.push(Node::Reduce(class, args))
            }
            op::OBJ => {
                let height = self.mark()?;
                let class = self.tree.stacked(height).ok_or_else(|| self.unbalanced())?;
                self.tree.gather_tuple(height + 1)?;
                let args = self.pop()?;
                self.tree.lower(height);
                self.tree.push(Node::Reduce(class, args))
            }
            op::BUILD => {
                let (state, object) = (self.pop()?, self.pop()?);
                self.tree.push(Node::Build(object, state))
            }
            op::PERSID => {
                let (line, span) = self.input.spanned_line()?;
                let text = scalar::text(line, span, self.at)?;
                let id = self.tree.add(text)?;
                self.tree.push(Node::Persid(id))
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.tree.push(Node::Persid(id))
            }
            op::EXT1 => {
                let code = self.input.byte()?;
                self.tree.push(Node::Extension(code.into()))
            }
            op::EXT2 => {
                let code = u16::from_le_bytes(self.input.array()?);
                self.tree.push(Node::Extension(code.into()))
            }
            op::EXT4 => {
                let code = u32::from_le_bytes(self.input.array()?);
                self.tree.push(Node::Extension(code))
            }
            other => {
                let node = scalar::read(other, &mut self.input, self.tree, self.at)?;
                self.tree.push(node.ok_or_else(|| self.unexpected(other))?)
            }
        }
    }

    /// Below this height the stack belongs to what an open mark interrupted.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Malformed> {
        match self.tree.height() > self.fence() {
            true => self.tree.pop().ok_or_else(|| self.unbalanced()),
            false => Err(self.unbalanced()),
        }
    }

    fn top(&self) -> Result<Id, Malformed> {
        match self.tree.height() > self.fence() {
            true => self.tree.top().ok_or_else(|| self.unbalanced()),
            false => Err(self.unbalanced()),
        }
    }

    /// Closes the innermost mark and returns its height.
    fn mark(&mut self) -> Result<usize, Malformed> {
        self.marks.pop().ok_or_else(|| self.unbalanced())
    }

    /// The height under the topmost `n` values.
    fn below(&self, n: usize) -> Result<usize, Malformed> {
        let height = self.tree.height().checked_sub(n).ok_or_else(|| self.unbalanced())?;
        if height < self.fence() { Err(self.unbalanced()) } else { Ok(height) }
    }

    fn tuple(&mut self, n: usize) -> Result<(), Malformed> {
        let height = self.below(n)?;
        self.tree.gather_tuple(height)
    }

    /// A dictionary takes keys and values by turns.
    fn paired(&self, height: usize) -> Result<(), Malformed> {
        match (self.tree.height() - height) % 2 {
            0 => Ok(()),
            _ => Err(self.unbalanced()),
        }
    }

    /// Gives what is above `height` to the container below it, or to the object there, which may be of a class that
    /// extends one.
    fn append(&mut self, height: usize, kind: fn(Chain) -> Node) -> Result<(), Malformed> {
        if height <= self.fence() {
            return Err(self.unbalanced());
        }
        let target = self.tree.stacked(height - 1).ok_or_else(|| self.unbalanced())?;
        if self.tree.append(target, height, kind) {
            return Ok(());
        }
        match self.tree.node(target) {
            // A later batch joins the first.
            Node::Build(_, items) if self.tree.append(items, height, kind) => Ok(()),
            Node::Reduce(..) | Node::Build(..) | Node::Persid(_) | Node::Extension(_) => {
                self.tree.gather(height, kind)?;
                let items = self.pop()?;
                self.tree.lower(height - 1);
                self.tree.push(Node::Build(target, items))
            }
            _ => Err(self.unbalanced()),
        }
    }

    fn put(&mut self, number: u32) -> Result<(), Malformed> {
        let top = self.top()?;
        self.tree.memo().put(number, top)
    }

    fn recall(&mut self, number: u32) -> Result<(), Malformed> {
        let id = self.tree.memo().find(number).ok_or_else(|| self.unbalanced())?;
        self.tree.push_again(id)
    }

    fn number_line(&mut self) -> Result<u32, Malformed> {
        let line = self.input.line()?;
        let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
        number.ok_or(Malformed::Text(self.at))
    }

    fn global_lines(&mut self) -> Result<Node, Malformed> {
        let mut name = || {
            let (line, span) = self.input.spanned_line()?;
            match scalar::text(line, span, self.at)? {
                text @ Node::Str(_) => self.tree.add(text),
                _ => Err(Malformed::Text(self.at)),
            }
        };
        Ok(Node::Global(name()?, name()?))
    }

    fn unexpected(&self, opcode: u8) -> Malformed {
        Malformed::Opcode { encoding: "pickle", opcode, at: self.at }
    }

    fn unbalanced(&self) -> Malformed {
        Malformed::Unbalanced(self.at)
    }
}
