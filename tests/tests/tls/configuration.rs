//! What a server says to certificates that it cannot use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use zeolith_tests::server::{Home, zeolith};

use crate::file;

/// The exit code and the words of a server that is started with this `<ssl>`.
fn said(lines: &str) -> (Option<i32>, String) {
    let home = Home::new();
    let text = format!("<zeo>\n  address 127.0.0.1:0\n<ssl>\n{lines}\n</ssl>\n</zeo>\n<mappingstorage/>\n");
    fs::write(home.path("zeo.conf"), text).expect("the folder is writable");
    let mut command = Command::new(zeolith());
    let output = command.arg("serve").arg("-C").arg(home.path("zeo.conf")).output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_key_is_opened_by_the_password_in_a_file() {
    let home = Home::new();
    let started = |password: &str| {
        fs::write(home.path("password"), password).expect("the folder is writable");
        let [certificate, key, client] =
            ["serverpw.pem", "serverpw_key.pem", "client.pem"].map(|name| file(name).display().to_string());
        let text = format!(
            "%define zeolith_key_password_file {}\n<zeo>\n  address {}\n  <ssl>\n    certificate {certificate}\n    \
             key {key}\n    password-function ZEO.tests.testssl.pwfunc\n    authenticate {client}\n  </ssl>\n</zeo>\n\
             <mappingstorage/>\n",
            home.path("password").display(),
            home.path("socket").display(),
        );
        fs::write(home.path("zeo.conf"), text).expect("the folder is writable");
        Command::new(zeolith())
            .args(["serve", "-C"])
            .arg(home.path("zeo.conf"))
            .stdout(Stdio::piped())
            .spawn()
    };
    let mut server = started("1234\n").expect("the binary runs");
    let mut first = String::new();
    let told = BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut first);
    server.kill().expect("it runs");
    server.wait().expect("it was killed");
    assert!(told.is_ok_and(|bytes| bytes > 0), "it serves");
    let server = started("4321\n").expect("the binary runs");
    assert_eq!(server.wait_with_output().expect("it ends").status.code(), Some(2));
}

#[test]
fn a_server_without_usable_certificates_does_not_serve_in_the_clear() {
    let path = |name| file(name).display().to_string();
    let (server, key, client) = (path("server.pem"), path("server_key.pem"), path("client.pem"));
    let encrypted = path("serverpw_key.pem");
    for (lines, expected) in [
        (format!("certificate {server}\nkey {key}"), "<ssl> needs the key 'authenticate'".to_owned()),
        (
            format!("certificate {server}\nkey {encrypted}\nauthenticate {client}"),
            format!("cannot serve over TLS: {encrypted}: the key is encrypted"),
        ),
        (
            format!("certificate {server}\nkey {encrypted}\nauthenticate {client}\npassword-function a.b"),
            "'password-function' is Python code".to_owned(),
        ),
        (
            format!("certificate {server}\nauthenticate {client}"),
            format!("cannot serve over TLS: {server}: no private key is there"),
        ),
        (
            format!("certificate {}\nkey {key}\nauthenticate {client}", path("serverpw.pem")),
            format!("cannot serve over TLS: the key {key} does not fit the certificate"),
        ),
        (
            format!("certificate {server}\nkey {key}\nauthenticate {client}s"),
            format!("cannot serve over TLS: {client}s: No such file"),
        ),
        (
            format!("certificate {server}\nkey {key}\nauthenticate {key}"),
            format!("cannot serve over TLS: {key}: no certificate is there"),
        ),
    ] {
        let (code, words) = said(&lines);
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(&expected), "{words}");
    }
}
