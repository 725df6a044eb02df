//! Oids, blobs, and looking around in the storage.

use super::super::testing::{Scripted, none};
use super::super::{Answer, Call, Error, Input, IterationId, NextRecord, Output, ServerId};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::row;
use crate::wire::call::MessageId;
use crate::wire::tree::Owned;
use bytes::Bytes;

fn oids(range: std::ops::Range<u64>) -> Owned {
    Owned::Tuple(range.map(|oid| Oid(oid).into()).collect())
}

#[test]
fn oids_are_asked_for_before_they_run_out_and_given_once() {
    Scripted::ready(|mut rig| {
        let mut given = Vec::new();
        for _ in 0..120 {
            let ticket = rig.ask(Call::NewOid);
            while rig.count("new_oids") > 0 {
                let first = given.len() as u64 / 100 * 100 + 1000 * rig.now.0 + 100 * given.len() as u64;
                rig.reply("new_oids", oids(first..first + 100));
            }
            let Some(Ok(Answer::Oid(oid))) = rig.answer(ticket) else { panic!("no oid") };
            given.push(oid);
        }
        given.sort();
        given.dedup();
        assert_eq!(given.len(), 120);
    });
}

#[test]
fn with_half_of_the_oids_gone_nobody_has_to_wait_for_more() {
    Scripted::ready(|mut rig| {
        rig.ask(Call::NewOid);
        rig.reply("new_oids", oids(0..100));
        for _ in 0..limits::NEW_OIDS / 2 - 1 {
            rig.ask(Call::NewOid);
        }
        assert_eq!(rig.count("new_oids"), 0);
        rig.ask(Call::NewOid);
        assert_eq!(rig.count("new_oids"), 1);
    });
}

#[test]
fn oids_of_another_life_of_the_server_are_not_given_out() {
    Scripted::ready(|mut rig| {
        rig.ask(Call::NewOid);
        rig.reply("new_oids", oids(0..100));
        rig.cut();
        rig.reconnect(100);
        let ticket = rig.ask(Call::NewOid);
        assert_eq!(rig.answer(ticket), None);
        rig.fail("new_oids", "ZODB.POSException.ReadOnlyError", row![]);
        assert_eq!(rig.error(ticket), Error::ReadOnly);
    });
}

#[test]
fn a_blob_comes_in_pieces_and_is_done_when_all_came() {
    for reply_first in [true, false] {
        Scripted::ready(|mut rig| {
            let [first, second] = [0, 1].map(|_| rig.ask(Call::LoadBlob { oid: Oid(1), serial: Tid(50) }));
            for ticket in [first, second] {
                assert_eq!(rig.count("sendBlob"), 1, "pieces name the blob alone");
                let part = |rig: &mut Scripted, method: &str, more: Option<&[u8]>| {
                    let mut args = vec![Oid(1).into(), Tid(50).into()];
                    args.extend(more.map(Owned::from));
                    rig.message(&MessageId::Int(0), 1, method, &Owned::Tuple(args));
                };
                part(&mut rig, "receiveBlobStart", None);
                part(&mut rig, "receiveBlobChunk", Some(b"one"));
                if reply_first {
                    rig.reply("sendBlob", none());
                }
                part(&mut rig, "receiveBlobChunk", Some(b"two"));
                assert_eq!(rig.answer(ticket), None);
                part(&mut rig, "receiveBlobStop", None);
                if !reply_first {
                    rig.reply("sendBlob", none());
                }
                assert_eq!(rig.answer(ticket), Some(Ok(Answer::Done)));
                let pieces: Vec<_> = rig.others.drain(..).collect();
                let of = |output: &Output| match output {
                    Output::BlobPiece { ticket: of, bytes } => (*of == ticket).then(|| bytes.clone()),
                    _ => None,
                };
                let bytes: Vec<Bytes> = pieces.iter().filter_map(of).collect();
                assert_eq!(bytes, ["one", "two"]);
            }
            assert_eq!(rig.count("sendBlob"), 0);
        });
    }
}

#[test]
fn a_blob_that_is_not_there_is_an_error_and_a_lost_one_is_not_asked_again() {
    Scripted::ready(|mut rig| {
        let missing = rig.ask(Call::LoadBlob { oid: Oid(1), serial: Tid(50) });
        rig.fail("sendBlob", "ZODB.POSException.POSKeyError", row![Oid(1)]);
        assert_eq!(rig.error(missing), Error::NoObject(Oid(1)));
        let lost = rig.ask(Call::LoadBlob { oid: Oid(1), serial: Tid(50) });
        rig.cut();
        assert!(matches!(rig.error(lost), Error::Lost(_)));
    });
}

