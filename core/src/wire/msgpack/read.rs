//! Reading.

use super::marker;
use crate::limits;
use crate::wire::Malformed;
use crate::wire::input::Input;
use crate::wire::tree::{Node, Span, Tree, Value};
use smallvec::SmallVec;

/// Reads a message that is one value. Arrays become tuples, as in Python.
///
/// The tree's former values are forgotten.
///
/// # Errors
/// [`Malformed`], also for extension types, when bytes follow the value or a bound of [`limits`] is passed.
pub fn read<'a>(message: &'a [u8], tree: &'a mut Tree) -> Result<Value<'a>, Malformed> {
    tree.clear(message);
    let mut input = Input::new(message)?;
    let mut open: SmallVec<[Open; 8]> = SmallVec::new();
    loop {
        match head(&mut input, tree)? {
            Head::Scalar(node) => tree.push(node)?,
            Head::Container { map, len } => {
                if open.len() == limits::DEPTH {
                    return Err(Malformed::Limit("depth"));
                }
                // Every value takes a byte at least: what is announced cannot exceed what is there.
                if len > input.left() {
                    return Err(Malformed::Truncated);
                }
                open.push(Open { map, height: tree.height(), items: len });
            }
        }
        // A value may complete the container around it, and that one the next.
        while let Some(container) = open.last_mut() {
            let complete = tree.height() - container.height == container.items;
            if !complete {
                break;
            }
            match container.map {
                true => tree.gather(container.height, Node::Dict)?,
                false => tree.gather_tuple(container.height)?,
            }
            open.pop();
        }
        if open.is_empty() {
            break;
        }
    }
    match (tree.pop(), input.left()) {
        (Some(id), 0) => Ok(Value::new(tree, message, id)),
        (Some(_), rest) => Err(Malformed::Trailing(rest)),
        (None, _) => Err(Malformed::Truncated),
    }
}

/// A container whose items are still being read.
struct Open {
    map: bool,
    /// The stack's height before its first item.
    height: usize,
    /// How many items it has; keys count.
    items: usize,
}

enum Head {
    Scalar(Node),
    Container { map: bool, len: usize },
}

fn head(input: &mut Input<'_>, tree: &mut Tree) -> Result<Head, Malformed> {
    let at = input.at();
    let byte = input.byte()?;
    Ok(Head::Scalar(match byte {
        0..=0x7f => Node::Int(byte.into()),
        0xe0..=0xff => Node::Int((byte as i8).into()),
        marker::NIL => Node::None,
        marker::FALSE => Node::Bool(false),
        marker::TRUE => Node::Bool(true),
        marker::UINT8 => Node::Int(input.byte()?.into()),
        marker::UINT16 => Node::Int(u16::from_be_bytes(input.array()?).into()),
        marker::UINT32 => Node::Int(u32::from_be_bytes(input.array()?).into()),
        marker::UINT64 => unsigned(u64::from_be_bytes(input.array()?), tree)?,
        marker::INT8 => Node::Int(i8::from_be_bytes(input.array()?).into()),
        marker::INT16 => Node::Int(i16::from_be_bytes(input.array()?).into()),
        marker::INT32 => Node::Int(i32::from_be_bytes(input.array()?).into()),
        marker::INT64 => Node::Int(i64::from_be_bytes(input.array()?)),
        marker::FLOAT32 => Node::Float(f32::from_be_bytes(input.array()?).into()),
        marker::FLOAT64 => Node::Float(f64::from_be_bytes(input.array()?)),
        marker::BIN8 => Node::Bytes(sized(input, 1)?.1),
        marker::BIN16 => Node::Bytes(sized(input, 2)?.1),
        marker::BIN32 => Node::Bytes(sized(input, 4)?.1),
        0xa0..=0xbf => text(input.spanned((byte - marker::FIXSTR).into())?, at)?,
        marker::STR8 => text(sized(input, 1)?, at)?,
        marker::STR16 => text(sized(input, 2)?, at)?,
        marker::STR32 => text(sized(input, 4)?, at)?,
        0x90..=0x9f => return Ok(array((byte - marker::FIXARRAY).into())),
        marker::ARRAY16 => return Ok(array(length(input, 2)?)),
        marker::ARRAY32 => return Ok(array(length(input, 4)?)),
        0x80..=0x8f => return Ok(map((byte - marker::FIXMAP).into())),
        marker::MAP16 => return Ok(map(length(input, 2)?)),
        marker::MAP32 => return Ok(map(length(input, 4)?)),
        opcode => return Err(Malformed::Opcode { encoding: "msgpack", opcode, at }),
    }))
}

fn array(len: usize) -> Head {
    Head::Container { map: false, len }
}

fn map(pairs: usize) -> Head {
    Head::Container { map: true, len: pairs * 2 }
}

/// A length of one, two or four bytes.
fn length(input: &mut Input<'_>, width: usize) -> Result<usize, Malformed> {
    Ok(input.take(width)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
}

fn sized<'m>(input: &mut Input<'m>, width: usize) -> Result<(&'m [u8], Span), Malformed> {
    let len = length(input, width)?;
    input.spanned(len)
}

fn text((bytes, span): (&[u8], Span), at: usize) -> Result<Node, Malformed> {
    std::str::from_utf8(bytes).map(|_| Node::Str(span)).map_err(|_| Malformed::Text(at))
}

fn unsigned(value: u64, tree: &mut Tree) -> Result<Node, Malformed> {
    match i64::try_from(value) {
        Ok(value) => Ok(Node::Int(value)),
        Err(_) => Ok(Node::BigInt(tree.rewrite(|out| {
            out.extend_from_slice(&value.to_le_bytes());
            // The ninth byte says that the number is not negative.
            out.push(0);
            Ok(())
        })?)),
    }
}
