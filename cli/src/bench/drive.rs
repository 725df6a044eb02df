//! The loop that drives all connections to a server: one thread, one epoll, no waiting but there.
//!
//! With two cores one is the server's and one is ours, so nothing here allocates, switches threads or asks the clock
//! more than once for what one read brought.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::client::Client;
use super::error::Fault;
use super::link::PATIENCE;
use super::objects::Objects;
use super::tally::{Board, Slice, Tally};

/// Bytes read at once.
const READ: usize = 256 << 10;

/// When a slice ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Nothing is started after so long.
    Elapsed(Duration),
    /// So many operations were started.
    Operations(usize),
}

/// All connections to one server.
pub struct Driver {
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// Clients from here on only listen.
    active: usize,
    /// Outstanding operations of an active client.
    depth: usize,
    blocked: Vec<bool>,
    events: Vec<Event>,
    buffer: Vec<u8>,
}

impl Driver {
    /// Takes connected clients over. The first `active` of them get operations to do, `depth` at a time.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn new(clients: Vec<Client>, active: usize, depth: usize) -> Result<Driver, Fault> {
        let io = |error: Errno| Fault::Io(error.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(io)?;
        for (index, client) in clients.iter().enumerate() {
            client.link.set_nonblocking()?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&epoll, &client.link.socket, data, EventFlags::IN).map_err(io)?;
        }
        Ok(Driver {
            epoll,
            blocked: vec![false; clients.len()],
            events: Vec::with_capacity(clients.len().min(256)),
            clients,
            active,
            depth,
            buffer: vec![0; READ],
        })
    }

    /// Keeps the clients busy for a slice, and waits for the end of everything that was started.
    ///
    /// # Errors
    /// [`Fault`] of whichever connection fails first.
    pub fn slice(&mut self, objects: &mut Objects, tally: &mut Tally, until: Until) -> Result<Slice, Fault> {
        let listeners = self.clients.len() - self.active;
        let mut board = Board::new(tally, (listeners > 0).then_some(listeners));
        let begun = Instant::now();
        let mut budget = Budget::new(begun, until);
        let mut outstanding = 0;
        for index in 0..self.active {
            for _ in 0..self.depth {
                if budget.take(begun) {
                    self.clients[index].start(objects, begun);
                    outstanding += 1;
                }
            }
            self.flush(index)?;
        }
        while outstanding > 0 {
            self.wait()?;
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                let flags = event.flags;
                if self.blocked[index] && flags.contains(EventFlags::OUT) {
                    self.flush(index)?;
                }
                let Some(got) = self.clients[index].link.read(&mut self.buffer)? else { continue };
                let now = Instant::now();
                let chunk = &self.buffer[..got];
                self.clients[index].take(chunk, now, objects, |news| board.note(news, now))?;
                // The last listener to hear of a commit ends an operation of the committer.
                let starter = if listeners > 0 { 0 } else { index };
                for _ in 0..std::mem::take(&mut board.ended) {
                    if budget.take(now) {
                        self.clients[starter].start(objects, now);
                    } else {
                        outstanding -= 1;
                    }
                }
                self.flush(index)?;
                if starter != index {
                    self.flush(starter)?;
                }
            }
            self.events = events;
        }
        let elapsed = board.last.map_or(Duration::ZERO, |last| last - begun);
        let slice = Slice { operations: board.operations, elapsed };
        tally.slices.push(slice);
        Ok(slice)
    }

    /// Waits for sockets.
    fn wait(&mut self) -> Result<(), Fault> {
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&patience)) {
                Ok(0) => return Err(Fault::Silent(PATIENCE.as_secs())),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Fault::Io(error.into())),
            }
        }
    }

    /// Sends what a client has, and waits for room where the socket has none.
    fn flush(&mut self, index: usize) -> Result<(), Fault> {
        let blocked = self.clients[index].link.flush()?;
        if blocked != self.blocked[index] {
            self.blocked[index] = blocked;
            let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &self.clients[index].link.socket, data, flags)
                .map_err(|error| Fault::Io(error.into()))?;
        }
        Ok(())
    }
}

/// How much more may be started.
#[derive(Debug)]
struct Budget {
    deadline: Option<Instant>,
    left: usize,
}

impl Budget {
    fn new(begun: Instant, until: Until) -> Budget {
        match until {
            Until::Elapsed(duration) => Budget { deadline: Some(begun + duration), left: usize::MAX },
            Until::Operations(left) => Budget { deadline: None, left },
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 || self.deadline.is_some_and(|deadline| now >= deadline) {
            return false;
        }
        self.left -= 1;
        true
    }
}
