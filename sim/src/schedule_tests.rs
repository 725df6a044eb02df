use super::*;
use crate::event::{ClientId, ServerNo, Wire};
use std::time::Duration;
use zeolith_core::wire::Codec;

fn schedule() -> Schedule {
    Schedule {
        broken: Some((7, "client 0 is told of 3, and never of 2".to_owned())),
        cause: "a member that joins during a broadcast\nwas left out".to_owned(),
        setup: Setup {
            codec: Codec::Pickle,
            timeout: Some(Duration::from_secs(5)),
            clients: 3,
            servers: 2,
            readers: [1].into_iter().collect(),
            files: [0, 2].into_iter().collect(),
            ..Setup::default()
        },
        events: vec![
            Event::Start(ServerNo(1)),
            Event::Disk(ServerNo(0)),
            Event::Connect(Wire { client: ClientId(2), server: ServerNo(0) }),
            Event::Quiet,
        ],
    }
}

#[test]
fn a_schedule_is_read_as_it_was_written() {
    for schedule in [schedule(), Schedule::default(), Schedule { cause: String::new(), ..schedule() }] {
        assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }
}

#[test]
fn a_file_says_what_a_person_would_write() {
    let text = "# promise 7: client 0 is told of 3, and never of 2\n# cause: a member that joins during a broadcast\n\
                # was left out\noption codec pickle\noption timeout 5000\noption clients 3\noption servers 2\n\
                option readers 1\noption files 0,2\nstart @1\ndisk\nconnect 2\nquiet\n";
    assert_eq!(schedule().to_string(), text);
}

#[test]
fn empty_lines_and_white_space_mean_nothing() {
    let loose = schedule().to_string().replace('\n', "  \r\n\n").replace("connect 2", "  connect\t2");
    assert_eq!(loose.parse(), Ok(schedule()));
}

#[test]
fn a_panic_of_many_lines_stays_in_the_header() {
    let violation = Violation::panic("left: 1\nright: 2".to_owned());
    let schedule = Schedule::of(Setup::default(), vec![Event::Quiet], Some(&violation));
    assert_eq!(schedule.to_string().parse(), Ok(schedule));
}

#[test]
fn what_is_not_understood_is_named_with_its_line() {
    for (text, message) in [
        ("start\nstrat\n", "line 2: there is no event 'strat'"),
        ("start\nconnect\n", "line 2: expected 'connect CLIENT [@SERVER]'"),
        ("start @1\n", "line 1: there is no server 1: they are numbered from 0, and option servers is 1"),
        ("option servers 5\n", "line 1: option servers is a number from 1 to 4, not '5'"),
        ("option files 1,\n", "line 1: option files is numbers of clients with commas between, not '1,'"),
        (
            "\n# a remark\nconnect 2\n",
            "line 3: there is no client 2: they are numbered from 0, and option clients is 2",
        ),
        ("option clients 0\n", "line 1: option clients is a number from 1 to 64, not '0'"),
        ("option clients 65\n", "line 1: option clients is a number from 1 to 64, not '65'"),
        ("option codec json\n", "line 1: option codec is 'pickle' or 'msgpack', not 'json'"),
        (
            "option timeout -1\n",
            "line 1: option timeout is a number of milliseconds from 1000 to 86400000, not '-1'",
        ),
        ("option colour red\n", "line 1: there is no option 'colour'"),
        ("option codec\n", "line 1: expected 'option NAME VALUE'"),
        ("option codec pickle now\n", "line 1: expected 'option NAME VALUE'"),
        ("start\noption codec pickle\n", "line 2: options come before all events"),
        (
            "pass 31622400000\nquiet\npass 1\n",
            "line 3: so far 31622400001 milliseconds are to pass, and at most 31622400000 may in a schedule",
        ),
        (
            "pass 1\npass 18446744073709551615\n",
            "line 2: so far 18446744073709551615 milliseconds are to pass, and at most 31622400000 may in a schedule",
        ),
        (
            "option transaction-bytes 3999\n",
            "line 1: option transaction-bytes is a number from 4000 to 4294967296, not '3999'",
        ),
        ("option operations 1\n", "line 1: option operations is a number from 2 to 4294967296, not '1'"),
        (
            "option bug none-such\n",
            "line 1: this build has no bug 'none-such' (planted bugs need the feature planted-bugs)",
        ),
    ] {
        assert_eq!(text.parse::<Schedule>().expect_err(text).to_string(), message);
    }
}
