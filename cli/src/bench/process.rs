//! The server's process, when it runs on this machine, and its CPU time.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use super::link::Socket;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it calls itself.
    pub name: String,
}

impl Process {
    /// The process with a number; `None` when there is none.
    pub fn of(pid: u32) -> Option<Process> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Process { pid, name: name.trim_end().to_owned() })
    }

    /// The process on the other end of a connection; `None` when it is on another machine or somebody else's.
    pub fn behind(socket: &Socket) -> Option<Process> {
        match socket {
            Socket::Unix(stream) => {
                let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
                Process::of(u32::try_from(peer.pid.as_raw_nonzero().get()).ok()?)
            }
            Socket::Tcp(stream) => {
                let peer = stream.peer_addr().ok()?;
                let here = stream.local_addr().ok()?.ip() == peer.ip();
                let inode = here.then(|| listening_inode(peer)).flatten()?;
                holder_of(&format!("socket:[{inode}]"))
            }
        }
    }

    /// User and system time of all its threads so far, those that ended included; `None` when it has ended.
    pub fn cpu(&self) -> Option<Duration> {
        cpu_of(&fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?)
    }
}

/// Reads utime and stime, fields 14 and 15; the second field is a name that may hold anything, in parentheses.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let seconds = (ticks()? + ticks()?) as f64 / rustix::param::clock_ticks_per_second() as f64;
    Some(Duration::from_secs_f64(seconds))
}

/// The inode of the socket that listens where a connection goes to.
fn listening_inode(peer: SocketAddr) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().skip(1).find_map(|line| inode_in(line, peer.port())))
}

/// The inode of a line of /proc/net/tcp, if it is of a listener on the port.
fn inode_in(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    let (_, listening) = local.rsplit_once(':')?;
    let matches = state == "0A" && u16::from_str_radix(listening, 16) == Ok(port);
    matches.then(|| inode.to_owned())
}

/// The process that has such a file open.
fn holder_of(link: &str) -> Option<Process> {
    let numbers = fs::read_dir("/proc").ok()?.flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
            files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link))
        })
    };
    Process::of(pids.into_iter().find(holds)?)
}

/// The machine a measurement was made on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The processor's model.
    pub cpu: String,
    /// How many cores may be used.
    pub cores: usize,
    /// The kernel's name and release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 9 9 20 0 1 0 5 6 7";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_of("7 (a) S 1"), None);
    }

    #[test]
    fn a_listener_is_found_by_its_port_alone() {
        let line =
            "   0: 0100007F:1FA4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 12345 1 0";
        assert_eq!(inode_in(line, 8100), Some("12345".to_owned()));
        assert_eq!(inode_in(line, 8101), None);
        assert_eq!(inode_in(&line.replace(" 0A ", " 01 "), 8100), None);
        assert_eq!(inode_in("", 8100), None);
    }

    #[test]
    fn this_process_is_found_behind_its_own_sockets() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let found = Process::behind(&Socket::Tcp(to)).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert!(found.cpu().is_some());

        let folder = tempfile::tempdir().unwrap();
        let _unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let to = UnixStream::connect(folder.path().join("socket")).unwrap();
        assert_eq!(Process::behind(&Socket::Unix(to)), Some(found));
    }
}
