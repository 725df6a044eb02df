use super::*;

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

#[test]
fn what_is_not_told_is_as_in_zeo() {
    let options = ClientOptions::new("8100").unwrap();
    assert_eq!(options.servers, [tcp("127.0.0.1", 8100)]);
    assert_eq!(options.config.storage, "1");
    assert_eq!(options.cache_size, 20 * 1024 * 1024);
    assert_eq!(options.config.wait_timeout, Duration::from_secs(30));
    assert_eq!(options.config.access, Access::Write);
    assert_eq!(options.config.when_behind, WhenBehind::Refuse);
    assert_eq!(options.cache_path(), None);
    assert!(options.wait && !options.server_sync);
}

#[test]
fn a_place_is_an_address_or_a_url() {
    let unix = |path: &str| Address::Unix(path.into());
    for (text, servers, storage) in [
        ("db:8100", vec![tcp("db", 8100)], "1"),
        ("[::1]:8100", vec![tcp("::1", 8100)], "1"),
        ("run/zeo.sock", vec![unix("run/zeo.sock")], "1"),
        ("zeo://db:8100", vec![tcp("db", 8100)], "1"),
        ("zeo://db:8100/", vec![tcp("db", 8100)], "1"),
        ("ZEO://db:8100/main", vec![tcp("db", 8100)], "main"),
        ("zeo://db:8100?storage=main", vec![tcp("db", 8100)], "main"),
        ("zeo://a:1,b:2,[::1]:3/my%20own", vec![tcp("a", 1), tcp("b", 2), tcp("::1", 3)], "my own"),
        ("zeo+unix:///run/zeo.sock", vec![unix("/run/zeo.sock")], "1"),
        ("zeo+unix:///run/%C3%A9?storage=%31", vec![unix("/run/é")], "1"),
    ] {
        let options = ClientOptions::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((options.servers, &*options.config.storage), (servers, storage), "{text}");
    }
}

#[test]
fn what_is_no_place_says_why() {
    for (text, expected) in [
        ("", "'': expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        ("db", "'db': a port is needed"),
        ("db:0", "'db:0': a port is needed"),
        ("db:zeo", "'db:zeo': 'zeo' is no port"),
        ("zeo://db:70000", "'db:70000': port 70000 is not between 0 and 65535"),
        ("zeo://", "'': expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        ("zeo://a:1,", "'': expected HOST:PORT, :PORT, PORT, or a path with a '/'"),
        (
            "zeo+unix://run/zeo.sock",
            "'zeo+unix://run/zeo.sock': expected HOST:PORT, :PORT, PORT, or a path with a '/'",
        ),
        ("http://db:8100", "'http://db:8100' begins with neither zeo:// nor zeo+unix://"),
        ("zeo://db:8100/?check-hostname=perhaps", "'check-hostname=perhaps': expected true or false"),
        ("zeo://db:8100/%4", "'%4' is not encoded as URLs are"),
        ("zeo://db:8100/%+1", "'%+1' is not encoded as URLs are"),
        ("zeo://db:8100/%ff", "'%ff' is not encoded as URLs are"),
        ("zeo://db:8100/a?storage=b", "all servers of a client serve one storage, not both 'a' and 'b'"),
    ] {
        assert_eq!(ClientOptions::new(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn servers_of_one_client_serve_one_storage() {
    let options = ClientOptions::new("zeo://a:1/main").unwrap();
    let both = options.clone().server("zeo://b:2/main").unwrap().server("c:3").unwrap();
    assert_eq!(both.servers, [tcp("a", 1), tcp("b", 2), tcp("c", 3)]);
    let error = options.server("zeo://b:2/other").unwrap_err();
    assert_eq!(error, OptionsError::TwoStorages("main".into(), "other".into()));
}

#[test]
fn a_named_cache_file_carries_the_names_of_client_and_storage() {
    let options = ClientOptions::new("8100").unwrap().client("shop", "/var/cache").storage("main");
    assert_eq!(options.cache_path(), Some("/var/cache/shop-main.zeolith".into()));
}

#[test]
fn a_url_has_no_other_options_and_none_twice() {
    for text in ["wait=1", "storage", "", "storage=a&storage=b", "key=a&key=a", "Key=a", "storage=a&"] {
        let error = ClientOptions::new(&format!("zeo://db:8100?{text}")).unwrap_err();
        let wrong = text.rsplit('&').next().unwrap();
        assert_eq!(error, OptionsError::UnknownOption(wrong.to_owned()), "{text}");
    }
}

#[test]
fn a_url_may_say_how_to_speak_tls() {
    let tls = |text: &str| ClientOptions::new(text).unwrap().tls;
    assert_eq!(tls("zeo://db:8100/main"), None);
    let expected = ClientTls::new()
        .certificate("/etc/shop/client.pem")
        .key("/etc/shop/client key.pem")
        .authenticate("servers")
        .server_hostname("zodb.org")
        .check_hostname(false);
    let text = "zeo://db:8100/main?certificate=/etc/shop/client.pem&key=/etc/shop/client%20key.pem&authenticate=servers\
                &server-hostname=zodb.org&check-hostname=false&storage=main";
    assert_eq!(tls(text), Some(expected));
    assert_eq!(tls("zeo+unix:///run/zeo.sock?check-hostname=true"), Some(ClientTls::new()));
}

#[test]
fn servers_of_one_client_are_all_spoken_to_in_one_way() {
    let options = ClientOptions::new("zeo://a:1?key=k").unwrap();
    let both = options.clone().server("zeo://b:2?key=k").unwrap().server("c:3").unwrap();
    assert_eq!(both.tls, Some(ClientTls::new().key("k")));
    assert_eq!(options.server("zeo://b:2?key=other").unwrap_err(), OptionsError::TwoTls);
}
