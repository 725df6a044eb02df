//! Packs over the disk of the tests.

mod crashes;
mod histories;
mod orders;
mod pointers;

use super::{Begin, News, Nothing, Order, PackError, Packed, Packing};
use crate::ids::{Oid, Tid};
use crate::store::file::testing::{Disk, Session};
use crate::store::{Outbox, Record, StoreDone, Transaction};
use bytes::Bytes;

/// How a pack ended.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    Nothing(Nothing),
    Failed(PackError),
    /// With the disk.
    Died,
}

/// A record of an object that refers to others.
fn state(text: &str, references: &[u64]) -> Bytes {
    let mut state = b"\x80\x03N.\x80\x03".to_vec();
    for oid in references {
        state.extend_from_slice(b"C\x08");
        state.extend_from_slice(&oid.to_be_bytes());
        state.extend_from_slice(b"Q0");
    }
    state.extend_from_slice(b"C");
    state.push(text.len() as u8);
    state.extend_from_slice(text.as_bytes());
    state.push(b'.');
    state.into()
}

/// A transaction that gives objects states; `None` deletes one.
fn transaction(tid: u64, records: Vec<(u64, Option<Bytes>)>) -> Transaction {
    let records = records.into_iter().map(|(oid, data)| Record { oid: Oid(oid), data, same_as: None });
    Transaction {
        tid: Tid(tid),
        status: b' ',
        user: Bytes::from_static(b"user"),
        description: Bytes::new(),
        extension: Bytes::new(),
        records: records.collect(),
        copied: false,
    }
}

/// Carries out what a pack wants until it waits or ends.
fn settle(packing: &mut Packing<u32>, disk: &mut Disk) -> Option<News> {
    loop {
        match packing.news() {
            Some(News::Progress(_)) => continue,
            Some(news) => return Some(news),
            None => {}
        }
        if disk.dead() {
            return None;
        }
        let op = packing.poll().expect("a pack wants something until it has news");
        if let Some(done) = disk.carry_out(op) {
            packing.handle(done);
        }
    }
}

/// Puts a packed log in place.
fn swap(session: &mut Session<'_>, packed: Box<Packed>, keep_old: bool) -> End {
    let mut out = Outbox::default();
    session.store.swap(packed, keep_old, &mut out);
    match session.settle(&mut out).pop() {
        Some(StoreDone::Swapped { result: Ok(()) }) => End::Done,
        None => End::Died,
        other => panic!("{other:?}"),
    }
}

fn begin(session: &Session<'_>, stop: u64, gc: bool) -> Begin {
    session.store.begin_pack(Tid(stop), gc, false).expect("a storage that can be packed")
}

/// Packs with nothing committed meanwhile.
fn pack(session: &mut Session<'_>, stop: u64, gc: bool, keep_old: bool) -> End {
    let begin = begin(session, stop, gc);
    let upto = begin.upto;
    let mut packing = Packing::new(begin);
    loop {
        match settle(&mut packing, session.disk) {
            None => return End::Died,
            Some(News::CaughtUp { .. }) => packing.order(Order::Finish { upto }),
            Some(News::Ready(packed)) => return swap(session, packed, keep_old),
            Some(News::Nothing(why)) => return End::Nothing(why),
            Some(News::Failed(error)) => return End::Failed(error),
            Some(news) => panic!("{news:?}"),
        }
    }
}
