use std::path::Path;

use crate::config::{FileConfig, parse};
use crate::options::Notice;
use crate::testing::FakeHost;

const STORAGE: &str = "<mappingstorage/>\n";

/// A configuration with this line first, and these in its `<zeo>`.
fn read(define: &str, lines: &str) -> Result<FileConfig, String> {
    let text = format!("{define}\n<zeo>\naddress 8100\n{lines}</zeo>\n{STORAGE}");
    parse(&text, Path::new("zeo.conf"), &FakeHost::default()).map_err(|error| error.to_string())
}

fn ssl(lines: &str) -> String {
    format!("<ssl>\ncertificate server.pem\nauthenticate clients\n{lines}</ssl>\n")
}

#[test]
fn classes_to_merge_are_named_where_python_reads_over_them() {
    let merged = |line: &str| read(line, "").map(|config| config.merged);
    assert_eq!(
        merged("%define Zeolith_Merged app.Counter  app.sub.Box.Lid"),
        Ok(vec!["app.Counter".to_owned(), "app.sub.Box.Lid".to_owned()])
    );
    assert_eq!(merged("%define zeolith_merged"), Ok(Vec::new()));
    assert_eq!(merged("%define other zeolith"), Ok(Vec::new()));
}

#[test]
fn a_file_has_the_password_that_a_function_tells_python() {
    let define = "%define zeolith_key_password_file var/password";
    for (lines, notices) in [("", 0), ("password-function a.b\n", 1)] {
        let config = read(define, &ssl(lines)).unwrap();
        assert_eq!(config.tls.unwrap().key_password, Some("var/password".into()));
        assert_eq!(config.notices.len(), notices, "{:?}", config.notices);
    }
    assert_eq!(read("", &ssl("")).unwrap().tls.unwrap().key_password, None);
}

#[test]
fn a_password_that_is_for_nothing_is_told() {
    let config = read("%define zeolith_key_password_file var/password", "").unwrap();
    let expected = "zeo.conf:1: the password has no effect: there is no <ssl>";
    assert_eq!((config.tls, config.notices), (None, vec![Notice::Warning(expected.to_owned())]));
}

#[test]
fn what_is_wrong_with_a_name_of_ours_is_said() {
    for (define, lines, expected) in [
        (
            "%define zeolith_merge a.B",
            "",
            ":1: 'zeolith_merge' is nothing to define; did you mean 'zeolith_merged'?",
        ),
        (
            "%define zeolith_merged a.B Counter",
            "",
            ":1: 'Counter' is no class: its module and its name are wanted, such as app.counters.Counter",
        ),
        (
            "%define zeolith_merged a.B,c.D",
            "",
            ":1: 'a.B,c.D' is no class: its module and its name are wanted, such as app.counters.Counter",
        ),
        (
            "%define zeolith_key_password_file /missing/password",
            "",
            ":1: '/missing/password' is no value for 'zeolith_key_password_file': the directory /missing does not exist",
        ),
        (
            "",
            "password-function a.b\n",
            ":7: 'password-function' is Python code, which Zeolith does not run: '%define zeolith_key_password_file FILE' \
             before the sections names a file with the password, and Python's server reads over it",
        ),
    ] {
        assert_eq!(read(define, &ssl(lines)).unwrap_err(), format!("zeo.conf{expected}"));
    }
}
