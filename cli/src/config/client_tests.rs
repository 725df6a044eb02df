use std::path::Path;

use super::*;
use crate::config::{FileConfig, parse};
use crate::testing::FakeHost;

const ZEO: &str = "<zeo>\naddress 8100\n</zeo>\n";

fn read(storages: &str) -> Result<FileConfig, String> {
    let text = format!("{ZEO}{storages}");
    parse(&text, Path::new("zeo.conf"), &FakeHost::default()).map_err(|error| error.to_string())
}

/// What a section of this type with these lines says.
fn said(kind: &str, lines: &str) -> UpstreamSpec {
    let mut config = read(&format!("<{kind}>\n{lines}\n</{kind}>")).unwrap();
    match config.storages.remove(0).kind {
        StorageKind::Upstream(spec) => *spec,
        other => panic!("{other:?}"),
    }
}

fn at(server: &str) -> ClientOptions {
    ClientOptions::new(server).unwrap()
}

#[test]
fn both_spellings_are_understood_and_a_server_is_all_they_need() {
    for kind in ["clientstorage", "zeoclient"] {
        for (server, meant) in
            [("9100", "127.0.0.1:9100"), ("db1:9100", "db1:9100"), ("/run/zeo", "/run/zeo")]
        {
            let spec = UpstreamSpec { options: at(meant), name: None };
            assert_eq!(said(kind, &format!("server {server}")), spec, "{kind} {server}");
        }
    }
}

#[test]
fn every_key_of_zeo_is_understood() {
    let lines = "server db1:1\nserver db2:2\nstorage main\nname shop\ncache-size 1KB\ncache-path shop.zeolith\n\
                 read-only-fallback on\nserver-sync yes\nwait-timeout 5\nclient-label fan\n\
                 <ssl>\ncertificate c.pem\nkey k.pem\nauthenticate a.pem\ncheck-hostname no\n\
                 server-hostname db\n</ssl>";
    let tls = ClientTls::new().certificate("c.pem").key("k.pem").authenticate("a.pem");
    let options = at("db1:1").server("db2:2").unwrap().storage("main").cache_size(1024);
    let options = options.cache_file("shop.zeolith").read_only_fallback().server_sync(true);
    let options = options.wait_timeout(Duration::from_secs(5)).client_label("fan");
    let options = options.tls(tls.server_hostname("db").check_hostname(false));
    assert_eq!(said("clientstorage", lines), UpstreamSpec { options, name: Some("shop".to_owned()) });
}

#[test]
fn every_key_of_zodb_is_understood() {
    let lines = "server db1:1\nclient shop\nvar /var\nmin-disconnect-poll 2\nwait off\nread-only yes";
    let options = at("db1:1").client("shop", "/var").wait(false).read_only();
    let options = options.reconnect(Duration::from_secs(2), Duration::from_secs(300));
    assert_eq!(said("zeoclient", lines), UpstreamSpec { options, name: None });
}

#[test]
fn blobs_have_a_folder_of_their_own() {
    let blobs = |lines: &str| {
        let config = read(&format!("<clientstorage>\nserver 1\n{lines}\n</clientstorage>")).unwrap();
        config.storages[0].blobs.clone()
    };
    assert_eq!(blobs("blob-dir blobs\nshared-blob-dir no"), Some("blobs".into()));
    assert_eq!((blobs(""), blobs("blob-dir")), (None, None));
}

#[test]
fn what_changes_nothing_is_told() {
    let config = read("<zeoclient>\nserver 1\npassword x\nblob-cache-size 1MB\n</zeoclient>").unwrap();
    let told: Vec<_> = config.notices.iter().map(|notice| format!("{notice:?}")).collect();
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert!(first.contains("zeo.conf:7: blob-cache-size has no effect"), "{first}");
    assert!(second.contains("zeo.conf:6: password has no effect"), "{second}");
}

#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, expected) in [
        ("<clientstorage>\n</clientstorage>", "4: <clientstorage> needs the key 'server'"),
        ("<zeoclient>\nserver\n</zeoclient>", "5: '' is no value for 'server'"),
        ("<zeoclient>\nserver db\n</zeoclient>", "5: 'db' is no value for 'server'"),
        ("<zeoclient>\nserver 1\nserver x:y\n</zeoclient>", "6: 'x:y' is no value for 'server'"),
        ("<zeoclient>\nserver 1\nstorage a\nstorage b\n</zeoclient>", "7: the key 'storage' stands twice"),
        ("<zeoclient>\nserver 1\ncache-path x\n</zeoclient>", "6: unknown key 'cache-path' in <zeoclient>"),
        ("<clientstorage>\nserver 1\nclient x\n</clientstorage>", "6: unknown key 'client'"),
        (
            "<clientstorage>\nserver 1\ncache-size -1\n</clientstorage>",
            "6: '-1' is no value for 'cache-size'",
        ),
        ("<clientstorage>\nserver 1\nwait-timeout soon\n</clientstorage>", "6: 'soon' is no value"),
        ("<zeoclient>\nserver 1\nshared-blob-dir yes\n</zeoclient>", "6: 'shared-blob-dir' is not supported"),
        (
            "<zeoclient>\nserver 1\nread-only yes\nread-only-fallback yes\n</zeoclient>",
            "7: 'read-only' and 'read-only-fallback' exclude each other",
        ),
        ("<zeoclient>\nserver 1\n<ssl>\n</ssl>\n</zeoclient>", "6: unknown section <ssl>"),
        (
            "<clientstorage>\nserver 1\n<ssl>\n</ssl>\n</clientstorage>",
            "6: <ssl> needs the key 'certificate'",
        ),
        (
            "<clientstorage>\nserver 1\n<mappingstorage/>\n</clientstorage>",
            "6: unknown section <mappingstorage>",
        ),
        (
            "<blobstorage>\nblob-dir b\n<clientstorage>\nserver 1\n</clientstorage>\n</blobstorage>",
            "6: a <clientstorage> inside a <blobstorage> is not supported yet",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(&format!("zeo.conf:{expected}")), "{text}: {error}");
    }
}
