//! A record as a tree, for people to look at.

use super::BadRecord;
use crate::wire::pickle::read_pair;
use crate::wire::tree::{Tree, Value};

/// A record, read whole: its class and its state as trees of [`Value`]s.
///
/// Values that are one object in the pickle have one [`place`](Value::place), and a value may contain itself: whoever
/// walks a tree keeps count of its depth and of where it has been. The number of values and of memo entries is bounded
/// by [`limits`](crate::limits).
#[derive(Debug)]
pub struct State<'a> {
    class: Value<'a>,
    state: Value<'a>,
    trailing: usize,
}

impl<'a> State<'a> {
    /// Reads a record into a tree, whose former values are forgotten.
    ///
    /// # Errors
    /// [`BadRecord::Pickle`], and nothing else: what the values mean is not looked at.
    pub fn read(record: &'a [u8], tree: &'a mut Tree) -> Result<State<'a>, BadRecord> {
        let (class, state, len) = read_pair(record, tree)?;
        Ok(State { class, state, trailing: record.len() - len })
    }

    /// What the record tells of the class; [`class_of`](super::class_of) finds its name.
    pub fn class(&self) -> Value<'a> {
        self.class
    }

    /// The state, as the object's `__setstate__` would get it.
    pub fn state(&self) -> Value<'a> {
        self.state
    }

    /// Bytes after the second pickle, which ZODB never looks at.
    pub fn trailing(&self) -> usize {
        self.trailing
    }
}
