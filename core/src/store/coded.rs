//! A store whose records are written in another form than they are told in: compressed, or as hexadecimal digits.

use crate::ids::Tid;
use crate::record::{BadCoding, Coding};
use crate::store::disk::DiskDone;
use crate::store::file::pack::Packed;
use crate::store::layer::Nest;
use crate::store::memory;
use crate::store::{Outbox, SoFar, Store, StoreDone, StoreError, StoreOp, Transaction, Undone};
use bytes::Bytes;

/// How records change between a store and its clients. With neither, clients do it themselves, and get to see what is
/// written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transformation {
    /// The form in which records are written; `None`: as they come.
    pub write: Option<Coding>,
    /// The form that is taken off when they are read; `None`: they are told as they stand.
    pub read: Option<Coding>,
}

impl Transformation {
    /// Records are written and read in one form.
    pub fn both(coding: Coding) -> Transformation {
        Transformation { write: Some(coding), read: Some(coding) }
    }

    fn encode(self, data: Bytes) -> Bytes {
        self.write.map_or(data.clone(), |coding| coding.encode(&data))
    }

    fn decode(self, data: &mut Bytes) -> Result<(), BadCoding> {
        if let Some(coding) = self.read {
            *data = coding.decode(data)?;
        }
        Ok(())
    }

    fn bound(self, bytes: u64) -> u64 {
        self.write.map_or(bytes, |coding| coding.bound(bytes))
    }
}

/// Any store with a [`Transformation`].
#[derive(Debug)]
pub struct Coded<C> {
    store: Store<C>,
    form: Transformation,
    /// Of `store`.
    inner: Outbox<C>,
}

impl<C: Nest> Coded<C> {
    /// Puts a transformation before a store.
    pub fn new(store: Store<C>, form: Transformation) -> Coded<C> {
        Coded { store, form, inner: Outbox::default() }
    }

    /// The store, with its records as they are written.
    pub fn store(&self) -> &Store<C> {
        &self.store
    }

    /// Starts an operation. A state that another storage had may be found only if it was written by this very code: two
    /// compressions of one record may differ.
    pub fn ask(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        let form = self.form;
        let op = match op {
            StoreOp::Find { context, oid, serial, data } => {
                StoreOp::Find { context, oid, serial, data: data.map(|data| form.encode(data)) }
            }
            StoreOp::Undo { context, target, so_far: Some(SoFar::Stored(data)) } => {
                StoreOp::Undo { context, target, so_far: Some(SoFar::Stored(form.encode(data))) }
            }
            StoreOp::Reserve { context, bytes } => StoreOp::Reserve { context, bytes: form.bound(bytes) },
            other => other,
        };
        self.store.ask(op, &mut self.inner);
        self.settle(out);
    }

    /// Appends transactions. What was reserved for them and is not needed is given back.
    pub fn append(&mut self, mut batch: Vec<Transaction>, out: &mut Outbox<C>) {
        for transaction in &mut batch {
            let reserved = self.form.bound(footprint(transaction));
            for record in &mut transaction.records {
                record.data = record.data.take().map(|data| self.form.encode(data));
            }
            self.store.release(reserved - footprint(transaction));
        }
        self.store.append(batch, &mut self.inner);
        self.settle(out);
    }

    /// Gives back room that was reserved for a transaction which was aborted.
    pub fn release(&mut self, bytes: u64) {
        self.store.release(self.form.bound(bytes));
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: DiskDone<C>, out: &mut Outbox<C>) {
        self.store.on_disk(done, &mut self.inner);
        self.settle(out);
    }

    /// Saves what makes the next start fast.
    pub fn close(&mut self, out: &mut Outbox<C>) {
        self.store.close(&mut self.inner);
        self.settle(out);
    }

    /// Packs a store without a log.
    pub fn pack(&mut self, stop: Tid, gc: bool) -> Result<Option<memory::Packed>, memory::PackError> {
        self.store.pack(stop, gc)
    }

    /// Puts a packed log in place.
    pub fn swap(&mut self, packed: Box<Packed>, keep_old: bool, out: &mut Outbox<C>) {
        self.store.swap(packed, keep_old, &mut self.inner);
        self.settle(out);
    }

    /// Removes a packed log that is not to be put in place.
    pub fn discard(&mut self, out: &mut Outbox<C>) {
        self.store.discard(&mut self.inner);
        self.settle(out);
    }

    fn settle(&mut self, out: &mut Outbox<C>) {
        out.disk.append(&mut self.inner.disk);
        let form = self.form;
        out.done.extend(self.inner.done.drain(..).map(|done| told(form, done)));
    }
}

/// Bytes that the commit path has reserved for a transaction with these records.
fn footprint(transaction: &Transaction) -> u64 {
    let Transaction { user, description, extension, records, .. } = transaction;
    let lens = records.iter().map(|record| match record.same_as {
        Some(_) => None,
        None => record.data.as_ref().map(Bytes::len),
    });
    Store::<()>::footprint(user.len() + description.len() + extension.len(), lens)
}

/// An answer with its states as they are told.
fn told<C>(form: Transformation, mut done: StoreDone<C>) -> StoreDone<C> {
    match &mut done {
        StoreDone::Loaded { result, .. } => {
            tell(form, result, |revision| revision.as_mut().map(|revision| &mut revision.data));
        }
        StoreDone::Data { result, .. } => tell(form, result, |data| Some(data)),
        StoreDone::Origin { result, .. } => {
            tell(form, result, |origin| origin.as_mut().map(|(_, data)| data));
        }
        StoreDone::Record { result, .. } => {
            tell(form, result, |record| record.as_mut().and_then(|(record, _)| record.data.as_mut()));
        }
        StoreDone::Undone { result, .. } => tell(form, result, |outcome| match outcome {
            Ok(Undone::Merge { earlier: data, .. } | Undone::State(_, data)) => Some(data),
            Ok(Undone::Back(_) | Undone::Gone) | Err(_) => None,
        }),
        StoreDone::Serial { .. }
        | StoreDone::First { .. }
        | StoreDone::History { .. }
        | StoreDone::Transaction { .. }
        | StoreDone::Found { .. }
        | StoreDone::Targets { .. }
        | StoreDone::Reserved { .. }
        | StoreDone::Swapped { .. }
        | StoreDone::Durable { .. }
        | StoreDone::Refused { .. }
        | StoreDone::Closed { .. } => {}
    }
    done
}

fn tell<A>(
    form: Transformation,
    result: &mut Result<A, StoreError>,
    data: impl FnOnce(&mut A) -> Option<&mut Bytes>,
) {
    if let Ok(answer) = result
        && let Some(data) = data(answer)
        && let Err(why) = form.decode(data)
    {
        *result = Err(StoreError::Coding(why));
    }
}

#[cfg(test)]
#[path = "coded_tests.rs"]
mod tests;
