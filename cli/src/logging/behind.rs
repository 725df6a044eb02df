//! A log that its writer does not wait for: lines go through a queue to a thread of their own.
//!
//! Whoever reads a log (a pipe, a full disk) must not be able to hold up a server. What does not fit into the queue is
//! lost, and the log says how much that was as soon as it gets on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::calendar::utc;

/// Lines that wait.
const QUEUED: usize = 10_000;
/// How long [`Behind::drain`] waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The end that takes lines.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

enum Job {
    Line(Vec<u8>),
    /// Everything before is written.
    Done(Sender<()>),
}

impl Behind {
    /// Starts a thread that writes to `output`. It ends with the last of these.
    pub(super) fn new(output: impl Write + Send + 'static) -> io::Result<Behind> {
        let (jobs, waiting) = sync_channel(QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        let theirs = lost.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || write(output, &waiting, &theirs))?;
        Ok(Behind { jobs, lost })
    }

    /// Returns when every line taken so far is written, or after a second if its reader stands still.
    pub(super) fn drain(&self) {
        let until = Instant::now() + PATIENCE;
        let (done, is_done) = channel();
        let mut job = Job::Done(done);
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if Instant::now() > until {
                return;
            }
            job = back;
            thread::sleep(Duration::from_millis(5));
        }
        // Who does not answer in time has lost its reader, or will go on by itself.
        let _ = is_done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Nobody hears of an output that cannot be written to: it is where one would be told.
fn write(mut output: impl Write, waiting: &Receiver<Job>, lost: &AtomicU64) {
    for job in waiting {
        match job {
            Job::Line(line) => {
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let time = utc(super::now(), 'T');
                    let _ = writeln!(
                        output,
                        "{time}Z WARNING zeolith.cli.logging {missing} lines of this log are lost: it is read too slowly"
                    );
                }
                let _ = output.write_all(&line);
            }
            Job::Done(done) => drop(done.send(())),
        }
    }
}

impl<'a> MakeWriter<'a> for Behind {
    type Writer = &'a Behind;

    fn make_writer(&'a self) -> &'a Behind {
        self
    }
}

impl Write for &Behind {
    /// Takes a line.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.jobs.try_send(Job::Line(bytes.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc};

    /// An output that stands still until it is told to go on.
    struct Stuck {
        go_on: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once the other end is gone, nothing holds it up any more.
            let _ = self.go_on.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_lost_and_counted_while_the_output_stands_still_and_the_rest_follows() {
        let (hold, go_on) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Behind::new(Stuck { go_on, written: written.clone() }).unwrap();
        for number in 0..QUEUED + 100 {
            (&log).write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(hold);
        log.drain();
        (&log).write_all(b"the last\n").unwrap();
        log.drain();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lost: usize = text
            .lines()
            .filter(|line| line.contains(" lines of this log are lost"))
            .map(|line| line.split(' ').nth(3).unwrap().parse::<usize>().unwrap())
            .sum();
        let there = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        assert!(lost > 0);
        assert_eq!(there + lost, QUEUED + 100);
        assert!(text.ends_with("the last\n"), "{text}");
    }
}
