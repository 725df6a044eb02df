//! Children that end: within a time, and with all they started.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Waits until the child ends or the time is over, and returns `None` then.
pub fn wait_for(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to the child alone; a child that just ended is no error.
pub fn signal(child: &Child, signal: Signal) {
    gone_is_fine(kill_process(pid(child), signal));
}

/// Sends a signal to the child's process group, which it must lead and not have been waited for yet: only until then
/// its number cannot be someone else's.
pub fn signal_group(leader: &Child, signal: Signal) {
    gone_is_fine(kill_process_group(pid(leader), signal));
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn gone_is_fine(sent: Result<(), Errno>) {
    match sent {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("a child of ours refuses a signal: {error}"),
    }
}
