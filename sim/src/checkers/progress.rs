//! Promise 20: progress.

use super::{Checker, ConnName, Seen, Waiting};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::ids::Tid;

/// When faults stop, every client that keeps trying commits within a bounded time, and all see the same in the end.
#[derive(Debug, Default)]
pub struct Progress {
    /// The newest connection of each client.
    conns: BTreeMap<ClientId, ConnName>,
    /// The last transaction of each client that has a verified cache.
    last: BTreeMap<ClientId, Tid>,
}

impl Progress {
    fn on_state(&mut self, client: ClientId, last: Option<Tid>) {
        self.last.remove(&client);
        self.last.extend(last.map(|last| (client, last)));
    }
}

impl Checker for Progress {
    fn promise(&self) -> u32 {
        20
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => {
                self.conns.insert(conn.client, conn);
            }
            Seen::Gone(conn) => self.conns.retain(|_, other| *other != conn),
            Seen::State { clients } => {
                for (client, machine) in clients {
                    self.on_state(*client, machine.last_tid().filter(|_| machine.is_ready()));
                }
            }
            Seen::Silent(all @ [_, ..]) | Seen::Sick(all @ [_, ..]) | Seen::Quiet(all @ [_, ..]) => {
                let all: Vec<String> = all.iter().map(Waiting::to_string).collect();
                return Err(all.join("; "));
            }
            Seen::Left { rest: [first, ..], .. } => return Err(format!("nobody waits, and {first}")),
            Seen::Quiet([]) => {
                for (client, conn) in &self.conns {
                    let newest = books.of(conn.server).last();
                    if let Some(&last) = self.last.get(client)
                        && last != newest
                    {
                        return Err(format!("{conn} stays at {last}, and {newest} is the last transaction"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, books, history};
    use super::*;

    #[test]
    fn a_world_in_which_nobody_waits_is_good() {
        let quiet = [Seen::Silent(&[]), Seen::Sick(&[]), Seen::Quiet(&[])];
        assert_eq!(history(&mut Progress::default(), &books(), &quiet), Ok(()));
    }

    #[test]
    fn a_client_that_waits_for_ever_is_caught() {
        let waiting = Waiting { client: CLIENT, kind: "voting".into(), what: "object 3".into() };
        let waiting = [waiting.clone(), Waiting { client: ClientId(1), ..waiting }];
        for seen in [Seen::Silent(&waiting), Seen::Sick(&waiting), Seen::Quiet(&waiting)] {
            let told = history(&mut Progress::default(), &books(), &[seen]);
            let all = "client 0 waits for ever voting: object 3; client 1 waits for ever voting: object 3";
            assert_eq!(told, Err(all.to_owned()));
        }
    }

    #[test]
    fn what_is_left_behind_is_caught() {
        let left =
            |rest: &[String]| history(&mut Progress::default(), &books(), &[Seen::Left { locks: &[], rest }]);
        assert_eq!(left(&[]), Ok(()));
        assert!(left(&["connection 1 has 3 iterations".to_owned()]).is_err());
    }

    #[test]
    fn a_client_that_stays_behind_is_caught() {
        let mut checker = Progress::default();
        assert_eq!(history(&mut checker, &books(), &[Seen::Registered(CONN, Tid(5))]), Ok(()));
        checker.on_state(CLIENT, Some(Tid(5)));
        assert_eq!(history(&mut checker, &books(), &[Seen::Quiet(&[])]), Ok(()));
        checker.on_state(CLIENT, Some(Tid(4)));
        assert!(history(&mut checker, &books(), &[Seen::Quiet(&[])]).is_err());
    }
}
