use super::*;
use crate::testing::FakeHost;

const CONF: &str = "\
<zeo>
  address localhost:9100
  transaction-timeout 60
  pid-filename /run/zeo.pid
</zeo>
<filestorage main>
  path main.fs
</filestorage>
";

fn with_file(text: &str) -> (ServeArgs, FakeHost) {
    let arguments = ServeArgs { configure: Some("zeo.conf".into()), ..ServeArgs::default() };
    (arguments, FakeHost::default().file("zeo.conf", text))
}

#[test]
fn without_arguments_a_local_data_fs_is_served_to_this_machine() {
    let expected = ServeOptions {
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 8100 },
        tls: None,
        storages: vec![data_fs(1, "./Data.fs".into())],
        read_only: false,
        serve_damaged: false,
        msgpack: false,
        invalidation_queue: 100.into(),
        transaction_timeout: None,
        pid_file: None,
        merged: Vec::new(),
        log: Default::default(),
        notices: vec![],
    };
    assert_eq!(resolve(ServeArgs::default(), &FakeHost::default()), Ok(expected));
}

#[test]
fn files_named_on_the_command_line_are_numbered() {
    let arguments = ServeArgs { filename: vec!["a.fs".into(), "b.fs".into()], ..ServeArgs::default() };
    let storages = resolve(arguments, &FakeHost::default()).unwrap().storages;
    assert_eq!(storages, [data_fs(1, "a.fs".into()), data_fs(2, "b.fs".into())]);
    assert_eq!((&*storages[0].name, &*storages[1].name), ("1", "2"));
}

#[test]
fn the_command_line_overrides_the_file() {
    let (arguments, host) = with_file(CONF);
    let arguments = ServeArgs {
        address: Some("8200".parse().unwrap()),
        filename: vec!["x.fs".into()],
        timeout: Some(Duration::from_secs(5)),
        pid_file: Some("my.pid".into()),
        ..arguments
    };
    let options = resolve(arguments, &host).unwrap();
    assert_eq!(options.address.to_string(), ":8200");
    assert_eq!(options.storages, [data_fs(1, "x.fs".into())]);
    assert_eq!(options.transaction_timeout, Some(Duration::from_secs(5)));
    assert_eq!(options.pid_file, Some("my.pid".into()));
}

#[test]
fn what_the_command_line_leaves_out_comes_from_the_file() {
    let (arguments, host) = with_file(CONF);
    let options = resolve(arguments, &host).unwrap();
    assert_eq!(
        (options.address.to_string(), &*options.storages[0].name),
        ("localhost:9100".to_owned(), "main")
    );
    assert_eq!(options.transaction_timeout, Some(Duration::from_secs(60)));
    assert_eq!(options.pid_file, Some("/run/zeo.pid".into()));
}

#[test]
fn the_environment_turns_msgpack_on_unless_the_file_decides() {
    let msgpack = |line: &str, value: &str| {
        let (arguments, host) = with_file(&CONF.replace("</zeo>", &format!("{line}\n</zeo>")));
        resolve(arguments, &host.variable("ZEO_MSGPACK", value)).unwrap().msgpack
    };
    assert!(msgpack("", "1"));
    assert!(msgpack("", "0"), "as for runzeo, anything but nothing means yes");
    assert!(!msgpack("", ""));
    assert!(!msgpack("msgpack no", "1"));
    assert!(msgpack("msgpack yes", ""));
}

#[test]
fn an_instance_has_its_pid_file_in_var() {
    let host = FakeHost::default().variable("INSTANCE_HOME", "/srv/zeo");
    let options = resolve(ServeArgs::default(), &host).unwrap();
    assert_eq!(options.pid_file, Some("/srv/zeo/var/ZEO.pid".into()));
}

#[test]
fn a_read_only_server_leaves_no_pid_file() {
    let (arguments, host) = with_file(&CONF.replace("<zeo>", "<zeo>\nread-only on"));
    let options = resolve(arguments, &host.variable("INSTANCE_HOME", "/srv/zeo")).unwrap();
    assert_eq!((options.read_only, options.pid_file), (true, None));
}

#[test]
fn a_timeout_is_a_positive_number_of_seconds() {
    assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
    for text in ["0", "-1", "x", "nan", "inf", "1e300"] {
        assert!(seconds(text).is_err(), "{text}");
    }
}

/// Runs in a process of its own: it ends.
#[test]
fn a_panic_on_any_thread_ends_the_process() {
    const CHILD: &str = "ZEOLITH_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        end_at_a_panic(LogThreads::default());
        let _ = std::thread::spawn(|| panic!("an invariant is broken")).join();
        std::process::exit(0);
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve::tests::a_panic_on_any_thread_ends_the_process", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), None, "ended by a signal: {output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("an invariant is broken"), "{output:?}");
}
