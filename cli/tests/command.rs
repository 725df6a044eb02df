//! The binary as an operator meets it: exit codes and messages.

use std::path::Path;
use std::process::{Command, Output};

fn zeolith(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zeolith"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("INSTANCE_HOME")
        .env_remove("ZEO_MSGPACK")
        .output()
        .expect("the binary runs")
}

/// Exit code, standard output and standard error.
fn outcome(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = zeolith(directory.path(), arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_version_is_told() {
    let expected = format!("zeolith {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(outcome(&["--version"]), (Some(0), expected, String::new()));
}

#[test]
fn help_has_runzeos_options_and_an_example() {
    let (code, help, _) = outcome(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    for part in [
        "-C, --configure <FILE>",
        "-a, --address <ADDRESS>",
        "-f, --filename <DATA.FS>",
        "-t, --timeout <SECONDS>",
        "--pid-file <FILE>",
        "zeolith serve -f /srv/db/Data.fs -a 8100",
        "ZEO.DB(('127.0.0.1', 8100))",
    ] {
        assert!(help.contains(part), "{part} is not in\n{help}");
    }
}

#[test]
fn help_of_the_cache_tools_has_the_options_of_zeos() {
    for (tool, parts) in [
        (
            "stats",
            &["-v, --verbose", "-q, --quiet", "-s, --sizes", "-S, --no-stats", "-h, --load-histogram", "-i"]
                [..],
        ),
        (
            "simulate",
            &["-s, --size", "-i, --interval", "-r, --rearrange", "--svg", "zeolith cache simulate main.zec"],
        ),
    ] {
        let (code, help, _) = outcome(&["cache", tool, "--help"]);
        assert_eq!(code, Some(0));
        for part in parts {
            assert!(help.contains(part), "{part} is not in\n{help}");
        }
    }
}

#[test]
fn bad_usage_exits_with_2() {
    for (arguments, expected) in [
        (&[][..], "Usage: zeolith <COMMAND>"),
        (&["srve"], "unrecognized subcommand 'srve'"),
        (&["serve", "--bogus"], "unexpected argument '--bogus'"),
        (&["serve", "extra"], "unexpected argument 'extra'"),
        (&["serve", "-a", "x:y"], "'y' is no port"),
        (&["serve", "-a", "1", "-a", "2"], "cannot be used multiple times"),
        (&["serve", "-t", "soon"], "expected a positive number of seconds"),
        (&["serve", "-f"], "a value is required"),
        (&["cache"], "Usage: zeolith cache <COMMAND>"),
        (&["cache", "stats"], "<TRACE>"),
        (&["cache", "stats", "-v", "-q", "trace"], "cannot be used with"),
        (&["cache", "simulate", "trace", "--sizes", "5T"], "expected bytes, or such as 500K, 20M, 1G"),
        (&["cache", "simulate", "trace", "--sizes", "5M", "--size", "3"], "cannot be used with"),
        (&["cache", "simulate", "trace", "--size", "0"], "no cache is of that size"),
        (&["heal"], "<DATA.FS>"),
        (&["heal", "Data.fs", "--after", "soon"], "expected 16 hexadecimal digits, or now"),
        (&["heal", "Data.fs", "--after", "7000000000000000"], "more than a year from now: was it mistyped?"),
    ] {
        let (code, _, error) = outcome(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn a_configuration_that_is_not_there_exits_with_2() {
    let (code, _, error) = outcome(&["serve", "-C", "zeo.conf"]);
    assert_eq!(code, Some(2));
    assert!(error.starts_with("Error: zeo.conf: cannot be read: No such file"), "{error}");
}

#[test]
fn a_bad_configuration_exits_with_2_and_names_file_and_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let conf = directory.path().join("zeo.conf");
    std::fs::write(&conf, "<zeo>\n  adress 8100\n</zeo>\n").expect("written");
    let output = zeolith(directory.path(), &["serve", "-C", "zeo.conf"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "Error: zeo.conf:2: unknown key 'adress' in <zeo>; did you mean 'address'?\n\
         For help, use zeolith serve --help\n"
    );
}

#[test]
fn a_log_that_cannot_be_opened_exits_with_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "<zeo>\naddress 0\n</zeo>\n<mappingstorage/>\n<eventlog>\n<logfile>\npath missing/zeo.log\n</logfile>\n\
                </eventlog>\n";
    std::fs::write(directory.path().join("zeo.conf"), text).expect("written");
    let output = zeolith(directory.path(), &["serve", "-C", "zeo.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("Error: cannot open the log file missing/zeo.log"), "{error}");
}
