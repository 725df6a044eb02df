//! The connections that the storages of other servers make: what waits to be sent on each, and the task that makes it and
//! waits for its socket.

use crate::address::Address;
use crate::client::connect;
use crate::send::SendQueue;
use crate::shell::Shared;
use crate::stream::Stream;
use crate::tls::ClientSide;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use zeolith_core::client::{ConnId, ServerId};
use zeolith_core::server::StorageId;
use zeolith_core::wire::packet::Packet;

/// Bytes read at once.
const READ: usize = 256 << 10;

/// The connections of one storage.
#[derive(Debug)]
pub(crate) struct Links {
    servers: Vec<Address>,
    tls: Option<ClientSide>,
    links: BTreeMap<ConnId, Link>,
}

/// A connection. Dropping it ends its task and closes its socket.
#[derive(Debug)]
struct Link {
    /// `None`: it is still being made.
    stream: Option<Rc<Stream>>,
    unsent: SendQueue,
    paused: bool,
    /// The socket took less than it was given; the task waits until it takes more.
    blocked: bool,
    /// Wakes the task when what it should wait for has changed.
    wake: Rc<Notify>,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What became of a connection that was written to.
pub(crate) enum Flushed {
    /// So many bytes are with the system now.
    Sent(usize),
    /// It broke, for this reason.
    Lost(String),
}

impl Links {
    pub(crate) fn new(servers: Vec<Address>, tls: Option<ClientSide>) -> Links {
        Links { servers, tls, links: BTreeMap::new() }
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, shell: Shared, storage: StorageId, conn: ConnId, server: ServerId) {
        let wake = Rc::new(Notify::new());
        let (address, tls) = (self.servers[server.0].clone(), self.tls.clone());
        let serve = serve(shell, (storage, conn), address, tls, wake.clone());
        let task = tokio::task::spawn_local(serve).abort_handle();
        let link =
            Link { stream: None, unsent: SendQueue::default(), paused: false, blocked: false, wake, task };
        self.links.insert(conn, link);
    }

    /// A connection stands. `false`: it is not wanted any more.
    pub(crate) fn connected(&mut self, conn: ConnId, stream: Rc<Stream>) -> bool {
        let link = self.links.get_mut(&conn);
        link.map(|link| link.stream = Some(stream)).is_some()
    }

    /// Takes something to be sent. `false`: there is no such connection any more.
    pub(crate) fn push(&mut self, conn: ConnId, packet: Packet) -> bool {
        let link = self.links.get_mut(&conn);
        link.map(|link| link.unsent.push(packet)).is_some()
    }

    /// Stops or resumes reading.
    pub(crate) fn set_paused(&mut self, conn: ConnId, paused: bool) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.paused = paused;
            link.wake.notify_one();
        }
    }

    /// Takes a connection away. Whether there was one.
    pub(crate) fn remove(&mut self, conn: ConnId) -> bool {
        self.links.remove(&conn).is_some()
    }

    /// Whether there is such a connection.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.links.contains_key(&conn)
    }

    /// What a connection's task should wait for, if anything; the outer `None`: it is over.
    pub(crate) fn interest(&self, conn: ConnId) -> Option<Option<Interest>> {
        let link = self.links.get(&conn)?;
        Some(match (link.paused, link.blocked) {
            (false, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, true) => Some(Interest::WRITABLE),
            (true, false) => None,
        })
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self, conn: ConnId) -> Flushed {
        let Some(link) = self.links.get_mut(&conn) else { return Flushed::Sent(0) };
        let Some(stream) = &link.stream else { return Flushed::Sent(0) };
        let was_blocked = std::mem::take(&mut link.blocked);
        let mut sent = 0;
        while !link.unsent.is_empty() {
            match link.unsent.write_with(|pieces| stream.try_write_vectored(pieces)) {
                Ok(0) => return Flushed::Lost(io::Error::from(io::ErrorKind::WriteZero).to_string()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    link.blocked = true;
                    break;
                }
                Err(error) => return Flushed::Lost(error.to_string()),
            }
        }
        if link.blocked != was_blocked {
            link.wake.notify_one();
        }
        Flushed::Sent(sent)
    }
}

/// Connects, and hands over what arrives until the connection ends.
async fn serve(
    shell: Shared,
    link: (StorageId, ConnId),
    address: Address,
    tls: Option<ClientSide>,
    wake: Rc<Notify>,
) {
    let why = match connect(&address, tls).await {
        Ok(stream) => pump(&shell, link, Rc::new(stream), &wake).await,
        Err(why) => why,
    };
    shell.borrow_mut().upstream_lost(link, why);
}

/// Hands over what arrives; returns why the connection ended.
async fn pump(shell: &Shared, link: (StorageId, ConnId), stream: Rc<Stream>, wake: &Notify) -> String {
    let mut buffer = vec![0; READ];
    if !shell.borrow_mut().upstream_connected(link, stream.clone()) {
        return String::new();
    }
    loop {
        let Some(wanted) = shell.borrow().upstream_interest(link) else { return String::new() };
        let socket = async {
            match wanted {
                Some(wanted) => stream.ready(wanted).await,
                None => std::future::pending().await,
            }
        };
        let ready = tokio::select! {
            biased;
            () = wake.notified() => continue,
            ready = socket => ready,
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => return error.to_string(),
        };
        let wanted = wanted.expect("the socket was waited for");
        if ready.is_writable() && wanted.is_writable() {
            shell.borrow_mut().upstream_writable(link);
        }
        if ready.is_readable() && wanted.is_readable() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return "the server closed the connection".to_owned(),
                Ok(got) => shell.borrow_mut().upstream_received(link, &buffer[..got]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error.to_string(),
            }
        }
    }
}