#[test]
fn an_iteration_gives_each_transaction_with_its_records() {
    Scripted::ready(|mut rig| {
        let ask = rig.ask(Call::Iterate { start: None, stop: None });
        rig.reply("iterator_start", 7.into());
        let iteration = IterationId { conn: rig.conn(), number: 7 };
        assert_eq!(rig.answer(ask), Some(Ok(Answer::Iteration(iteration))));
        let ask = rig.ask(Call::IterateNext(iteration));
        let busy = rig.ask(Call::IterateNext(iteration));
        assert!(matches!(rig.error(busy), Error::Limit(_)));
        let extension = Owned::Dict(vec![]);
        rig.reply("iterator_next", row![Tid(50), " ", b"user".to_vec(), b"why".to_vec(), extension]);
        rig.reply("iterator_record_start", 8.into());
        rig.reply("iterator_record_next", row![Oid(1), Tid(50), b"one".to_vec(), none()]);
        rig.reply("iterator_record_next", row![Oid(2), Tid(50), none(), Tid(40)]);
        rig.reply("iterator_record_next", none());
        let Some(Ok(Answer::Transaction(Some(txn)))) = rig.answer(ask) else { panic!("no transaction") };
        assert_eq!((txn.tid, &txn.user[..], txn.records.len()), (Tid(50), &b"user"[..], 2));
        assert_eq!((txn.records[1].data.clone(), txn.records[1].same_as), (None, Some(Tid(40))));
        let ask = rig.ask(Call::IterateNext(iteration));
        rig.reply("iterator_next", none());
        assert_eq!(rig.answer(ask), Some(Ok(Answer::Transaction(None))));
        let ask = rig.ask(Call::IterateNext(iteration));
        assert_eq!(rig.error(ask), Error::NoIteration);
    });
}

#[test]
fn an_iteration_ends_when_told_so_and_with_its_connection() {
    Scripted::ready(|mut rig| {
        let iteration = |rig: &mut Scripted, number: i64| {
            rig.ask(Call::Iterate { start: None, stop: None });
            rig.reply("iterator_start", number.into());
            IterationId { conn: rig.conn(), number }
        };
        let [ended, lost] = [iteration(&mut rig, 7), iteration(&mut rig, 8)];
        let ask = rig.ask(Call::IterateEnd(ended));
        assert_eq!(rig.answer(ask), Some(Ok(Answer::Done)));
        assert_eq!(rig.called("iterator_gc").args, row![row![7]]);
        let ask = rig.ask(Call::IterateNext(ended));
        assert_eq!(rig.error(ask), Error::NoIteration);
        rig.cut();
        rig.reconnect(100);
        let ask = rig.ask(Call::IterateNext(lost));
        assert!(matches!(rig.error(ask), Error::Lost(_)));
    });
}

#[test]
fn an_iteration_that_nobody_waits_for_any_more_is_ended_when_it_begins() {
    Scripted::ready(|mut rig| {
        let ticket = rig.ask(Call::Iterate { start: None, stop: None });
        rig.input(Input::Forget { ticket });
        rig.reply("iterator_start", 7.into());
        assert_eq!(rig.called("iterator_gc").args, row![row![7]]);
        assert_eq!(rig.client.held(), Vec::<String>::new());
    });
}

#[test]
fn an_iteration_that_is_ended_while_it_is_asked_ends_after_that_and_one_that_failed_at_once() {
    Scripted::ready(|mut rig| {
        let iteration = |rig: &mut Scripted, number: i64| {
            rig.ask(Call::Iterate { start: None, stop: None });
            rig.reply("iterator_start", number.into());
            IterationId { conn: rig.conn(), number }
        };
        let ended = iteration(&mut rig, 7);
        rig.ask(Call::IterateNext(ended));
        let end = rig.ask(Call::IterateEnd(ended));
        assert_eq!(rig.answer(end), Some(Ok(Answer::Done)));
        assert_eq!(rig.count("iterator_gc"), 0);
        rig.reply("iterator_next", row![Tid(50), " ", b"".to_vec(), b"".to_vec(), Owned::Dict(vec![])]);
        rig.reply("iterator_record_start", 8.into());
        rig.reply("iterator_record_next", none());
        assert_eq!(rig.called("iterator_gc").args, row![row![7]]);
        let failed = iteration(&mut rig, 9);
        rig.ask(Call::IterateNext(failed));
        rig.reply("iterator_next", row![Tid(50), " ", b"".to_vec(), b"".to_vec(), Owned::Dict(vec![])]);
        rig.reply("iterator_record_start", 10.into());
        rig.fail("iterator_record_next", "ZODB.POSException.StorageError", row![]);
        assert_eq!(rig.called("iterator_gc").args, row![row![9, 10]]);
        assert_eq!(rig.client.held(), Vec::<String>::new());
    });
}

