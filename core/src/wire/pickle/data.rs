//! Plain data that older protocols write as calls.

use super::text;
use crate::wire::Malformed;
use crate::wire::tree::{Id, Node, Tree, Value};

/// What a call would return, where that is plain data; `None` where it stays a call.
///
/// `message` is the message that `tree` is read from, `at` the offset of the call in it.
pub(super) fn called(
    tree: &mut Tree,
    message: &[u8],
    callable: Id,
    args: Id,
    at: usize,
) -> Result<Option<Node>, Malformed> {
    // Only places and octets are compared here: to look at text as such means to check it again, and a pickle can make
    // the same call with the same long text any number of times.
    let value = |id| Value::new(tree, message, id);
    let Node::Global(module, name) = tree.node(callable) else { return Ok(None) };
    let Node::Tuple(_) = tree.node(args) else { return Ok(None) };
    let (Some(module), Some(name)) = (value(module).as_octets(), value(name).as_octets()) else {
        return Ok(None);
    };
    let Some(args) = value(args).items() else { return Ok(None) };
    let builtin = matches!(module, b"builtins" | b"__builtin__");
    match (name, args.len()) {
        (b"bytes" | b"bytearray", 0) if builtin => Ok(Some(Node::Bytes(tree.rewrite(|_| Ok(()))?))),
        (b"bytearray", 1) if builtin => {
            let bytes = args.array().map(|[only]| tree.node(only.id()));
            Ok(bytes.filter(|node| matches!(node, Node::Bytes(_))))
        }
        (b"set" | b"frozenset", 1) if builtin => {
            let list = args.array().map(|[only]| only.id());
            let list = list.filter(|list| matches!(tree.node(*list), Node::List(_)));
            Ok(list.map(if name == b"set" { Node::SetOf } else { Node::FrozenSetOf }))
        }
        (b"bytearray", 2) if builtin => latin1(tree, message, args.array().map(|two| two.map(Value::id)), at),
        (b"encode", 2) if module == b"_codecs" => {
            latin1(tree, message, args.array().map(|two| two.map(Value::id)), at)
        }
        _ => Ok(None),
    }
}

/// Bytes that were written as the Latin-1 characters of the same numbers.
fn latin1(
    tree: &mut Tree,
    message: &[u8],
    args: Option<[Id; 2]>,
    at: usize,
) -> Result<Option<Node>, Malformed> {
    let Some([text, encoding]) = args else { return Ok(None) };
    let value = |id| Value::new(tree, message, id);
    let (Node::Str(span), Some(b"latin1" | b"latin-1")) = (tree.node(text), value(encoding).as_octets())
    else {
        return Ok(None);
    };
    tree.admit_text(tree.bytes(message, span).len())?;
    let text = value(text).as_str().unwrap_or_default().to_owned();
    let bytes = tree.rewrite(|out| text::latin1(&text, out).ok_or(Malformed::Text(at)))?;
    Ok(Some(Node::Bytes(bytes)))
}
