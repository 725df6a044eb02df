use tracing::level_filters::LevelFilter;
use zeolith_net::tls::ServerTls;

use super::*;
use crate::options::{LogSink, LogTarget, PackOptions, StorageKind};
use crate::testing::FakeHost;

/// What the container image of Plone's ZEO server comes with.
const PLONE: &str = "\
%define INSTANCE /app
%define DATA_DIR /data

<zeo>
  address 0.0.0.0:$(ZEO_PORT)
  read-only $(ZEO_READ_ONLY)
  invalidation-queue-size $(ZEO_INVALIDATION_QUEUE_SIZE)
  pid-filename $INSTANCE/var/zeo.pid
</zeo>

<filestorage 1>
  path $DATA_DIR/filestorage/Data.fs
  blob-dir $DATA_DIR/blobstorage
  pack-keep-old $(ZEO_PACK_KEEP_OLD)
</filestorage>

<eventlog>
  level info
  <logfile>
      path $DATA_DIR/log/zeo.log
      format %(asctime)s %(message)s
    </logfile>
</eventlog>

<runner>
  program $INSTANCE/bin/runzeo
  socket-name $INSTANCE/var/zeo.zdsock
  daemon true
  exit-codes 0, 2
  directory $INSTANCE
  # It is used by zdctl's logtail command, zdrun/zdctl doesn't write it.
  logfile $DATA_DIR/log/zeo.log
</runner>
";

/// What mkzeoinst writes.
const MKZEOINST: &str = "\
# ZEO configuration file

%define INSTANCE /srv/zeo

<zeo>
  address 8100
  read-only false
  invalidation-queue-size 100
  # pid-filename $INSTANCE/var/ZEO.pid
  # monitor-address PORT
  # transaction-timeout SECONDS
</zeo>

<filestorage 1>
  path $INSTANCE/var/Data.fs
</filestorage>

<eventlog>
  level info
  <logfile>
    path $INSTANCE/log/zeo.log
  </logfile>
</eventlog>

<runner>
  program $INSTANCE/bin/runzeo
  socket-name $INSTANCE/etc/zeo.zdsock
  <environment>
    PYTHONPATH /srv/lib
  </environment>
</runner>
";

const ZEO: &str = "<zeo>\naddress 8100\n</zeo>\n";
const STORAGE: &str = "<mappingstorage/>\n";

fn read(text: &str) -> Result<FileConfig, ConfigError> {
    parse(text, Path::new("zeo.conf"), &FakeHost::default())
}

