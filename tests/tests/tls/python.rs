//! Python's clients, unmodified.

use std::fs;
use std::path::PathBuf;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server};

use crate::{config, file};

fn scripts(codec: Codec) {
    let home = Home::new();
    let server = Server::start_as(Maker::Zeolith, &home, &config(codec));
    // Large and many objects; stories with invalidations; errors.
    for script in ["large.py", "visible.py", "errors.py"] {
        Script::new(script).over_tls().arg(server.address()).run();
    }
    server.stop();
}

#[test]
fn clients_do_over_tls_what_they_do_without_in_pickle() {
    scripts(Codec::Pickle);
}

#[test]
fn clients_do_over_tls_what_they_do_without_in_msgpack() {
    scripts(Codec::Msgpack);
}

#[test]
fn who_has_no_trusted_certificate_is_refused_and_the_reason_is_logged() {
    let home = Home::new();
    let server = Server::start_as(Maker::Zeolith, &home, &config(Codec::Pickle));
    Script::new("tls.py").arg(server.address()).run();
    let log = server.own_log();
    for reason in [
        "the peer shows no certificate",
        "the peer's certificate is neither trusted nor signed by a trusted authority",
        "the peer closed the connection",
    ] {
        assert!(log.contains(&format!("TLS handshake failed: {reason}")), "{reason}:\n{log}");
    }
    // Python's refused clients come back at once: they are not to fill the log.
    let lines = log.lines().filter(|line| line.contains("TLS handshake failed")).count();
    assert!(lines < 60, "{lines} lines");
    server.stop();
}

/// Serves one client whose certificate is trusted by what is in a folder.
fn by_folder(fill: impl FnOnce(PathBuf)) {
    let home = Home::new();
    let folder = home.path("clients");
    fs::create_dir(&folder).expect("the server's folder is writable");
    fill(folder.clone());
    let config = Config { tls: Some(folder), ..config(Codec::Pickle) };
    let server = Server::start_as(Maker::Zeolith, &home, &config);
    Script::new("visible.py").over_tls().arg(server.address()).run();
    server.stop();
}

#[test]
fn clients_are_known_by_a_folder_of_certificates() {
    by_folder(|folder| {
        for name in ["client.pem", "serverpw.pem", "client_key.pem"] {
            fs::copy(file(name), folder.join(name)).expect("the folder is writable");
        }
    });
}

#[test]
fn clients_are_known_by_a_folder_that_openssl_named() {
    by_folder(|folder| {
        fs::copy(file("client.pem"), folder.join("0f0f0f0f.0")).expect("the folder is writable");
        fs::copy(file("serverpw.pem"), folder.join("other.pem")).expect("the folder is writable");
    });
}
