use super::*;

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

#[test]
fn addresses_are_read_as_runzeo_reads_them() {
    for (text, expected) in [
        ("localhost:8100", tcp("localhost", 8100)),
        ("LocalHost:8100", tcp("localhost", 8100)),
        (":8100", tcp("", 8100)),
        ("8100", tcp("", 8100)),
        ("0", tcp("", 0)),
        ("0.0.0.0:8100", tcp("0.0.0.0", 8100)),
        ("localhost", tcp("localhost", 0)),
        ("localhost:", tcp("localhost", 0)),
        ("localhost: 8100", tcp("localhost", 8100)),
        ("[::1]:8100", tcp("::1", 8100)),
        ("[::1]:", tcp("::1", 0)),
        ("::1", tcp("::1", 0)),
        ("var/zeo.sock", Address::Unix("var/zeo.sock".into())),
        ("/run/a:1", Address::Unix("/run/a:1".into())),
    ] {
        assert_eq!(text.parse::<Address>(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_address_says_why() {
    for (text, expected) in [
        ("", "expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        (":", "expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        ("8100 # the port", "expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        ("localhost:http", "'http' is no port"),
        ("localhost:65536", "port 65536 is not between 0 and 65535"),
        ("81000", "port 81000 is not between 0 and 65535"),
    ] {
        assert_eq!(text.parse::<Address>().unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn an_address_is_shown_as_it_is_written() {
    for text in ["localhost:8100", "[::1]:8100", ":8100", "/run/zeo.sock"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
}

#[test]
fn a_server_needs_a_port_and_is_on_this_machine_unless_it_says_where() {
    assert_eq!(Address::of_server("8100"), Ok(tcp("127.0.0.1", 8100)));
    assert_eq!(Address::of_server(":8100"), Ok(tcp("127.0.0.1", 8100)));
    assert_eq!(Address::of_server("zeo.example:9"), Ok(tcp("zeo.example", 9)));
    assert_eq!(Address::of_server("./socket"), Ok(Address::Unix("./socket".into())));
    for text in ["localhost", "localhost:0", "::1", "0"] {
        assert_eq!(Address::of_server(text), Err(AddressError::NoPort), "{text}");
    }
}
