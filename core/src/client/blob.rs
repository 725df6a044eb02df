//! Blobs under way from the server to callers.

use super::desk::Desk;
use super::fault::{Fault, ServerFault};
use super::link::Link;
use super::purpose::Purpose;
use super::{Answer, Error, Output, Ticket};
use crate::ids::{Oid, Tid};
use crate::wire::call::Request;
use crate::wire::delivery::BlobPart;
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use std::collections::{BTreeMap, VecDeque};

/// A blob under way, for the first of its callers. Another begins when it is through: pieces name the blob, not the
/// caller.
#[derive(Debug, Default)]
struct Stream {
    callers: VecDeque<Ticket>,
    begun: bool,
    /// All of it came.
    complete: bool,
    /// The call was answered, which servers may do before all of it came.
    answered: bool,
}

/// Blobs under way.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    streams: BTreeMap<(Oid, Tid), Stream>,
}

impl Blobs {
    /// Blobs that are not there yet.
    pub(super) fn under_way(&self) -> usize {
        self.streams.len()
    }

    /// A caller wants a blob.
    pub(super) fn load(&mut self, desk: &Desk, link: &mut Link, blob: (Oid, Tid), ticket: Ticket) {
        let stream = self.streams.entry(blob).or_default();
        stream.callers.push_back(ticket);
        if stream.callers.len() == 1 {
            ask(desk, link, blob);
        }
    }

    /// A part of a blob.
    ///
    /// # Errors
    /// When it is none that is to come.
    pub(super) fn on_part(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        blob: (Oid, Tid),
        part: BlobPart<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let stream = self
            .streams
            .get_mut(&blob)
            .filter(|stream| !stream.complete && stream.begun != (part == BlobPart::Start));
        let stream = stream
            .ok_or_else(|| ServerFault::Call(format!("receiveBlob for {} as of {}", blob.0, blob.1)))?;
        match part {
            BlobPart::Start => stream.begun = true,
            BlobPart::Chunk(chunk) => {
                let ticket = stream.callers[0];
                if desk.is_open(ticket) {
                    desk.push(Output::BlobPiece { ticket, bytes: frame.share(chunk) });
                }
            }
            BlobPart::Stop => {
                stream.complete = true;
                self.step(desk, link, blob);
            }
        }
        Ok(())
    }

    /// The call was answered; parts may still come, unless it is an error.
    pub(super) fn on_answer(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        blob: (Oid, Tid),
        result: Result<(), RemoteError>,
    ) {
        let stream = self.streams.get_mut(&blob).expect("a blob is asked for while somebody wants it");
        stream.answered = true;
        if let Err(error) = result {
            stream.complete = true;
            desk.answer(stream.callers[0], Err(Error::of(error)));
        }
        self.step(desk, link, blob);
    }

    /// Goes on to the next caller when one has all.
    fn step(&mut self, desk: &mut Desk, link: &mut Link, blob: (Oid, Tid)) {
        let stream = self.streams.get_mut(&blob).expect("a blob under way");
        if !(stream.complete && stream.answered) {
            return;
        }
        if let Some(ticket) = stream.callers.pop_front() {
            desk.answer(ticket, Ok(Answer::Done));
        }
        while stream.callers.front().is_some_and(|ticket| !desk.is_open(*ticket)) {
            stream.callers.pop_front();
        }
        if stream.callers.is_empty() {
            self.streams.remove(&blob);
        } else {
            *stream = Stream { callers: std::mem::take(&mut stream.callers), ..Stream::default() };
            ask(desk, link, blob);
        }
    }

    /// The connection is over. Callers have had a part of what they wanted, so nothing is asked again.
    pub(super) fn on_lost(&mut self, desk: &mut Desk, fault: &Fault) {
        for (_, stream) in std::mem::take(&mut self.streams) {
            for ticket in stream.callers {
                desk.answer(ticket, Err(fault.lost()));
            }
        }
    }
}

fn ask(desk: &Desk, link: &mut Link, (oid, serial): (Oid, Tid)) {
    link.call(desk, Purpose::Blob(oid, serial), &Request::SendBlob(oid, serial));
}