#[test]
fn so_many_iterations_are_open_and_no_more() {
    Scripted::ready(|mut rig| {
        for number in 0..limits::ITERATIONS as i64 {
            rig.ask(Call::Iterate { start: None, stop: None });
            rig.reply("iterator_start", number.into());
        }
        let ask = rig.ask(Call::Iterate { start: None, stop: None });
        assert!(matches!(rig.error(ask), Error::Limit(_)));
        rig.ask(Call::IterateEnd(IterationId { conn: rig.conn(), number: 3 }));
        rig.ask(Call::Iterate { start: None, stop: None });
        assert_eq!(rig.count("iterator_start"), 1);
    });
}

#[test]
fn other_questions_are_passed_on_and_answered() {
    Scripted::ready(|mut rig| {
        let pack = rig.ask(Call::Pack { time: 1.5 });
        let Owned::Tuple(args) = rig.called("pack").args else { panic!("no arguments") };
        assert_eq!(args[0], Owned::Float(1.5));
        assert_eq!(rig.answer(pack), None);
        let never = rig.ask(Call::Pack { time: f64::NAN });
        assert!(matches!(rig.error(never), Error::Refused(_)));
        let history = rig.ask(Call::History { oid: Oid(1), count: 2 });
        rig.reply("history", row![]);
        assert_eq!(rig.answer(history), Some(Ok(Answer::History(vec![]))));
        let undo = rig.ask(Call::UndoLog { first: 0, last: 5 });
        rig.fail("undoLog", "ZODB.POSException.Unsupported", row!["no"]);
        assert!(matches!(rig.error(undo), Error::Refused(_)));
        let status = rig.ask(Call::Status);
        rig.reply("server_status", Owned::Dict(vec![("loads".into(), 3.into())]));
        assert_eq!(rig.answer(status), Some(Ok(Answer::Status(vec![("loads".into(), "3".into())]))));
        let record = rig.ask(Call::NextRecord { oid: None });
        rig.reply("record_iternext", row![Oid(1), Tid(50), b"one".to_vec(), none()]);
        let found = NextRecord { oid: Oid(1), serial: Tid(50), data: "one".into(), next: None };
        assert_eq!(rig.answer(record), Some(Ok(Answer::Record(found))));
    });
}

#[test]
fn the_storage_is_described_as_it_is_now() {
    Scripted::ready(|mut rig| {
        let size = Owned::Dict(vec![("length".into(), 5.into()), ("size".into(), 700.into())]);
        rig.message(&MessageId::Int(0), 1, "info", &row![size]);
        let ask = rig.ask(Call::Info);
        let Some(Ok(Answer::Info(info))) = rig.answer(ask) else { panic!("no description") };
        assert_eq!((info.objects, info.bytes, &info.name[..]), (5, 700, "scripted"));
        assert_eq!((info.server, info.read_only, info.supports_undo), (Some(ServerId(0)), false, true));
    });
}

#[test]
fn a_sync_is_a_round_trip() {
    Scripted::ready(|mut rig| {
        let sync = rig.ask(Call::Sync);
        rig.invalidate(110, &[1]);
        assert_eq!(rig.answer(sync), None);
        rig.reply("ping", none());
        assert_eq!(rig.answer(sync), Some(Ok(Answer::Done)));
        let lost = rig.ask(Call::Sync);
        rig.cut();
        assert!(matches!(rig.error(lost), Error::Lost(_)));
    });
}

#[test]
fn so_many_questions_wait_and_no_more() {
    let mut rig = Scripted::new(crate::server::testing::CODECS[0], super::super::testing::client_config(1));
    for _ in 0..limits::QUESTIONS {
        let ticket = rig.ticket();
        rig.client.handle(rig.now, Input::Ask { ticket, call: Call::Ready });
    }
    assert!(rig.answers.is_empty());
    let more = rig.ask(Call::Ready);
    assert!(matches!(rig.error(more), Error::Limit(_)));
    rig.connect(100);
    assert_eq!(rig.answers.len(), limits::QUESTIONS);
}
