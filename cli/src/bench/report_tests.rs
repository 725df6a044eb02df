use super::*;
use crate::bench::tally::Slice;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

fn about(address: &str) -> About {
    let process = Process { pid: 7, name: "zeolith".to_owned() };
    About { address: address.to_owned(), protocol: "Z5".to_owned(), process: Some(process) }
}

/// Slices of a second with so many loads of a millisecond each.
fn tally(operations: &[u64], cpu: Option<Duration>) -> Tally {
    let mut tally = Tally { cpu, ..Tally::default() };
    for &operations in operations {
        (0..operations).for_each(|_| tally.loads.add(Duration::from_millis(1)));
        tally.slices.push(Slice { operations, elapsed: Duration::from_secs(1) });
    }
    tally
}

fn compared() -> Measured {
    let one = tally(&[200, 400, 900], Some(Duration::from_millis(1500)));
    let two = tally(&[100, 100, 100], Some(Duration::from_millis(600)));
    Measured { row: Row::Load, connections: 8, tallies: vec![one, two] }
}

#[test]
fn the_ratio_is_the_median_of_the_pairs() {
    let ratio = compared().ratio().unwrap();
    assert_eq!(ratio, Ratio { rate: 4.0, range: (2.0, 9.0), cpu: Some(0.5) });
    let alone = Measured { tallies: vec![tally(&[5], None)], ..compared() };
    assert_eq!(alone.ratio(), None);
}

#[test]
fn the_table_shows_both_servers_and_the_ratio() {
    let table = compared().table(&[about("127.0.0.1:1"), about("127.0.0.1:2")]);
    let expected = "\
load, 8 connections
                                op/s        p50        p99        max     CPU/op
  127.0.0.1:1                    400    1.00 ms    1.00 ms    1.00 ms    1.00 ms
  127.0.0.1:2                    100    1.00 ms    1.00 ms    1.00 ms    2.00 ms
  ratio                         4.00                                        0.50
    pairs 2.00 to 9.00
";
    assert_eq!(table, expected);
}

#[test]
fn a_server_elsewhere_has_no_cpu_time() {
    let mut mixed = tally(&[9], None);
    mixed.commits.add(Duration::from_micros(1234));
    mixed.conflicts = 3;
    let table = Measured { row: Row::Mix, connections: 1, tallies: vec![mixed] }.table(&[about("far:1")]);
    assert!(table.starts_with("mix, 1 connection\n"), "{table}");
    assert!(table.contains("1.23 ms          ?\n"), "{table}");
    assert!(table.contains("\n    commits "), "{table}");
    assert!(table.contains("\n    3 in conflict\n"), "{table}");
}

#[test]
fn the_json_has_all_figures_and_the_environment() {
    let options = Line::parse_from(["bench", "8100", "--compare", "8101"]).bench;
    let machine = Machine { cpu: "a cpu".to_owned(), cores: 2, kernel: "Linux 6".to_owned() };
    let json = compared().json(&[about("a:1"), about("b:2")], &options, &machine);
    assert_eq!(json["row"], "load");
    assert_eq!(json["connections"], 8);
    assert_eq!(json["pipeline"], 1);
    assert_eq!(json["servers"][0]["operations"], 1500);
    assert_eq!(json["servers"][0]["per_second"], 400.0);
    assert_eq!(json["servers"][0]["latency"]["p99_us"], 1000.0);
    assert_eq!(json["servers"][1]["cpu_us_an_operation"], 2000.0);
    assert_eq!(json["servers"][1]["pid"], 7);
    assert_eq!(json["ratio"]["per_second"], 4.0);
    assert_eq!(json["environment"]["cpu"], "a cpu");
}

#[test]
fn durations_have_three_digits() {
    for (nanos, text) in [
        (0, "0.00 µs"),
        (1_234, "1.23 µs"),
        (56_789, "56.8 µs"),
        (999_400, "999 µs"),
        (12_345_678, "12.3 ms"),
        (2_000_000_000, "2.00 s"),
    ] {
        assert_eq!(human(Duration::from_nanos(nanos)), text);
    }
}
