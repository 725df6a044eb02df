//! A relay between client and server that loses connections at chosen moments.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// When the connection is to be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is not.
    Never,
    /// When the client calls this method: the server never hears of it.
    Call(&'static str),
    /// When the server answers after the client called this method: the client never hears of it.
    Answer(&'static str),
}

#[derive(Debug)]
struct State {
    cut: Cut,
    /// After the cut, no new connections are let through.
    for_good: bool,
    /// New connections are closed at once.
    refuses: bool,
    open: Vec<TcpStream>,
}

/// The relay.
#[derive(Debug)]
pub struct Proxy {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Relays to a server on a port.
    pub fn new(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let state = Arc::new(Mutex::new(State {
            cut: Cut::Never,
            for_good: false,
            refuses: false,
            open: Vec::new(),
        }));
        let (server, shared) = (server.to_owned(), state.clone());
        // It ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                relay(client.expect("a connection"), &server, &shared);
            }
        });
        Proxy { address, state }
    }

    /// Loses the connection once, at such a moment.
    pub fn cut(&self, cut: Cut) {
        self.lock().cut = cut;
    }

    /// Loses the connection at such a moment, and lets no new ones through until [`resume`](Self::resume).
    pub fn cut_for_good(&self, cut: Cut) {
        let mut state = self.lock();
        state.cut = cut;
        state.for_good = true;
    }

    /// The same at once.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.for_good = true;
        state.lose();
    }

    /// Lets connections through again.
    pub fn resume(&self) {
        let mut state = self.lock();
        (state.refuses, state.for_good) = (false, false);
    }

    /// Whether the connection that was to be lost is.
    pub fn has_cut(&self) -> bool {
        self.lock().cut == Cut::Never
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lose(&mut self) {
        self.cut = Cut::Never;
        self.refuses = self.for_good;
        for stream in self.open.drain(..) {
            // Its peer may have been faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn relay(client: TcpStream, server: &str, state: &Arc<Mutex<State>>) {
    let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.refuses {
        return;
    }
    let Ok(server) = TcpStream::connect(server) else { return };
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be shared");
    guard.open.extend([copy(&client), copy(&server)]);
    drop(guard);
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a socket");
    }
    // Whether the answer to the call is awaited.
    let called = Arc::new(Mutex::new(false));
    let (up, down) = (state.clone(), state.clone());
    let (from, to, heard) = (copy(&client), copy(&server), called.clone());
    thread::spawn(move || {
        pump(from, to, |bytes| {
            let mut state = up.lock().unwrap_or_else(PoisonError::into_inner);
            let calls = |method: &str| bytes.windows(method.len()).any(|window| window == method.as_bytes());
            match state.cut {
                Cut::Call(method) if calls(method) => {
                    state.lose();
                    false
                }
                Cut::Answer(method) => {
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) |= calls(method);
                    true
                }
                _ => true,
            }
        });
    });
    thread::spawn(move || {
        pump(server, client, |_| {
            let mut state = down.lock().unwrap_or_else(PoisonError::into_inner);
            let lose =
                matches!(state.cut, Cut::Answer(_)) && *called.lock().unwrap_or_else(PoisonError::into_inner);
            if lose {
                state.lose();
            }
            !lose
        });
    });
}

/// Hands on what arrives, for as long as it may be.
fn pump(mut from: TcpStream, mut to: TcpStream, mut may: impl FnMut(&[u8]) -> bool) {
    let mut chunk = [0; 1 << 16];
    while let Ok(got @ 1..) = from.read(&mut chunk) {
        if !may(&chunk[..got]) || to.write_all(&chunk[..got]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // The other direction may have been faster.
        let _ = end.shutdown(Shutdown::Both);
    }
}
