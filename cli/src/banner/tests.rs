use super::*;

fn served(name: &str, place: &str) -> Served {
    let last_changed = Some(WallTime(1_795_299_930_500_000));
    Served { name: name.to_owned(), place: place.to_owned(), objects: 1234, bytes: 3_456_789, last_changed }
}

fn about(address: &str, storages: Vec<Served>) -> Banner {
    Banner { address: address.parse().unwrap(), protocol: "Z5", tls: false, read_only: false, storages }
}

#[test]
fn it_says_what_is_served_where_and_how_to_connect() {
    let expected = format!(
        "zeolith {} serves
  1  ./Data.fs  1,234 objects, 3.4 MB, last changed 2026-11-21 22:25:30 UTC
on 127.0.0.1:8100 (Z5). Connect with
  import ZEO; db = ZEO.DB(('127.0.0.1', 8100))
",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(banner(&about("127.0.0.1:8100", vec![served("1", "./Data.fs")])), expected);
}

#[test]
fn several_storages_stand_in_columns_each_with_its_way_to_connect() {
    let empty = Served { objects: 1, bytes: 4, last_changed: None, ..served("temp", "in memory") };
    let text = banner(&about(":8100", vec![served("main", "/srv/db/Data.fs"), empty]));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "  main  /srv/db/Data.fs  1,234 objects, 3.4 MB, last changed 2026-11-21 22:25:30 UTC",
            "  temp  in memory        1 object, 4 bytes, never changed",
            "on every interface, port 8100 (Z5). Connect with",
            "  import ZEO; db = ZEO.DB(('localhost', 8100), storage='main')",
            "  import ZEO; db = ZEO.DB(('localhost', 8100), storage='temp')",
        ]
    );
}

#[test]
fn a_read_only_server_is_connected_to_as_such() {
    let text = banner(&Banner { read_only: true, ..about("[::1]:8100", vec![served("1", "Data.fs")]) });
    assert!(text.ends_with(
        "on [::1]:8100 (Z5, read-only). Connect with\n  \
         import ZEO; db = ZEO.DB(('::1', 8100), read_only=True)\n"
    ));
}

#[test]
fn a_server_that_speaks_tls_is_connected_to_with_a_context() {
    let text = banner(&Banner { tls: true, ..about("8100", vec![served("1", "Data.fs")]) });
    assert!(text.ends_with(
        "on every interface, port 8100 (Z5 over TLS). Connect with\n  \
         import ZEO; db = ZEO.DB(('localhost', 8100), ssl=context)\n"
    ));
}

#[test]
fn a_socket_path_is_a_literal_of_python() {
    let text = banner(&about("/run/it's\\here", vec![served("1", "Data.fs")]));
    assert!(text.ends_with("ZEO.DB('/run/it\\'s\\\\here')\n"), "{text}");
}

#[test]
fn sizes_are_cut_to_one_digit_behind_the_point() {
    for (bytes, expected) in [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_999, "999.9 kB"),
        (1_000_000, "1.0 MB"),
        (73_250_000_000, "73.2 GB"),
        (u64::MAX, "18446744.0 TB"),
    ] {
        assert_eq!(size(bytes), expected);
    }
}
