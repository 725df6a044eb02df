//! Shapes that are shown by what they mean: the state of well-known persistent classes, and dates.

use super::layout::Doc;
use super::value::Painter;
use zeolith_core::record::{ClassName, State, class_of};
use zeolith_core::wire::tree::{Kind, Value};

/// The state of a record, by its class if that is well known and the state is what it should be.
pub(super) fn record(painter: &mut Painter, state: &State<'_>) -> Doc {
    let value = state.state();
    let known = class_of(state.class()).and_then(|class| known(painter, &class, value));
    known.unwrap_or_else(|| painter.value(value))
}

fn known(painter: &mut Painter, class: &ClassName, state: Value<'_>) -> Option<Doc> {
    let module = class.module.as_str();
    if module == "persistent.mapping" || module == "persistent.list" {
        return wrapped(painter, state);
    }
    // In C or in Python, and where the classes' home was when the record was written.
    let name = class.name.strip_suffix("Py").unwrap_or(&class.name);
    if !module.starts_with("BTrees.") {
        return None;
    }
    if name.ends_with("BTree") {
        node(painter, state, true)
    } else if name.ends_with("TreeSet") {
        node(painter, state, false)
    } else if name.ends_with("Bucket") {
        bucket(painter, state, true)
    } else if name.ends_with("Set") {
        bucket(painter, state, false)
    } else {
        None
    }
}

/// PersistentMapping and PersistentList keep what they hold in one attribute.
fn wrapped(painter: &mut Painter, state: Value<'_>) -> Option<Doc> {
    let mut pairs = state.pairs()?;
    let (Some((name, held)), None) = (pairs.next(), pairs.next()) else { return None };
    matches!(name.as_str()?, "data" | "_container").then(|| painter.value(held))
}

/// A node of a tree: `((child, key, child, ...), first bucket)`; or `((bucket's state,),)` when there is one bucket only,
/// which then has no record of its own; or `None` when it is empty.
fn node(painter: &mut Painter, state: Value<'_>, mapping: bool) -> Option<Doc> {
    if state.is_none() {
        return Some(Doc::text("empty"));
    }
    let mut parts = tuple(state)?;
    let mut children = tuple(parts.next()?)?;
    let Some(first) = parts.next() else {
        let (Some(only), None) = (children.next(), children.next()) else { return None };
        return bucket(painter, only, mapping);
    };
    if children.len().is_multiple_of(2) {
        return None;
    }
    let lowest = children.next()?;
    let mut items = vec![Doc::pair(Doc::text("below all keys"), painter.value(lowest))];
    let rest: Vec<_> = children.collect();
    items.extend(painter.each(rest.chunks_exact(2), |painter, pair| {
        let key = painter.value(pair[0]);
        Doc::pair(Doc::Row(vec![Doc::text("from "), key]), painter.value(pair[1]))
    }));
    items.push(Doc::pair(Doc::text("first bucket"), painter.value(first)));
    Some(Doc::group("node (", items, ")"))
}

/// A bucket: `((key, value, ...),)`, with the next bucket after it if there is one; a set has keys only.
fn bucket(painter: &mut Painter, state: Value<'_>, mapping: bool) -> Option<Doc> {
    let mut parts = tuple(state)?;
    let held = parts.next()?;
    let next = parts.next();
    let shown = match (held.kind(), mapping) {
        (Kind::Tuple(items), false) => {
            let items = painter.items(items);
            Doc::group("{", items, "}")
        }
        (Kind::Tuple(items), true) if items.len().is_multiple_of(2) => {
            let items: Vec<_> = items.collect();
            painter.pairs(items.chunks_exact(2).map(|pair| (pair[0], pair[1])))
        }
        // An fsBucket keeps its short keys and values in one piece of bytes.
        (Kind::Bytes(_), true) => painter.value(held),
        _ => return None,
    };
    Some(match next {
        None => shown,
        Some(next) => Doc::Row(vec![shown, Doc::text(" next bucket: "), painter.value(next)]),
    })
}

fn tuple(value: Value<'_>) -> Option<zeolith_core::wire::tree::Items<'_>> {
    match value.kind() {
        Kind::Tuple(items) => Some(items),
        _ => None,
    }
}

/// Dates and times, which Python writes as calls with packed bytes. `None` for all other calls.
pub(super) fn called(callable: Value<'_>, args: Value<'_>) -> Option<String> {
    let Kind::Global { module: "datetime", name } = callable.kind() else { return None };
    let [packed] = args.array()?;
    let packed = packed.as_octets()?;
    let fields = match (name, packed) {
        ("date", [year, low, month, day]) => vec![word(*year, *low), int(*month), int(*day)],
        // The highest bit of the first field that has one to spare tells a repeated hour from its first time.
        ("time", [hour, rest @ ..]) if rest.len() == 5 => time(hour & 0x7f, rest),
        ("datetime", [year, low, month, day, hour, rest @ ..]) if rest.len() == 5 => {
            let mut fields = vec![word(*year, *low), int(month & 0x7f), int(*day)];
            fields.extend(time(*hour, rest));
            fields
        }
        _ => return None,
    };
    let fields: Vec<String> = fields.iter().map(u32::to_string).collect();
    Some(format!("datetime.{name}({})", fields.join(", ")))
}

fn int(byte: u8) -> u32 {
    byte.into()
}

fn word(high: u8, low: u8) -> u32 {
    u16::from_be_bytes([high, low]).into()
}

/// Hour, minute, second and microsecond, without the last ones if they are zero.
fn time(hour: u8, rest: &[u8]) -> Vec<u32> {
    let micros = u32::from_be_bytes([0, rest[2], rest[3], rest[4]]);
    let mut fields = vec![int(hour), int(rest[0]), int(rest[1]), micros];
    while fields.len() > 2 && fields.last() == Some(&0) {
        fields.pop();
    }
    fields
}
