//! A gate in front of the helper thread.

use std::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// Holds the one helper thread of a runtime. What is given to it meanwhile waits, in order; dropping the gate lets it go on.
#[derive(Debug)]
pub struct Gate {
    _closed: Sender<()>,
    reached: oneshot::Receiver<()>,
}

impl Gate {
    /// Closes behind all that the helper thread has been given so far.
    pub fn close() -> Gate {
        let (closed, opened) = channel();
        let (reach, reached) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // Neither end is there any more when the test is over.
            let _ = reach.send(());
            let _ = opened.recv();
        });
        Gate { _closed: closed, reached }
    }

    /// Lets through what waits now, and returns when it is done; the gate then is closed again.
    pub async fn pass(&mut self) {
        drop(std::mem::replace(self, Gate::close()));
        (&mut self.reached).await.expect("a helper thread");
    }
}
