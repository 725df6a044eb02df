//! `zeolith watch`: every transaction is told, once, while it happens.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use zeolith_core::wire::Codec;
use zeolith_tests::process::{signal, wait_for};
use zeolith_tests::server::{Config, Home, Maker, Server, zeolith};

use crate::rig::{CODECS, done, end, path, python, refused, serve};

/// Nothing takes so long unless something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A watch that runs. Dropping it kills it.
struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
    err: Arc<Mutex<String>>,
}

impl Watch {
    fn start(arguments: &[&str]) -> Watch {
        let mut command = Command::new(zeolith());
        command.arg("watch").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the tool runs");
        let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut from = child.stderr.take().expect("stderr is piped");
        let err = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&err);
        thread::spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                into.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        });
        Watch { child, out, err }
    }

    /// Waits until this was said on standard error so many times.
    fn hear(&self, text: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let heard = self.err.lock().expect("nobody panics").clone();
            if heard.matches(text).count() >= times {
                return;
            }
            assert!(Instant::now() < end, "{text:?} is not said in\n{heard}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    fn interrupt(mut self, by: Signal) {
        signal(&self.child, by);
        let status = wait_for(&mut self.child, PATIENCE).expect("a watch that can be interrupted");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has Python change the root and add an object; gives the transaction and the object.
fn change(server: &Server, key: &str) -> (String, String) {
    let printed = python("change", &[server.address(), key]);
    let (tid, oid) = printed.trim().split_once(' ').expect("two words");
    (tid.to_owned(), oid.to_owned())
}

fn watched(maker: Maker, codec: Codec) {
    let home = Home::new();
    python("make", &[&path(&home, "Data.fs")]);
    let server = serve(maker, &home, codec);
    let mut plain = Watch::start(&[server.address()]);
    let mut classes = Watch::start(&[&format!("zeo://{}/1", server.address()), "--classes", "--json"]);
    plain.hear("Watching ", 1);
    classes.hear("Watching ", 1);
    for key in ["one", "two"] {
        let (tid, oid) = change(&server, key);
        let line = plain.line();
        assert!(line.starts_with(&format!("{tid}  20")), "{line}");
        assert!(line.ends_with(&format!("    2 objects 0x0 {oid}")), "{line}");
        let json: Value = serde_json::from_str(&classes.line()).expect("JSON");
        assert_eq!((&json["tid"], &json["objects"]), (&tid.into(), &2.into()), "{json}");
        assert_eq!(json["oids"], serde_json::json!(["0x0", oid]));
        let class = "persistent.mapping.PersistentMapping";
        assert_eq!(json["classes"], serde_json::json!([class, class]));
    }
    plain.interrupt(Signal::INT);
    classes.interrupt(Signal::TERM);
    end(maker, server);
}

#[test]
fn what_happens_on_pythons_server_is_told() {
    for codec in CODECS {
        watched(Maker::Python, codec);
    }
}

#[test]
fn what_happens_on_zeolith_is_told() {
    for codec in CODECS {
        watched(Maker::Zeolith, codec);
    }
}

#[test]
fn a_server_that_comes_back_is_watched_on() {
    let home = Home::new();
    python("make", &[&path(&home, "Data.fs")]);
    let config = Config { unix: true, ..Config::new(Codec::Msgpack) };
    let server = Server::start_as(Maker::Zeolith, &home, &config);
    let mut watch = Watch::start(&[server.address()]);
    watch.hear("Watching ", 1);
    server.stop();
    watch.hear("disconnected", 1);
    let server = Server::start_as(Maker::Zeolith, &home, &config);
    watch.hear(" connected ", 2);
    let (tid, _) = change(&server, "after");
    let line = watch.line();
    assert!(line.starts_with(&tid), "{line}");
    watch.interrupt(Signal::INT);
    server.stop();
}

#[test]
fn what_happened_is_told_from_a_transaction_on_where_the_server_can() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    let history = done(&["history", &file, "0x3", "--json"]);
    let tids: Vec<String> = history
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["tid"].as_str().expect("a tid").to_owned()
        })
        .collect();
    for maker in [Maker::Python, Maker::Zeolith] {
        let server = serve(maker, &home, Codec::Msgpack);
        let mut watch = Watch::start(&[server.address(), "--from", &tids[1], "--classes"]);
        watch.hear("Watching ", 1);
        let line = watch.line();
        assert!(line.contains("objects") && line[..16] > *tids[1], "{maker:?}: {line}");
        let (tid, _) = change(&server, "live");
        while !watch.line().starts_with(&tid) {}
        watch.interrupt(Signal::INT);
        end(maker, server);
    }
    assert!(refused(&["watch", &file]).contains("is a file: to be told of its transactions"));
}
