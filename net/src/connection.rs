//! The task of one connection: it waits for its socket, and hands what arrives to the shell.

use crate::shell::{Interest, Shared};
use crate::stream::Stream;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How long a closed connection may take to accept what was sent to it before.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes read at once.
const READ: usize = 256 << 10;

/// The one buffer all connections of a loop read into.
#[derive(Clone, Debug)]
pub(crate) struct ReadBuffer(Rc<RefCell<Vec<u8>>>);

impl ReadBuffer {
    pub(crate) fn new() -> ReadBuffer {
        ReadBuffer(Rc::new(RefCell::new(vec![0; READ])))
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(shell: Shared, stream: Stream, address: String, buffer: ReadBuffer) {
    let stream = Rc::new(stream);
    let (conn, wake) = shell.borrow_mut().open(stream.clone(), address);
    let mut linger = None;
    loop {
        let interest = shell.borrow().interest(conn);
        let wanted = match interest {
            Interest::Read => Some(tokio::io::Interest::READABLE),
            Interest::Write => Some(tokio::io::Interest::WRITABLE),
            Interest::Both => Some(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE),
            Interest::Neither => None,
            Interest::End => break,
        };
        let closing = shell.borrow().is_closing(conn);
        if closing && linger.is_none() {
            linger = Some(tokio::time::Instant::now() + LINGER);
        }
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
            () = expired(linger) => break,
        };
        let Ok(ready) = ready else { break };
        if ready.is_writable() && matches!(interest, Interest::Write | Interest::Both) {
            shell.borrow_mut().writable(conn);
        }
        if ready.is_readable() && matches!(interest, Interest::Read | Interest::Both) {
            let mut buffer = buffer.0.borrow_mut();
            match stream.try_read(&mut buffer) {
                // What was answered before still goes out: a peer may close its sending side and read on.
                Ok(0) => shell.borrow_mut().ended(conn),
                Ok(got) => shell.borrow_mut().receive(conn, &buffer[..got]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!("connection {}: {error}", conn.0);
                    break;
                }
            }
        }
    }
    shell.borrow_mut().lost(conn);
    if let Ok(stream) = Rc::try_unwrap(stream) {
        stream.finish();
    }
}

/// Comes when a connection that is being closed has had its time; never for others.
async fn expired(linger: Option<tokio::time::Instant>) {
    match linger {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
