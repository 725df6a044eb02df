//! Data.fs.lock: who has the storage open, and the nonce that tells whether anybody else had since.
//!
//! The first line is what `zc.lockfile` writes, a blank and the process id. Python truncates the file behind it, which
//! erases the second line: the nonce of the checksum sidecar, in 16 hexadecimal digits. So the nonce is in place only
//! while nobody but Zeolith has opened the storage for writing. The lock itself (`flock`) is the shell's.
//!
//! A third line stands there after a clean end: where the log ended, and its last transaction. A log that is found
//! otherwise was put there by somebody else, who did not come through the lock file (a copy, another path to the same
//! file), and what follows that end is theirs, not the rest of a crash.

use crate::ids::Tid;
use std::fmt::Write as _;

/// What keeps the sidecar and the lock file together: a random number, new whenever a sidecar is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub u64);

/// The contents of the lock file of process `pid`.
pub fn format(pid: u32, nonce: Nonce) -> String {
    let mut text = String::new();
    write!(text, " {pid}\n{:016x}\n", nonce.0).expect("a string takes all that is written");
    text
}

/// How a log was left by a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its bytes.
    pub len: u64,
    /// Its last transaction; zero in an empty one.
    pub last: Tid,
}

/// The contents of the lock file after process `pid` has ended cleanly.
pub fn format_closed(pid: u32, nonce: Nonce, closed: Closed) -> String {
    let mut text = format(pid, nonce);
    writeln!(text, "closed {:016x} {}", closed.len, closed.last).expect("a string takes all that is written");
    text
}

/// How the log was left, if the contents of a lock file say so.
pub fn closed(contents: &[u8]) -> Option<Closed> {
    let mut lines = contents.split(|&byte| byte == b'\n');
    let line = std::str::from_utf8(lines.nth(2)?).ok()?;
    lines.next()?;
    let (len, last) = line.strip_prefix("closed ")?.split_once(' ')?;
    let number = |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    Some(Closed { len: number(len)?, last: Tid(number(last)?) })
}

/// The nonce in the contents of a lock file; `None` when there is none. What follows the second line is ignored: a
/// shorter process id written over a longer one leaves it there until the file is cut.
pub fn nonce(contents: &[u8]) -> Option<Nonce> {
    let mut lines = contents.split(|&byte| byte == b'\n');
    let digits = lines.nth(1)?;
    // Without its line end the line may not be all of it.
    lines.next()?;
    if digits.len() != 16 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(Nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_what_zc_lockfile_writes() {
        assert_eq!(format(123, Nonce(0xabc)), " 123\n0000000000000abc\n");
    }

    #[test]
    fn the_nonce_is_read_back_and_what_an_older_longer_content_leaves_is_ignored() {
        let nonce_of = |pid| nonce(format(pid, Nonce(u64::MAX - 5)).as_bytes());
        assert_eq!(nonce_of(1), Some(Nonce(u64::MAX - 5)));
        assert_eq!(nonce(b" 1\n000000000000000f\nf\n"), Some(Nonce(15)));
    }

    #[test]
    fn how_a_log_was_left_is_read_back_and_only_from_a_whole_line() {
        let left = Closed { len: 906, last: Tid(0x1234) };
        let text = format_closed(7, Nonce(15), left);
        assert_eq!((closed(text.as_bytes()), nonce(text.as_bytes())), (Some(left), Some(Nonce(15))));
        assert_eq!(closed(&text.as_bytes()[..text.len() - 1]), None);
        assert_eq!(closed(format(7, Nonce(15)).as_bytes()), None);
    }

    #[test]
    fn a_lock_file_of_python_has_no_nonce() {
        for contents in [
            &b""[..],
            b" 123\n",
            b" 123\n\n",
            b" 123",
            b" 1\n45\n000000000000000f\n",
            b" 1\n+00000000000000f\n",
        ] {
            assert_eq!(nonce(contents), None);
        }
        assert_eq!(nonce(b" 1\n000000000000000f"), None, "the line is not complete");
    }
}
