//! Where two servers part.

use std::fmt::Write;
use zeolith_core::server::ConnId;
use zeolith_core::store::disk::FileId;

/// What a real server did otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It sent other bytes.
    Sent {
        /// To whom.
        conn: ConnId,
        /// The first message that differs, counted from 0 in what the move put out.
        message: usize,
        /// What it is.
        real: Vec<u8>,
        /// What it should be.
        simulated: Vec<u8>,
    },
    /// It sent something beyond that.
    Surplus(ConnId, Vec<u8>),
    /// It sent so many bytes of so many, and nothing more.
    Silent(ConnId, usize, usize),
    /// It closed a connection, or did not.
    Closed(ConnId, bool),
    /// It left another file: its length and the simulated one's, and where the first byte differs.
    File(FileId, [usize; 2], usize),
    /// It did not do what it should.
    Stuck(&'static str),
    /// It ended by itself.
    Ended(String),
}

/// The first thing in which a real server differs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {event}: {}", told(.what))]
pub struct Difference {
    /// The event of the schedule, counted from 1; one more than there are is the end.
    pub event: usize,
    /// It.
    pub what: What,
}

fn told(what: &What) -> String {
    match what {
        What::Sent { conn, message, real, simulated } => format!(
            "connection {} gets another message {message}:\n  real      {}\n  simulated {}",
            conn.0,
            printed(real),
            printed(simulated)
        ),
        What::Surplus(conn, bytes) => format!("connection {} gets {} besides", conn.0, printed(bytes)),
        What::Silent(conn, got, of) => {
            format!("connection {} gets {got} bytes of {of}, and then none", conn.0)
        }
        What::Closed(conn, true) => format!("the server closes connection {}", conn.0),
        What::Closed(conn, false) => format!("the server does not close connection {}", conn.0),
        What::File(file, [real, simulated], at) => {
            format!("{file:?} has {real} bytes, simulated {simulated}, and differs from byte {at} on")
        }
        What::Stuck(what) => format!("the server {what}"),
        What::Ended(how) => format!("the server ended: {how}"),
    }
}

/// Bytes as a person reads them.
fn printed(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b' '..=b'~' => text.push(byte.into()),
            _ => write!(text, "\\{byte:02x}").expect("a string takes everything"),
        }
        text
    })
}

/// The first message in which two streams differ, and how it is in either.
pub fn first_other(real: &[u8], simulated: &[u8]) -> Option<(usize, Vec<u8>, Vec<u8>)> {
    let (mut ours, mut theirs) = (messages(real), messages(simulated));
    (0..).map(|at| (at, ours.next(), theirs.next())).find_map(|(at, one, two)| match (one, two) {
        (None, None) => Some(None),
        (one, two) if one != two => {
            Some(Some((at, one.unwrap_or_default().to_vec(), two.unwrap_or_default().to_vec())))
        }
        _ => None,
    })?
}

/// A stream cut into its messages: four bytes of length, and so many more. The last one may be cut short.
fn messages(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let head = stream.first_chunk().copied().map_or(0, |head| u32::from_be_bytes(head) as usize);
        let (message, rest) = stream.split_at(stream.len().min(4 + head));
        stream = rest;
        (!message.is_empty()).then_some(message)
    })
}

#[test]
fn streams_differ_in_the_first_message_that_does() {
    let [one, two, three] = [&b"\0\0\0\x03one"[..], b"\0\0\0\x03two", b"\0\0\0\x05three"];
    let streams = |ours: &[&[u8]], theirs: &[&[u8]]| first_other(&ours.concat(), &theirs.concat());
    assert_eq!(streams(&[one, two, three], &[one, two, three]), None);
    assert_eq!(streams(&[], &[]), None);
    assert_eq!(streams(&[one, two, three], &[one, three]), Some((1, two.to_vec(), three.to_vec())));
    assert_eq!(streams(&[one], &[one, two]), Some((1, Vec::new(), two.to_vec())));
    assert_eq!(streams(&[one, &three[..5]], &[one, three]), Some((1, three[..5].to_vec(), three.to_vec())));
}
