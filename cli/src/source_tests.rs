//! How places are told apart.

use super::*;

fn kind(text: &str) -> &'static str {
    match text.parse::<Place>().expect("a place").kind {
        Kind::Server(_) => "server",
        Kind::File(_) => "file",
    }
}

#[test]
fn addresses_are_servers_and_everything_else_files() {
    for text in
        ["localhost:8100", "8100", "[::1]:8100", "zeo://db1:8100,db2:8100/main", "zeo+unix:///run/zeo.sock"]
    {
        assert_eq!(kind(text), "server", "{text}");
    }
    for text in ["Data.fs", "./Data.fs", "/srv/db/Data.fs", "no such folder/Data.fs", "localhost", "a:b"] {
        assert_eq!(kind(text), "file", "{text}");
    }
}

#[test]
fn what_is_there_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("zeo.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    assert_eq!(kind(socket.to_str().expect("a plain path")), "server");
    let file = folder.path().join("db:8100");
    std::fs::write(&file, b"").expect("a file");
    assert_eq!(kind(file.to_str().expect("a plain path")), "file");
}

#[test]
fn urls_of_other_kinds_are_refused() {
    let error = "http://localhost:8100".parse::<Place>().unwrap_err().to_string();
    assert!(error.contains("neither zeo:// nor zeo+unix://"), "{error}");
    assert!("zeo://localhost".parse::<Place>().is_err());
}
