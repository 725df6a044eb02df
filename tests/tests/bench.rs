//! `zeolith bench` against real servers: what it counts, and how it ends when a server does not play along. Nothing here
//! looks at the clock's figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use zeolith_core::wire::Codec;
use zeolith_tests::server::{Config, Home, Server, zeolith};

/// Runs `zeolith bench`.
fn bench(arguments: &[&str]) -> Output {
    Command::new(zeolith()).arg("bench").args(arguments).output().expect("the binary runs")
}

/// Runs it with counted operations and without complaint; gives its rows.
fn rows(address: &str, arguments: &[&str]) -> Vec<Value> {
    let fixed = [address, "--json", "-", "--objects", "100"];
    let output = bench(&[&fixed[..], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("100 objects of "), "{errors}");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// What ends with an error; gives the message.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_row_counts_what_it_was_asked_for_in_both_encodings() {
    for (codec, unix) in [(Codec::Pickle, false), (Codec::Msgpack, true)] {
        let home = Home::new();
        let mut config = Config::new(codec);
        config.unix = unix;
        let server = Server::start(&home, &config);
        let rows = rows(server.address(), &["--operations", "205", "--connections", "7", "--pipeline", "9"]);
        let names: Vec<_> = rows.iter().map(|row| row["row"].as_str().expect("a name")).collect();
        assert_eq!(names, ["load", "pipelined", "commit", "mix", "fan-out"]);
        for row in &rows {
            let [figures] = &row["servers"].as_array().expect("a list")[..] else { panic!("one server") };
            assert_eq!(count(&row["connections"]), 7);
            assert_eq!(count(&figures["operations"]), 205, "{row}");
            assert_eq!(count(&figures["latency"]["count"]), 205, "{row}");
            assert_eq!(count(&figures["conflicts"]), 0, "{row}");
            assert_eq!(count(&figures["pid"]), u64::from(server.id()), "{row}");
            assert_eq!(figures["protocol"].as_str().map(str::as_bytes), Some(&codec.handshake()[..]));
            assert!(figures["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{row}");
            assert!(figures["cpu_seconds"].is_f64(), "{row}");
            assert!(row["ratio"].is_null(), "{row}");
            for key in ["cpu", "cores", "kernel", "zeolith"] {
                assert!(!row["environment"][key].is_null(), "{key} is missing: {row}");
            }
        }
        let parts = &rows[3]["servers"][0]["parts"];
        assert_eq!(count(&parts["loads"]["count"]) + count(&parts["commits"]["count"]), 205);
        assert!(count(&parts["commits"]["count"]) > 0);
        assert_eq!(count(&rows[4]["servers"][0]["parts"]["commits"]["count"]), 205);
        server.stop();
    }
}

#[test]
fn objects_of_every_size_are_stored_and_loaded() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    for size in ["100", "4096", "300000"] {
        let arguments = ["--operations", "60", "--size", size, "--row", "pipelined", "--row", "commit"];
        let rows = rows(server.address(), &[&arguments[..], &["--connections", "2"]].concat());
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| count(&row["servers"][0]["operations"]) == 60));
    }
    server.stop();
}

#[test]
fn contended_commits_are_committed_or_in_conflict() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    let arguments = ["--row", "commit", "--connections", "6", "--contended", "--operations", "300"];
    let rows = rows(server.address(), &[&arguments[..], &["--objects-a-transaction", "40"]].concat());
    let figures = &rows[0]["servers"][0];
    assert_eq!(count(&figures["operations"]) + count(&figures["conflicts"]), 300, "{figures}");
    assert!(count(&figures["operations"]) > 0 && count(&figures["conflicts"]) > 0, "{figures}");
    server.stop();
}

/// The echo, killed in the end.
struct Echo {
    child: Child,
    address: String,
}

impl Echo {
    fn start(home: &Home) -> Echo {
        let mut child = Command::new(zeolith())
            .args(["bench-echo", "127.0.0.1:0", "--file"])
            .arg(home.path("echo"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("echo on ").expect("its address").to_owned();
        Echo { child, address }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Best effort: it may have ended by itself, which its test has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_servers_are_compared_in_every_row_and_the_echo_can_be_one() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    let echo = Echo::start(&home);
    let arguments = ["--compare", &echo.address, "--operations", "100", "--connections", "5"];
    let rows = rows(server.address(), &arguments);
    assert_eq!(rows.len(), 5);
    for row in &rows {
        let servers = row["servers"].as_array().expect("a list");
        assert_eq!(servers.len(), 2);
        for figures in servers {
            assert_eq!(count(&figures["operations"]), 100, "{row}");
            assert_eq!(count(&figures["slices"]), 10, "{row}");
        }
        assert_eq!(servers[1]["address"].as_str(), Some(echo.address.as_str()));
        let ratio = |key: &str| row["ratio"][key].as_f64().expect("a number");
        assert!(ratio("lowest") <= ratio("per_second") && ratio("per_second") <= ratio("highest"), "{row}");
    }
    server.stop();
}

#[test]
fn a_server_that_vanishes_is_told_of() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    let mut child = Command::new(zeolith())
        .args(["bench", server.address(), "--row", "mix", "--seconds", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Once the introduction is out, it measures.
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("Nothing refers to them") {
        line.clear();
        assert!(out.read_line(&mut line).expect("it writes text") > 0, "it ended early");
    }
    let address = server.address().to_owned();
    server.kill();
    let output = child.wait_with_output().expect("it ends");
    let error = failure(&output);
    // It may have been about to open one more connection.
    assert!(error.starts_with(&format!("Error: {address}: ")), "{error}");
}

#[test]
fn what_is_no_zeo_server_is_told_of() {
    let greetings: [(&[u8], bool, &str); 4] = [
        (b"SSH-2.0-OpenSSH_9.2\r\n", false, "this is no ZEO server: it says SSH-2.0-OpenSSH_9.2\\r\\n"),
        (b"\0\0\0\x02Z4", false, "this is no ZEO server: it says \\x00\\x00\\x00\\x02Z4"),
        (b"", true, "this is no ZEO server: it closes the connection"),
        (b"", false, "this is no ZEO server: it does not introduce itself within 5 s"),
    ];
    let one = |(greeting, close, expected): (&'static [u8], bool, &str)| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.write_all(greeting).expect("it listens");
            if !close {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0; 64]);
            }
        });
        let error = failure(&bench(&[&address]));
        peer.join().expect("the peer ends");
        assert_eq!(error, format!("Error: {address}: {expected}\n"));
        address
    };
    let addresses = greetings.map(one);
    // And where nobody listens any more.
    let error = failure(&bench(&[&addresses[0]]));
    assert!(error.contains("cannot connect: Connection refused"), "{error}");
}

#[test]
fn a_server_that_does_not_let_us_write_or_has_no_such_storage_is_told_of() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    let error = failure(&bench(&[server.address(), "--storage", "other"]));
    assert!(error.contains("register is refused: "), "{error}");
    server.stop();
    let mut config = Config::new(Codec::Pickle);
    config.read_only = true;
    let server = Server::start(&home, &config);
    let error = failure(&bench(&[server.address()]));
    assert!(error.contains("register is refused: the storage is read-only"), "{error}");
    server.stop();
}
