//! Our client, at the servers of both makers.

use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_net::tls::ClientTls;
use zeolith_net::{Change, Client, ClientOptions, Oid, Tid};
use zeolith_tests::server::{Config, Home, Maker, Server};

use crate::{config, file};

const PATIENCE: Duration = Duration::from_secs(60);

/// The client that servers know.
fn known() -> ClientTls {
    ClientTls::new()
        .certificate(file("client.pem"))
        .key(file("client_key.pem"))
        .authenticate(file("server.pem"))
        .server_hostname("zodb.org")
}

fn options(server: &Server) -> ClientOptions {
    ClientOptions::new(server.address()).expect("an address").wait_timeout(PATIENCE)
}

async fn client(server: &Server, tls: ClientTls) -> Client {
    Client::connect(options(server).tls(tls)).await.expect("a server that serves")
}

/// Why a client is not let in, or does not go in.
async fn refusal(server: &Server, tls: Option<ClientTls>) -> String {
    let options = options(server).wait_timeout(Duration::from_secs(3));
    let options = tls.into_iter().fold(options, ClientOptions::tls);
    Client::connect(options).await.expect_err("a refusal").to_string()
}

fn tell(maker: Maker, config: &Config, story: impl AsyncFnOnce(&Server)) {
    let home = Home::new();
    let server = Server::start_as(maker, &home, config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE * 2, story(&server)).await.expect("a story with an end");
    });
    server.stop();
}

async fn store(client: &Client, oid: Oid, serial: Tid, data: Vec<u8>) -> Tid {
    let mut transaction = client.begin();
    transaction.store(oid, serial, data);
    transaction.commit().await.expect("a commit that nothing stands against")
}

/// Small and large objects, and what others commit.
async fn works(server: &Server) {
    let (writer, reader) = (client(server, known()).await, client(server, known()).await);
    let (_, mut changes) = reader.follow().await.expect("a snapshot");
    let mut serials = Vec::new();
    for size in [1, 100, 16_384, 1_000_000, 30_000_000] {
        let oid = writer.new_oid().await.expect("an oid");
        let data: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let tid = store(&writer, oid, Tid::ZERO, data.clone()).await;
        assert_eq!(changes.next().await, Some(Change::Objects { tid, oids: vec![oid] }));
        let found = reader.load(oid).await.expect("what was committed");
        assert!(found.serial == tid && found.data == data, "{size} bytes");
        serials.push((oid, tid));
    }
    // Many answers at once.
    let fresh = client(server, known()).await;
    fresh.prefetch(serials.iter().map(|(oid, _)| *oid)).await.expect("answers");
    for (oid, tid) in serials {
        assert_eq!(fresh.load(oid).await.expect("what was committed").serial, tid);
    }
}

#[test]
fn the_client_works_with_python_in_pickle() {
    tell(Maker::Python, &config(Codec::Pickle), works);
}

#[test]
fn the_client_works_with_python_in_msgpack() {
    tell(Maker::Python, &config(Codec::Msgpack), works);
}

#[test]
fn the_client_works_with_zeolith_in_pickle() {
    tell(Maker::Zeolith, &config(Codec::Pickle), works);
}

#[test]
fn the_client_works_with_zeolith_in_msgpack() {
    tell(Maker::Zeolith, &config(Codec::Msgpack), works);
}

/// Refusals on both sides, each with its reason.
async fn refuses(server: &Server) {
    let stays = client(server, known()).await;
    let no_name = ClientTls::new()
        .certificate(file("client.pem"))
        .key(file("client_key.pem"))
        .authenticate(file("server.pem"));
    for (tls, expected) in [
        (known().authenticate(file("client.pem")), "neither trusted nor signed by a trusted authority"),
        (known().server_hostname("example.org"), "certificate not valid for name \"example.org\""),
        (no_name.clone(), "certificate not valid for name"),
    ] {
        let said = refusal(server, Some(tls)).await;
        assert!(said.contains(expected), "{said}");
    }
    client(server, no_name.check_hostname(false)).await;
    // Python's server does not always say why.
    refusal(server, Some(ClientTls::new().authenticate(file("server.pem")).server_hostname("zodb.org")))
        .await;
    refusal(server, None).await;
    stays.sync().await.expect("a connection that nobody disturbed");
}

#[test]
fn strangers_and_the_client_part_with_python() {
    tell(Maker::Python, &config(Codec::Pickle), refuses);
}

#[test]
fn strangers_and_the_client_part_with_zeolith() {
    tell(Maker::Zeolith, &config(Codec::Pickle), refuses);
}

#[test]
fn a_client_that_speaks_tls_leaves_a_server_that_does_not() {
    for maker in [Maker::Python, Maker::Zeolith] {
        tell(maker, &Config::new(Codec::Pickle), async |server| {
            let said = refusal(server, Some(known())).await;
            assert!(said.contains("TLS handshake failed: the peer does not speak TLS"), "{said}");
            Client::connect(options(server)).await.expect("a server that serves on");
        });
    }
}

#[test]
fn a_client_whose_files_are_wrong_says_which() {
    tell(Maker::Zeolith, &config(Codec::Pickle), async |server| {
        for (tls, expected) in [
            (known().key(file("serverpw_key.pem")), "serverpw_key.pem: the key is encrypted"),
            (known().key("missing.pem"), "missing.pem: No such file"),
            (known().server_hostname("no name"), "'no name' is no name of a server"),
        ] {
            let said = refusal(server, Some(tls)).await;
            assert!(said.contains(expected), "{said}");
        }
    });
}

#[test]
fn a_url_is_enough_for_a_command() {
    tell(Maker::Zeolith, &config(Codec::Pickle), async |server| {
        let writer = client(server, known()).await;
        store(&writer, Oid(0), Tid::ZERO, b"cpersistent.mapping\nPersistentMapping\n.}.".to_vec()).await;
        let path = |name| file(name).display().to_string();
        let url = format!(
            "zeo://{}?certificate={}&key={}&authenticate={}&server-hostname=zodb.org",
            server.address(),
            path("client.pem"),
            path("client_key.pem"),
            path("server.pem")
        );
        let mut command = std::process::Command::new(zeolith_tests::server::zeolith());
        let output = command.args(["history", &url, "0x0"]).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{said}");
    });
}

#[test]
fn the_bench_measures_a_server_that_speaks_tls() {
    tell(Maker::Zeolith, &config(Codec::Pickle), async |server| {
        let mut command = std::process::Command::new(zeolith_tests::server::zeolith());
        command.args([
            "bench",
            server.address(),
            "--operations",
            "50",
            "--row",
            "pipelined",
            "--row",
            "commit",
        ]);
        command.args(["--connections", "2", "--size", "100000"]);
        for (option, name) in
            [("--certificate", "client.pem"), ("--key", "client_key.pem"), ("--authenticate", "server.pem")]
        {
            command.arg(option).arg(file(name));
        }
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