fn message(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

/// A server whose `<zeo>` has `lines` beside its address, in line 3 and on.
fn zeo_with(lines: &str) -> String {
    format!("<zeo>\naddress 8100\n{lines}\n</zeo>\n{STORAGE}")
}

/// A server whose `<ssl>` has `lines` beside its certificate, in line 5 and on.
fn ssl_with(lines: &str) -> String {
    zeo_with(&format!("<ssl>\ncertificate server.pem\n{lines}\n</ssl>"))
}

/// A server whose `<filestorage>` has `lines` beside its path, in line 6 and on.
fn file_with(lines: &str) -> String {
    format!("{ZEO}<filestorage>\npath Data.fs\n{lines}\n</filestorage>\n")
}

fn file(path: &str) -> StorageKind {
    StorageKind::File { path: path.into(), create: true, read_only: false, pack: PackOptions::default() }
}

fn storage(name: &str, kind: StorageKind, blobs: Option<&str>) -> StorageSpec {
    StorageSpec { name: name.to_owned(), kind, blobs: blobs.map(Into::into) }
}

fn log_to(path: &str) -> LogOptions {
    LogOptions { sinks: vec![LogSink { target: LogTarget::File(path.into()), level: LevelFilter::INFO }] }
}

fn notices(text: &str) -> Vec<Notice> {
    read(text).expect(text).notices
}

#[test]
fn the_file_of_plones_container_is_served_as_it_is() {
    let host = FakeHost::default()
        .variable("ZEO_PORT", "8100")
        .variable("ZEO_READ_ONLY", "false")
        .variable("ZEO_INVALIDATION_QUEUE_SIZE", "500")
        .variable("ZEO_PACK_KEEP_OLD", "true");
    let config = parse(PLONE, Path::new("zeo.conf"), &host).unwrap();
    let format = "zeo.conf:21: format has no effect: a line is time, level, name and message".to_owned();
    let expected = FileConfig {
        address: Address::Tcp { host: "0.0.0.0".to_owned(), port: 8100 },
        tls: None,
        read_only: false,
        msgpack: None,
        invalidation_queue: Some(500),
        invalidation_age: Duration::ZERO,
        transaction_timeout: None,
        pid_file: Some("/app/var/zeo.pid".into()),
        merged: Vec::new(),
        storages: vec![storage("1", file("/data/filestorage/Data.fs"), Some("/data/blobstorage"))],
        log: Some(log_to("/data/log/zeo.log")),
        notices: vec![Notice::Info(format)],
    };
    assert_eq!(config, expected);
}

#[test]
fn blobs_lie_beside_a_file_or_around_any_storage() {
    let blobs = |text: &str| read(text).expect(text).storages.remove(0);
    assert_eq!(blobs(&file_with("blob-dir var/blobs")), storage("1", file("Data.fs"), Some("var/blobs")));
    // An empty value is none, as in ZODB.
    assert_eq!(blobs(&file_with("blob-dir")), storage("1", file("Data.fs"), None));
    let around = format!(
        "{ZEO}<blobstorage main>\nblob-dir /missing/blobs\n<filestorage>\npath Data.fs\n</filestorage>\n</blobstorage>\n"
    );
    assert_eq!(blobs(&around), storage("main", file("Data.fs"), Some("/missing/blobs")));
    let around = format!(
        "{ZEO}<blobstorage>\nblob-dir blobs\n<mappingstorage anything>\n</mappingstorage>\n</blobstorage>\n"
    );
    assert_eq!(blobs(&around), storage("1", StorageKind::Memory, Some("blobs")));
}

#[test]
fn blobs_that_would_lie_nowhere_or_in_two_places_are_refused() {
    let around = |lines: &str| format!("{ZEO}<blobstorage>\n{lines}\n</blobstorage>\n");
    for (text, expected) in [
        (
            file_with("blob-dir /missing/blobs"),
            ":6: '/missing/blobs' is no value for 'blob-dir': the directory /missing does not exist",
        ),
        (around("<mappingstorage/>"), ":4: <blobstorage> needs the key 'blob-dir'"),
        (around("blob-dir\n<mappingstorage/>"), ":5: '' is no value for 'blob-dir': expected a path"),
        (around("blob-dir blobs"), ":4: <blobstorage> needs a storage section inside it"),
        (
            around("blob-dir a\nblob-dir b\n<mappingstorage/>"),
            ":6: the key 'blob-dir' stands twice in this <blobstorage>, first in line 5",
        ),
        (around("layout bushy\nblob-dir a\n<mappingstorage/>"), ":5: unknown key 'layout' in <blobstorage>"),
        (
            around("blob-dir a\n<mappingstorage/>\n<mappingstorage/>"),
            ":7: a second storage inside this <blobstorage>; the first is in line 6",
        ),
        (around("blob-dir a\n<eventlog/>"), ":6: unknown section <eventlog>"),
        (around("blob-dir a\n<fullstorage/>"), ":6: <fullstorage> is not supported yet"),
        (
            around("blob-dir a\n<filestorage>\npath Data.fs\nblob-dir b\n</filestorage>"),
            ":6: the storage in this <blobstorage> has blobs already",
        ),
        (
            around("blob-dir a\n<blobstorage>\nblob-dir b\n<mappingstorage/>\n</blobstorage>"),
            ":6: the storage in this <blobstorage> has blobs already",
        ),
    ] {
        assert_eq!(message(&text), format!("zeo.conf{expected}"), "{text}");
    }
}

#[test]
fn a_file_of_mkzeoinst_is_served_as_it_is() {
    let config = read(MKZEOINST).unwrap();
    assert_eq!(config.address, Address::Tcp { host: String::new(), port: 8100 });
    assert_eq!(config.storages, [storage("1", file("/srv/zeo/var/Data.fs"), None)]);
    assert_eq!((config.log, config.notices), (Some(log_to("/srv/zeo/log/zeo.log")), vec![]));
}

#[test]
fn every_key_of_zeo_is_understood() {
    let config = read(&zeo_with(
        "read-only on\nmsgpack yes\ninvalidation-queue-size 0\ntransaction-timeout 30\npid-filename var/zeo.pid",
    ))
    .unwrap();
    assert_eq!((config.read_only, config.msgpack, config.invalidation_queue), (true, Some(true), Some(0)));
    assert_eq!(config.transaction_timeout, Some(Duration::from_secs(30)));
    assert_eq!(config.pid_file, Some("var/zeo.pid".into()));
}

#[test]
fn an_age_of_invalidations_is_any_number_of_seconds() {
    for (text, age) in [
        ("3600.5", Duration::from_millis(3_600_500)),
        ("0", Duration::ZERO),
        ("-7", Duration::ZERO),
        ("1e300", Duration::MAX),
        ("inf", Duration::MAX),
    ] {
        assert_eq!(
            read(&zeo_with(&format!("invalidation-age {text}"))).unwrap().invalidation_age,
            age,
            "{text}"
        );
    }
}

#[test]
fn tls_takes_two_files_and_a_place_of_certificates() {
    let tls = |lines| read(&ssl_with(lines)).unwrap().tls;
    let expected = ServerTls {
        certificate: "server.pem".into(),
        key: Some("server_key.pem".into()),
        key_password: None,
        authenticate: "clients".into(),
    };
    assert_eq!(tls("key server_key.pem\nauthenticate clients"), Some(expected.clone()));
    assert_eq!(tls("authenticate clients"), Some(ServerTls { key: None, ..expected }));
    assert_eq!(read(&zeo_with("")).unwrap().tls, None);
}

#[test]
fn storages_keep_their_order_and_an_unnamed_one_is_1() {
    let text = format!(
        "{ZEO}<filestorage Main>\npath main.fs\n</filestorage>\n<mappingstorage>\nname x\n</mappingstorage>"
    );
    assert_eq!(
        read(&text).unwrap().storages,
        [storage("main", file("main.fs"), None), storage("1", StorageKind::Memory, None),]
    );
}

#[test]
fn only_a_read_only_file_is_not_created() {
    let kind = |lines| read(&file_with(lines)).unwrap().storages.remove(0).kind;
    assert_eq!(kind("create no"), file("Data.fs"));
    assert_eq!(
        kind("read-only yes"),
        StorageKind::File {
            path: "Data.fs".into(),
            create: false,
            read_only: true,
            pack: PackOptions::default()
        }
    );
}

#[test]
fn a_pack_is_configured_as_in_python() {
    let packed = |lines: &str| match read(&file_with(lines)).unwrap().storages.remove(0).kind {
        StorageKind::File { pack, .. } => (pack.gc, pack.keep_old),
        other => panic!("{other:?}"),
    };
    assert_eq!(packed(""), (true, true));
    assert_eq!(packed("pack-gc false"), (false, true));
    assert_eq!(packed("pack-gc on\npack-keep-old no"), (true, false));
}

#[test]
fn what_has_no_effect_is_told() {
    for (text, expected) in [
        (
            file_with("create true"),
            "zeo.conf:6: 'create true' keeps an existing Data.fs, where Python's server would empty it",
        ),
        (
            format!("{ZEO}{STORAGE}<eventlog>\n<syslog>\nfacility x\n</syslog>\n</eventlog>"),
            "zeo.conf:6: <syslog> is not supported and gets no log",
        ),
        (
            format!(
                "{ZEO}{STORAGE}<eventlog>\n<logfile>\npath a\nmax-size 1MB\nold-files 3\n</logfile>\n</eventlog>"
            ),
            "zeo.conf:8: max-size has no effect: the log does not rotate by itself; rename it and send SIGUSR2",
        ),
    ] {
        assert_eq!(notices(&text), [Notice::Warning(expected.to_owned())]);
    }
}

#[test]
fn conflict_resolution_is_mentioned_only_where_it_was_declined() {
    assert_eq!(notices(&zeo_with("client-conflict-resolution true")), []);
    assert_eq!(
        notices(&zeo_with("client-conflict-resolution false")),
        [Notice::Info(
            "zeo.conf:3: conflicts are resolved by the clients all the same, since they have the classes"
                .to_owned()
        )]
    );
}

#[test]
fn an_import_is_mentioned() {
    let expected = Notice::Info("zeo.conf:1: %import ZODB is not needed".to_owned());
    assert_eq!(notices(&format!("%import ZODB\n{ZEO}{STORAGE}")), [expected]);
}

#[test]
fn a_log_level_is_a_name_or_a_number_of_pythons() {
    let level = |text: &str| {
        let config = read(&format!("{ZEO}{STORAGE}<eventlog>\nlevel {text}\n</eventlog>")).unwrap();
        let [sink] = &config.log.unwrap().sinks[..] else { panic!("one place") };
        assert_eq!(sink.target, LogTarget::Stderr);
        sink.level
    };
    for (text, expected) in [
        ("critical", LevelFilter::ERROR),
        ("ERROR", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("blather", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("10", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
        ("all", LevelFilter::TRACE),
        ("notset", LevelFilter::TRACE),
        ("35", LevelFilter::ERROR),
    ] {
        assert_eq!(level(text), expected, "{text}");
    }
}

#[test]
fn a_log_file_hears_no_more_than_the_log() {
    let log = |outer, inner| {
        let text = format!(
            "{ZEO}{STORAGE}<eventlog>\nlevel {outer}\n<logfile>\npath STDOUT\nlevel {inner}\n</logfile>\n</eventlog>"
        );
        read(&text).unwrap().log.unwrap().sinks
    };
    let stdout = |level| [LogSink { target: LogTarget::Stdout, level }];
    assert_eq!(log("info", "debug"), stdout(LevelFilter::INFO));
    assert_eq!(log("debug", "error"), stdout(LevelFilter::ERROR));
}

#[test]
fn every_problem_names_its_line() {
    let log = |lines: &str| format!("{ZEO}{STORAGE}<eventlog>\n{lines}\n</eventlog>");
    for (text, expected) in [
        (STORAGE.to_owned(), ": there is no <zeo> section with the server's address"),
        (ZEO.to_owned(), ": no storages specified; add a <filestorage> section"),
        (format!("<zeo/>{STORAGE}"), ":1: a section starts with <type> or <type name> on a line of its own"),
        (format!("<zeo/>\n{STORAGE}"), ":1: <zeo> needs the key 'address'"),
        (format!("{ZEO}{ZEO}{STORAGE}"), ":4: a second <zeo>; the first is in line 1"),
        (log("</eventlog>\n<eventlog>"), ":7: a second <eventlog>; the first is in line 5"),
        ("address 8100".to_owned(), ":1: the key 'address' stands outside of any section"),
        (
            format!("{ZEO}<filestorge>\n</filestorge>"),
            ":4: unknown section <filestorge>; did you mean 'filestorage'?",
        ),
        (format!("{ZEO}<database/>"), ":4: unknown section <database>"),
        (zeo_with("Adress 8100"), ":3: unknown key 'adress' in <zeo>; did you mean 'address'?"),
        (zeo_with("read_only yes"), ":3: unknown key 'read_only' in <zeo>; did you mean 'read-only'?"),
        (zeo_with("port 8100"), ":3: unknown key 'port' in <zeo>"),
        (zeo_with("ADDRESS 8100"), ":3: the key 'address' stands twice in this <zeo>, first in line 2"),
        (zeo_with("<ssl>\n</ssl>"), ":3: <ssl> needs the key 'certificate'"),
        (ssl_with(""), ":3: <ssl> needs the key 'authenticate'"),
        (zeo_with("<ssl/>\n<ssl other/>"), ":4: a second <ssl>; the first is in line 3"),
        (ssl_with("authenticate"), ":5: '' is no value for 'authenticate': expected a path"),
        (
            ssl_with("authenticate DYNAMIC"),
            ":5: 'DYNAMIC' is no value for 'authenticate': expected a file or a folder with the certificates of the \
             clients, or of those who sign them",
        ),
        (
            ssl_with("authenticate a\nkey /missing/key.pem"),
            ":6: '/missing/key.pem' is no value for 'key': the directory /missing does not exist",
        ),
        (ssl_with("check-hostname no"), ":5: unknown key 'check-hostname' in <ssl>"),
        (ssl_with("keys a"), ":5: unknown key 'keys' in <ssl>; did you mean 'key'?"),
        (ssl_with("<ca/>"), ":5: unknown section <ca>"),
        (zeo_with("<tls/>"), ":3: unknown section <tls>"),
        (
            zeo_with("monitor-address 8101"),
            ":3: 'monitor-address' is gone since ZEO 5: the monitor server was dropped; ask the server's own port \
             with 'ruok' instead",
        ),
        (
            zeo_with("authentication-realm x"),
            ":3: 'authentication-realm' is gone since ZEO 5: password authentication was dropped; remove the line \
             and guard the port otherwise",
        ),
        (
            zeo_with("read-only maybe"),
            ":3: 'maybe' is no value for 'read-only': expected yes, no, true, false, on or off",
        ),
        (zeo_with("msgpack"), ":3: '' is no value for 'msgpack': expected yes, no, true, false, on or off"),
        (
            zeo_with("invalidation-queue-size -1"),
            ":3: '-1' is no value for 'invalidation-queue-size': expected 0 to 10000000",
        ),
        (zeo_with("invalidation-age nan"), ":3: 'nan' is no value for 'invalidation-age': expected a number"),
        (zeo_with("invalidation-age x"), ":3: 'x' is no value for 'invalidation-age': expected a number"),
        (
            zeo_with("transaction-timeout x"),
            ":3: 'x' is no value for 'transaction-timeout': expected an integer",
        ),
        (
            zeo_with("transaction-timeout 0"),
            ":3: '0' is no value for 'transaction-timeout': expected a positive number of seconds; leave it out for \
             no timeout",
        ),
        (
            zeo_with("pid-filename /missing/zeo.pid"),
            ":3: '/missing/zeo.pid' is no value for 'pid-filename': the directory /missing does not exist",
        ),
        (
            format!("<zeo>\naddress x:y\n</zeo>\n{STORAGE}"),
            ":2: 'x:y' is no value for 'address': 'y' is no port",
        ),
        (format!("{ZEO}<filestorage>\n</filestorage>"), ":4: <filestorage> needs the key 'path'"),
        (
            format!("{ZEO}<filestorage>\npath /missing/Data.fs\n</filestorage>"),
            ":5: '/missing/Data.fs' is no value for 'path': the directory /missing does not exist",
        ),
        (file_with("quota 1GB"), ":6: 'quota' is not supported yet: ignoring it could fill the disk"),
        (
            file_with("packer a.b"),
            ":6: 'packer' is not supported yet: Zeolith runs no Python code; remove the line for the server's own pack",
        ),
        (
            file_with("pack-gc x"),
            ":6: 'x' is no value for 'pack-gc': expected yes, no, true, false, on or off",
        ),
        (
            file_with("read-only on\ncreate on"),
            ":7: a read-only storage cannot be created anew: 'create' and 'read-only' exclude each other",
        ),
        (
            file_with("blob_dir blobs"),
            ":6: unknown key 'blob_dir' in <filestorage>; did you mean 'blob-dir'?",
        ),
        (format!("{ZEO}<fullstorage>\n</fullstorage>"), ":4: <fullstorage> is not supported yet"),
        (format!("{ZEO}<filestorage>\n<x/>\n</filestorage>"), ":5: unknown section <x>"),
        (
            format!("{ZEO}{STORAGE}{STORAGE}"),
            ":5: no more than one storage may be unnamed; the first is in line 4",
        ),
        (
            format!("{ZEO}{STORAGE}<mappingstorage 1/>"),
            ":4: an unnamed storage is named 1, and so is another one",
        ),
        (
            format!("{ZEO}<mappingstorage a/>\n<mappingstorage A/>"),
            ":5: the name 'a' is taken by the section in line 4",
        ),
        (format!("{ZEO}<mappingstorage */>"), ":4: a section cannot be named '*'"),
        (
            log("level loud"),
            ":6: 'loud' is no value for 'level': expected critical, error, warn, info, debug, trace, all, or a \
             number from 0 to 50",
        ),
        (log("<logfile>\n</logfile>"), ":6: <logfile> needs the key 'path'"),
        (log("<logfle/>"), ":6: unknown section <logfle>; did you mean 'logfile'?"),
        (
            log("<logfile>\npath a\ndelay x\n</logfile>"),
            ":8: 'x' is no value for 'delay': expected yes, no, true, \
             false, on or off",
        ),
        (
            log("<logfile>\npath a\nmax-size big\n</logfile>"),
            ":8: 'big' is no value for 'max-size': expected a size such as 512, 64KB, 10MB or 2GB",
        ),
        ("<zeo>".to_owned(), ":1: <zeo> is never ended"),
    ] {
        assert_eq!(message(&text), format!("zeo.conf{expected}"), "{text}");
    }
}
