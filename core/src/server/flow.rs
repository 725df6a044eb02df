//! How much waits for one peer, and how much it may have under way.

use crate::limits::{self, Limits};

/// Operations a connection may have under way before the size of its replies is known.
const FIRST_WINDOW: usize = 16;

/// The backlog of one connection.
#[derive(Debug)]
pub(super) struct Flow {
    /// Bytes put out and not yet reported as sent.
    unsent: usize,
    /// Bytes it sent that wait to be written.
    intake: usize,
    /// Store operations that wait for the disk.
    operations: usize,
    /// Operations it may have under way: as many as replies of the last size fit into what may wait for it. It grows
    /// with every small reply and shrinks at once with a large one, so that a thousand loads of small objects run
    /// together, and a thousand of large ones do not.
    window: usize,
    paused: bool,
    /// A blob waits for the peer.
    stalled: bool,
}

impl Flow {
    /// Of a connection that was just opened.
    pub(super) fn new(limits: &Limits) -> Flow {
        Flow {
            unsent: 0,
            intake: 0,
            operations: 0,
            window: FIRST_WINDOW.min(limits.operations),
            paused: false,
            stalled: false,
        }
    }

    /// Bytes that wait for the peer.
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Bytes that wait to be written.
    pub(super) fn intake(&self) -> usize {
        self.intake
    }

    /// Store operations that are not answered.
    pub(super) fn operations(&self) -> usize {
        self.operations
    }

    /// A message was put out.
    pub(super) fn put_out(&mut self, bytes: usize) {
        self.unsent += bytes;
    }

    /// The peer took some of it; true when a blob that waited for that may go on.
    ///
    /// # Panics
    /// When that is more than was put out.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        assert!(bytes <= self.unsent, "no more is sent than was put out");
        self.unsent -= bytes;
        self.unsent < limits::BLOB_UNSENT && std::mem::take(&mut self.stalled)
    }

    /// Whether more of a blob is to wait for the peer.
    pub(super) fn stalls(&mut self) -> bool {
        self.stalled = self.unsent >= limits::BLOB_UNSENT;
        self.stalled
    }

    /// Bytes came that are to be written.
    pub(super) fn take_in(&mut self, bytes: usize) {
        self.intake += bytes;
    }

    /// They were written, or nobody wants them any more.
    pub(super) fn taken_in(&mut self, bytes: usize) {
        self.intake -= bytes;
    }

    /// An operation begins.
    pub(super) fn begin(&mut self) {
        self.operations += 1;
    }

    /// An operation was answered with so many bytes.
    pub(super) fn end(&mut self, bytes: usize, limits: &Limits) {
        self.operations -= 1;
        if self.operations > 0 {
            mark!("a connection has several operations under way");
        }
        let affordable = (limits.unsent_pause / bytes.max(1)).clamp(1, limits.operations.max(1));
        self.window = affordable.min(self.window + 1);
    }

    /// Whether the connection's next message has to wait.
    pub(super) fn is_congested(&self, limits: &Limits) -> bool {
        self.unsent >= limits.unsent_pause
            || self.operations >= self.window
            || self.intake >= limits.intake_pause
    }

    /// Notes that it waits; true when it did not before.
    pub(super) fn pause(&mut self) -> bool {
        !std::mem::replace(&mut self.paused, true)
    }

    /// Ends the wait if enough has gone; true when it did.
    pub(super) fn resume(&mut self, limits: &Limits) -> bool {
        let calm = self.unsent <= limits.unsent_pause / 2
            && self.operations <= self.window / 2
            && self.intake <= limits.intake_pause / 2;
        calm && std::mem::replace(&mut self.paused, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations that run together once replies of this size are usual.
    fn settled(bytes: usize) -> usize {
        let limits = Limits::default();
        let mut flow = Flow::new(&limits);
        for _ in 0..10_000 {
            flow.begin();
            flow.end(bytes, &limits);
        }
        let mut together = 0;
        while !flow.is_congested(&limits) {
            flow.begin();
            together += 1;
        }
        together
    }

    #[test]
    fn small_loads_run_together_up_to_the_limit() {
        assert_eq!(settled(300), Limits::default().operations);
    }

    #[test]
    fn large_loads_run_together_as_far_as_their_replies_may_wait() {
        assert_eq!(settled(1 << 20), 4);
        assert_eq!(settled(64 << 20), 1);
    }

    #[test]
    fn one_large_reply_narrows_the_window_at_once() {
        let limits = Limits::default();
        let mut flow = Flow::new(&limits);
        flow.begin();
        flow.end(limits.unsent_pause, &limits);
        flow.begin();
        assert!(flow.is_congested(&limits));
    }
}
