//! Several clients and one server under random loads, commits, delays and cuts, against a plain model of the history.

use super::super::testing::{World, changes, client_config, store};
use super::super::{Answer, Call, Change, Error, Input, Ticket};
use crate::ids::{Oid, Tid};
use crate::server::testing::CODECS;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CLIENTS: usize = 3;
const OBJECTS: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    /// So many bytes of one of the connections arrive.
    Deliver {
        pipe: usize,
        up: bool,
        bytes: usize,
    },
    Cut {
        client: usize,
    },
    Load {
        client: usize,
        oid: u64,
        current: bool,
    },
    Prefetch {
        client: usize,
    },
    Commit {
        client: usize,
        oids: BTreeSet<u64>,
        resolve: bool,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let client = 1..=CLIENTS;
    let bytes = prop_oneof![1..40_usize, 100..2_000_usize];
    prop_oneof![
        12 => (0..CLIENTS, any::<bool>(), bytes)
            .prop_map(|(pipe, up, bytes)| Step::Deliver { pipe, up, bytes }),
        1 => client.clone().prop_map(|client| Step::Cut { client }),
        4 => (client.clone(), 0..OBJECTS, any::<bool>())
            .prop_map(|(client, oid, current)| Step::Load { client, oid, current }),
        1 => client.clone().prop_map(|client| Step::Prefetch { client }),
        4 => (client, prop::collection::btree_set(0..OBJECTS, 1..3), any::<bool>())
            .prop_map(|(client, oids, resolve)| Step::Commit { client, oids, resolve }),
        2 => (1..400_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// A question under way.
#[derive(Debug)]
enum Asked {
    Load { oid: Oid, before: Tid, seen: Tid },
    Commit { oids: BTreeSet<u64>, text: String },
}

/// Client 0 is never cut and hears everything at once: what it is told is the history.
struct Model {
    world: World,
    asked: BTreeMap<(usize, Ticket), Asked>,
    /// Every transaction with its objects.
    history: BTreeMap<Tid, BTreeSet<Oid>>,
    /// States that are known, by object and transaction.
    states: BTreeMap<(Oid, Tid), String>,
    /// Texts of transactions that were said not to be.
    never: BTreeSet<String>,
    /// How far each client was told, and how many changes were looked at.
    told: Vec<(Option<Tid>, usize)>,
    commits: usize,
}

impl Model {
    fn new(codec: crate::wire::Codec) -> Model {
        let mut world = World::new(codec, 1);
        let mut told = Vec::new();
        for _ in 0..=CLIENTS {
            let client = world.client(client_config(1));
            told.push((world.clients[client].last_tid(), 0));
        }
        world.eager = false;
        Model {
            world,
            asked: BTreeMap::new(),
            history: BTreeMap::new(),
            states: BTreeMap::new(),
            never: BTreeSet::new(),
            told,
            commits: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Deliver { pipe, up, bytes } => {
                let keys: Vec<_> = self.world.pipes.keys().copied().filter(|key| key.0 > 0).collect();
                if let Some(key) = keys.get(pipe % keys.len().max(1)) {
                    self.world.deliver(*key, up, bytes);
                }
            }
            Step::Cut { client } => self.world.cut(client),
            Step::Load { client, oid, current } => {
                let seen = self.world.clients[client].last_tid().unwrap_or_default();
                let before = if current { Tid::MAX } else { seen.next() };
                let oid = Oid(oid);
                let ticket = self.world.ask(client, Call::Load { oid, before });
                self.asked.insert((client, ticket), Asked::Load { oid, before, seen });
            }
            Step::Prefetch { client } => {
                let oids = (0..OBJECTS).map(Oid).collect();
                let before = self.world.clients[client].last_tid().unwrap_or_default().next();
                self.world.ask(client, Call::Prefetch { oids, before });
            }
            Step::Commit { client, oids, resolve } => {
                self.commits += 1;
                let text = format!("commit {}", self.commits);
                let cache = self.world.clients[client].cache();
                let operations = oids.iter().map(|oid| {
                    let serial = cache.serial(Oid(*oid)).unwrap_or_default();
                    store(*oid, serial, &text)
                });
                let mut changes = changes(operations.collect());
                changes.resolve = resolve;
                let ticket = self.world.ask(client, Call::Vote(Box::new(changes)));
                self.asked.insert((client, ticket), Asked::Commit { oids, text });
            }
            Step::Pass { millis } => self.world.pass(Duration::from_millis(millis)),
        }
        self.merge();
        self.listen();
        self.check();
    }

    /// Merges what is to be merged: the state has a text of its own.
    fn merge(&mut self) {
        self.world.run();
        for client in 1..=CLIENTS {
            for (txn, merge) in std::mem::take(&mut self.world.told[client].merges) {
                let state = Some(Bytes::from([b"merged ", &merge.conflict.data[..]].concat()));
                self.world.input(client, Input::Resolved { txn, oid: merge.conflict.oid, state });
            }
        }
    }

    /// Client 0 hears all that was said to it.
    fn listen(&mut self) {
        let keys: Vec<_> = self.world.pipes.keys().copied().filter(|key| key.0 == 0).collect();
        for key in keys {
            while self.world.deliver(key, true, usize::MAX) | self.world.deliver(key, false, usize::MAX) {
                self.world.carry_out();
            }
        }
        for change in &self.world.told[0].changes {
            let Change::Objects { tid, oids } = change else { panic!("client 0 hears everything") };
            self.history.insert(*tid, oids.iter().copied().collect());
        }
    }

    /// The transactions that changed an object, within bounds that are both included.
    fn changed(&self, oid: Oid, from: Tid, to: Tid) -> impl DoubleEndedIterator<Item = Tid> {
        let range = if from <= to { Some(self.history.range(from..=to)) } else { None };
        range.into_iter().flatten().filter(move |(_, oids)| oids.contains(&oid)).map(|(tid, _)| *tid)
    }

    fn check(&mut self) {
        for client in 1..=CLIENTS {
            self.check_told(client);
            let cache = self.world.clients[client].cache();
            if let Some(last) = cache.last_tid() {
                for (oid, serial) in cache.current() {
                    assert_eq!(
                        self.changed(oid, serial.next(), last).next(),
                        None,
                        "promise 4: {oid} of {serial}"
                    );
                }
            }
        }
        let answered: Vec<_> = self
            .asked
            .keys()
            .copied()
            .filter(|(client, ticket)| self.world.told[*client].answers.contains_key(ticket))
            .collect();
        for (client, ticket) in answered {
            let asked = self.asked.remove(&(client, ticket)).expect("just seen");
            let answer = self.world.answer(client, ticket).expect("just seen");
            self.check_answer(client, asked, answer);
        }
    }

    /// Promises 5, 7 and 9: every transaction is told, in order, with its objects.
    fn check_told(&mut self, client: usize) {
        let (mut known, looked_at) = self.told[client];
        let changes = &self.world.told[client].changes;
        for change in &changes[looked_at..] {
            let (tid, oids) = match change {
                Change::Objects { tid, oids } => (*tid, Some(oids.iter().copied().collect::<BTreeSet<_>>())),
                Change::Everything { tid } => (*tid, None),
            };
            let since = known.expect("told after the first connection");
            assert!(since < tid || (since == tid && oids.is_none()), "promise 5");
            if let Some(oids) = oids {
                let happened =
                    self.history.range(since.next()..=tid).flat_map(|(_, oids)| oids.iter().copied());
                assert_eq!(oids, happened.collect(), "promise 7: between {since} and {tid}");
            }
            known = Some(tid);
        }
        let last = self.world.clients[client].last_tid();
        assert_eq!(last, known, "callers see the last transaction when they were told");
        self.told[client] = (known, changes.len());
    }

    fn check_answer(&mut self, client: usize, asked: Asked, answer: Result<Answer, Error>) {
        match (asked, answer) {
            (Asked::Load { oid, before, seen }, Ok(Answer::Loaded(Some(revision)))) => {
                let expected = match before {
                    Tid::MAX => self.changed(oid, Tid::ZERO, seen).next_back(),
                    before => self.changed(oid, Tid::ZERO, Tid(before.0 - 1)).next_back(),
                };
                match before {
                    Tid::MAX => assert!(Some(revision.serial) >= expected, "as new as what was known"),
                    _ => assert_eq!(Some(revision.serial), expected, "right as of {before}"),
                }
                if let Some(until) = revision.until {
                    assert_eq!(self.changed(oid, revision.serial.next(), until).next(), Some(until));
                }
                if let Some(state) = self.states.get(&(oid, revision.serial)) {
                    assert_eq!(&revision.data, state.as_bytes());
                }
            }
            (Asked::Load { oid, before, .. }, Ok(Answer::Loaded(None)) | Err(Error::NoObject(_))) => {
                if before < Tid::MAX {
                    assert_eq!(self.changed(oid, Tid::ZERO, Tid(before.0 - 1)).next(), None);
                }
            }
            (Asked::Commit { oids, text }, Ok(Answer::Finished(finished))) => {
                let written = self.history.get(&finished.tid).expect("a transaction everybody is told of");
                assert_eq!(*written, oids.iter().copied().map(Oid).collect());
                for oid in oids.into_iter().map(Oid).filter(|oid| !finished.changed.contains(oid)) {
                    self.states.insert((oid, finished.tid), text.clone());
                }
            }
            (
                Asked::Commit { text, .. },
                Err(Error::Lost(_) | Error::Conflict(_) | Error::Disconnected(_)),
            ) => {
                self.never.insert(text);
            }
            // A new object's history does not reach back to before, where others wrote it first.
            (Asked::Commit { .. }, Err(Error::OutcomeUnknown(_))) => {}
            (asked, answer) => panic!("client {client}: {asked:?} is answered with {answer:?}"),
        }
    }

    /// Faults stop: everybody comes to know everything, and every question is answered.
    fn end(&mut self) {
        self.world.eager = true;
        for _ in 0..200 {
            self.world.pass(Duration::from_millis(200));
            self.merge();
            self.listen();
            self.check();
            if self.asked.is_empty() && self.world.clients.iter().all(super::super::Client::is_ready) {
                break;
            }
        }
        assert!(self.asked.is_empty(), "not answered: {:?}", self.asked);
        let last = self.world.clients[0].last_tid();
        for client in &self.world.clients {
            assert_eq!((client.is_ready(), client.last_tid()), (true, last));
        }
        let written: Vec<(Oid, Tid)> =
            self.history.iter().flat_map(|(tid, oids)| oids.iter().map(|oid| (*oid, *tid))).collect();
        for (oid, serial) in written {
            let Ok(Answer::State(state)) = self.world.call(0, Call::LoadSerial { oid, serial }) else {
                panic!("a revision in the history is there")
            };
            let text = String::from_utf8_lossy(&state).replace("merged ", "");
            assert!(!self.never.contains(&text), "{text} was said not to be committed");
            if let Some(known) = self.states.get(&(oid, serial)) {
                assert_eq!(*known, String::from_utf8_lossy(&state));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_client_sees_one_history(
        msgpack in any::<bool>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut model = Model::new(CODECS[usize::from(msgpack)]);
        for step in steps {
            model.take(step);
        }
        model.end();
    }
}
