use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

fn parse(line: &str) -> Result<BenchArgs, String> {
    let words = ["bench"].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words).map(|line| line.bench).map_err(|error| error.to_string())
}

#[test]
fn every_row_is_measured_with_its_usual_connections() {
    let rows = parse("8100").unwrap().rows();
    let expected = [
        (Row::Load, 1),
        (Row::Load, 8),
        (Row::Pipelined, 1),
        (Row::Commit, 1),
        (Row::Commit, 8),
        (Row::Commit, 32),
        (Row::Mix, 8),
        (Row::FanOut, 100),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn chosen_rows_are_measured_with_every_chosen_number_of_connections() {
    let rows = parse("8100 --row fan-out --row load --connections 2,5").unwrap().rows();
    assert_eq!(rows, [(Row::FanOut, 2), (Row::FanOut, 5), (Row::Load, 2), (Row::Load, 5)]);
}

#[test]
fn an_address_without_a_host_is_on_this_machine() {
    let address = |line| parse(line).unwrap().address.to_string();
    assert_eq!(address("8100"), "127.0.0.1:8100");
    assert_eq!(address("zeo.example:9"), "zeo.example:9");
    assert_eq!(address("./socket"), "./socket");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (line, expected) in [
        ("", "required"),
        ("localhost", "a port is needed"),
        ("8100 --row loads", "invalid value 'loads'"),
        ("8100 --connections 0", "at least 1"),
        ("8100 --seconds 0", "positive number of seconds"),
        ("8100 --seconds 1 --operations 5", "cannot be used with"),
        ("8100 --size 5", "expected a number of bytes between"),
        ("8100 --compare-pid 7", "--compare"),
        ("8100 --pipeline x", "at least 1"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn every_connection_needs_objects_of_its_own_unless_they_share() {
    let check = |line| parse(line).unwrap().check();
    assert_eq!(check("8100 --row commit --connections 32 --objects 96"), Ok(()));
    let error = check("8100 --row commit --connections 32 --objects 95").unwrap_err();
    assert!(error.starts_with("96 objects are needed when each"), "{error}");
    assert_eq!(check("8100 --row commit --connections 32 --objects 3 --contended"), Ok(()));
    assert_eq!(check("8100 --row load --connections 500 --objects 3"), Ok(()));
    assert_eq!(check("8100 --row fan-out --objects 2").unwrap_err(), "3 objects are needed, not 2");
}
