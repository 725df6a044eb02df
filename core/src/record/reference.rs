//! What a persistent reference points to.

use crate::ids::Oid;
use crate::wire::tree::{Items, Kind, Value};
use std::borrow::Cow;

/// A persistent reference in a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// To an object of the same database, which it keeps alive: `oid` or `(oid, class)`.
    Object(Oid),
    /// To one that it does not keep alive: `['w', (oid,)]`, or `[oid]` in old records.
    Weak(Oid),
    /// To an object of another database: `['n', (database, oid)]` or `['m', (database, oid, class)]`.
    Foreign {
        /// The other database's name.
        database: String,
        /// The object.
        oid: Oid,
    },
    /// To one of another database, weakly: `['w', (oid, database)]`.
    ForeignWeak {
        /// The other database's name.
        database: String,
        /// The object.
        oid: Oid,
    },
}

impl Reference {
    /// The object, in whichever database.
    pub fn oid(&self) -> Oid {
        match self {
            Reference::Object(oid) | Reference::Weak(oid) => *oid,
            Reference::Foreign { oid, .. } | Reference::ForeignWeak { oid, .. } => *oid,
        }
    }

    /// Reads what a pickle gives as a persistent id, with the class it names. `None` for forms that ZODB does not know.
    pub fn of(id: Value<'_>) -> Option<(Reference, Option<Value<'_>>)> {
        read(id)
    }
}

/// What a persistent id is made of, however it was read.
pub(super) trait Part<'a>: Copy {
    /// Bytes; or text, where Python 2 made no difference.
    fn octets(self) -> Option<Cow<'a, [u8]>>;
    /// A tuple's first items.
    fn tuple(self) -> Option<[Option<Self>; 3]>;
    /// A list's length and its first items.
    fn list(self) -> Option<(usize, [Option<Self>; 3])>;
}

/// Reads a persistent id: the reference and the class it names. `None` for forms that ZODB does not know.
pub(super) fn read<'a, P: Part<'a>>(id: P) -> Option<(Reference, Option<P>)> {
    let oid = |part: P| Oid::from_slice(&part.octets()?);
    let name = |part: P| Some(String::from_utf8_lossy(&part.octets()?).into_owned());
    if let Some([first, class, _]) = id.tuple() {
        return Some((Reference::Object(oid(first?)?), class));
    }
    let Some((len, [first, args, _])) = id.list() else {
        return Some((Reference::Object(oid(id)?), None));
    };
    if len == 1 {
        return Some((Reference::Weak(oid(first?)?), None));
    }
    let [one, two, class] = args?.tuple()?;
    let reference = match (&*first?.octets()?, two) {
        (b"w", None) => Reference::Weak(oid(one?)?),
        (b"w", Some(database)) => Reference::ForeignWeak { database: name(database)?, oid: oid(one?)? },
        (b"n" | b"m", Some(object)) => Reference::Foreign { database: name(one?)?, oid: oid(object)? },
        _ => return None,
    };
    Some((reference, class))
}

impl<'a> Part<'a> for Value<'a> {
    fn octets(self) -> Option<Cow<'a, [u8]>> {
        self.as_octets().map(Cow::Borrowed)
    }

    fn tuple(self) -> Option<[Option<Self>; 3]> {
        match self.kind() {
            Kind::Tuple(items) => Some(first_three(items).1),
            _ => None,
        }
    }

    fn list(self) -> Option<(usize, [Option<Self>; 3])> {
        match self.kind() {
            Kind::List(items) => Some(first_three(items)),
            _ => None,
        }
    }
}

fn first_three<'a>(mut items: Items<'a>) -> (usize, [Option<Value<'a>>; 3]) {
    (items.len(), [items.next(), items.next(), items.next()])
}
