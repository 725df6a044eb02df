//! The tools as processes, and storages that Python made.

use std::path::Path;
use std::process::{Command, Output};

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server, zeolith};

/// Both encodings.
pub const CODECS: [Codec; 2] = [Codec::Pickle, Codec::Msgpack];

/// What a tool did.
#[derive(Debug)]
pub struct Did {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a tool to its end.
pub fn run(arguments: &[&str]) -> Did {
    let Output { status, stdout, stderr } =
        Command::new(zeolith()).args(arguments).output().expect("the tool runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Did { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// Runs a tool that must succeed.
pub fn done(arguments: &[&str]) -> String {
    let did = run(arguments);
    assert_eq!(did.code, Some(0), "{arguments:?}: {did:?}");
    did.out
}

/// Runs a tool that must fail, and returns what it says.
pub fn refused(arguments: &[&str]) -> String {
    let did = run(arguments);
    assert_eq!(did.code, Some(1), "{arguments:?}: {did:?}");
    assert!(did.err.starts_with("Error: ") || did.err.contains("\nError: "), "{did:?}");
    did.err
}

/// The script of this folder's stories.
pub fn python(command: &str, arguments: &[&str]) -> String {
    arguments.iter().fold(Script::new("tools.py").arg(command), |script, argument| script.arg(argument)).run()
}

/// A path in a folder, as text.
pub fn path(home: &Home, name: &str) -> String {
    home.path(name).to_str().expect("a plain path").to_owned()
}

/// A server of this maker over the folder's `Data.fs`.
pub fn serve(maker: Maker, home: &Home, codec: Codec) -> Server {
    Server::start_as(maker, home, &Config::new(codec))
}

/// Ends a server. Python's is killed: asked to stop in the moment in which a client leaves, it may end with an error.
pub fn end(maker: Maker, server: Server) {
    match maker {
        Maker::Python | Maker::PythonOnUvloop => server.kill(),
        Maker::Zeolith => server.stop(),
    }
}

/// Asserts that two files have the same bytes.
pub fn assert_same(one: impl AsRef<Path>, other: impl AsRef<Path>) {
    let [one, other] = [one.as_ref(), other.as_ref()].map(|path| std::fs::read(path).expect("a file"));
    let differs = one.iter().zip(&other).position(|(one, other)| one != other);
    assert_eq!((differs, one.len()), (None, other.len()), "the first byte that differs, and the lengths");
}
