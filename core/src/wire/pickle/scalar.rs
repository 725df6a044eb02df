//! Opcodes that stand for one value: numbers, bytes and text.

use super::opcode as op;
use super::text::{is_surrogates, large_integer, quoted, raw_unicode_escape, small_integer, trimmed};
use crate::wire::Malformed;
use crate::wire::input::Input;
use crate::wire::tree::{Node, Span, Tree};

/// Reads the operand of an opcode at offset `at`. `None` when the opcode is none of these.
pub(super) fn read(
    opcode: u8,
    input: &mut Input<'_>,
    tree: &mut Tree,
    at: usize,
) -> Result<Option<Node>, Malformed> {
    Ok(Some(match opcode {
        op::NONE => Node::None,
        op::NEWTRUE => Node::Bool(true),
        op::NEWFALSE => Node::Bool(false),

        op::BININT1 => Node::Int(input.byte()?.into()),
        op::BININT2 => Node::Int(u16::from_le_bytes(input.array()?).into()),
        op::BININT => Node::Int(i32::from_le_bytes(input.array()?).into()),
        op::LONG1 => {
            let len = input.byte()?;
            long(input, len.into())?
        }
        op::LONG4 => {
            let len = signed_len(input)?;
            long(input, len)?
        }
        op::INT => {
            let line = input.line()?;
            match line {
                b"00" => Node::Bool(false),
                b"01" => Node::Bool(true),
                digits => decimal(digits, tree, at)?,
            }
        }
        op::LONG => {
            let line = input.line()?;
            decimal(line.strip_suffix(b"L").unwrap_or(line), tree, at)?
        }
        op::BINFLOAT => Node::Float(f64::from_be_bytes(input.array()?)),
        op::FLOAT => {
            let line = input.line()?;
            let value = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
            Node::Float(value.ok_or(Malformed::Text(at))?)
        }

        op::SHORT_BINBYTES => {
            let len = input.byte()?;
            Node::Bytes(input.span(len.into())?)
        }
        op::BINBYTES => {
            let len = u32::from_le_bytes(input.array()?);
            Node::Bytes(input.span(len as usize)?)
        }
        op::BINBYTES8 | op::BYTEARRAY8 => {
            let len = len8(input)?;
            Node::Bytes(input.span(len)?)
        }

        op::SHORT_BINUNICODE => {
            let len = input.byte()?;
            unicode(input, len.into(), at)?
        }
        op::BINUNICODE => {
            let len = u32::from_le_bytes(input.array()?);
            unicode(input, len as usize, at)?
        }
        op::BINUNICODE8 => {
            let len = len8(input)?;
            unicode(input, len, at)?
        }
        op::UNICODE => {
            let line = input.line()?;
            let span = tree.rewrite(|out| raw_unicode_escape(line, out).ok_or(Malformed::Text(at)))?;
            text(tree.bytes(&[], span), span, at)?
        }

        op::SHORT_BINSTRING => {
            let len = input.byte()?;
            let (bytes, span) = input.spanned(len.into())?;
            string(bytes, span)
        }
        op::BINSTRING => {
            let len = signed_len(input)?;
            let (bytes, span) = input.spanned(len)?;
            string(bytes, span)
        }
        op::STRING => {
            let line = input.line()?;
            let span = tree.rewrite(|out| quoted(line, out).ok_or(Malformed::Text(at)))?;
            string(tree.bytes(&[], span), span)
        }
        _ => return Ok(None),
    }))
}

/// Text: UTF-8, or with surrogates as Python's `surrogatepass` writes them.
pub(super) fn text(bytes: &[u8], span: Span, at: usize) -> Result<Node, Malformed> {
    if std::str::from_utf8(bytes).is_ok() {
        Ok(Node::Str(span))
    } else if is_surrogates(bytes) {
        Ok(Node::Surrogates(span))
    } else {
        Err(Malformed::Text(at))
    }
}

fn unicode(input: &mut Input<'_>, len: usize, at: usize) -> Result<Node, Malformed> {
    let (bytes, span) = input.spanned(len)?;
    text(bytes, span, at)
}

/// A Python 2 string: text when it is ASCII, which is how `zodbpickle` reads it, else bytes.
fn string(bytes: &[u8], span: Span) -> Node {
    if bytes.is_ascii() { Node::Str(span) } else { Node::Bytes(span) }
}

fn decimal(digits: &[u8], tree: &mut Tree, at: usize) -> Result<Node, Malformed> {
    Ok(match small_integer(digits, at)? {
        Some(value) => Node::Int(value),
        None => Node::BigInt(tree.rewrite(|out| {
            out.extend_from_slice(&large_integer(digits));
            Ok(())
        })?),
    })
}

/// Two's complement in little-endian order.
fn long(input: &mut Input<'_>, len: usize) -> Result<Node, Malformed> {
    let (bytes, span) = input.spanned(len)?;
    let needed = trimmed(bytes);
    if needed > 8 {
        return Ok(Node::BigInt(span.shortened(needed)));
    }
    let negative = needed > 0 && bytes[needed - 1] & 0x80 != 0;
    let mut value = [if negative { 0xff } else { 0 }; 8];
    value[..needed].copy_from_slice(&bytes[..needed]);
    Ok(Node::Int(i64::from_le_bytes(value)))
}

/// A length that Python writes as a signed number; a negative one is beyond any message.
fn signed_len(input: &mut Input<'_>) -> Result<usize, Malformed> {
    usize::try_from(i32::from_le_bytes(input.array()?)).map_err(|_| Malformed::Truncated)
}

fn len8(input: &mut Input<'_>) -> Result<usize, Malformed> {
    usize::try_from(u64::from_le_bytes(input.array()?)).map_err(|_| Malformed::Truncated)
}
