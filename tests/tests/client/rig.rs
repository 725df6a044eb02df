//! A server of either maker in either encoding, and clients of it.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use zeolith_core::wire::Codec;
use zeolith_net::{Client, ClientOptions};
use zeolith_tests::server::{Config, Home, Maker, Server};

/// Nothing takes so long unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a story is told about.
#[derive(Debug)]
pub struct Rig {
    pub maker: Maker,
    pub config: Config,
    pub home: Home,
    server: Option<Server>,
}

impl Rig {
    /// The server's address.
    pub fn address(&self) -> &str {
        self.server.as_ref().expect("a server that runs").address()
    }

    /// A client's options, everything as by default but the patience.
    pub fn options(&self) -> ClientOptions {
        ClientOptions::new(self.address())
            .expect("an address")
            .wait_timeout(PATIENCE)
            .reconnect(Duration::from_millis(20), Duration::from_millis(100))
    }

    /// A client that is ready.
    pub async fn client(&self) -> Client {
        Client::connect(self.options()).await.expect("a server that serves")
    }

    /// Ends the server, which stays away until it is started again.
    pub fn stop(&mut self) {
        self.server.take().expect("a server that runs").end();
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.server.take().expect("a server that runs").kill();
    }

    /// Lets the server do nothing, or go on.
    pub fn freeze(&self, frozen: bool) {
        let id = self.server.as_ref().expect("a server that runs").id();
        let pid = Pid::from_raw(i32::try_from(id).expect("a process number")).expect("a process number");
        kill_process(pid, if frozen { Signal::STOP } else { Signal::CONT }).expect("a child of ours");
    }

    /// Starts a server over the same files.
    pub fn start(&mut self) {
        self.server = Some(Server::start_as(self.maker, &self.home, &self.config));
    }

    /// One more server beside the first, with files of its own unless the configuration names the same.
    pub fn another(&self, home: &Home, config: &Config) -> Server {
        Server::start_as(self.maker, home, config)
    }
}

/// Tells a story about a server of its own, which must have nothing to complain of in the end.
pub fn tell(maker: Maker, codec: Codec, unix: bool, story: impl AsyncFnOnce(&mut Rig)) {
    let config = Config { unix, ..Config::new(codec) };
    let home = Home::new();
    let server = Some(Server::start_as(maker, &home, &config));
    let mut rig = Rig { maker, config, home, server };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE * 2, story(&mut rig)).await.expect("a story with an end");
    });
    if let Some(server) = rig.server.take() {
        server.stop();
    }
}

/// A test of each story with the servers of both makers in both encodings, on a port; or on a unix socket, where a server
/// that is started again is found again.
macro_rules! stories {
    (on a socket: $($name:ident),* $(,)?) => { $($crate::rig::stories!(one $name, true);)* };
    ($($name:ident),* $(,)?) => { $($crate::rig::stories!(one $name, false);)* };
    (one $name:ident, $unix:literal) => {
        mod $name {
            use zeolith_core::wire::Codec;
            use zeolith_tests::server::Maker;

            #[test]
            fn with_python_in_pickle() {
                $crate::rig::tell(Maker::Python, Codec::Pickle, $unix, super::$name);
            }

            #[test]
            fn with_python_in_msgpack() {
                $crate::rig::tell(Maker::Python, Codec::Msgpack, $unix, super::$name);
            }

            #[test]
            fn with_zeolith_in_pickle() {
                $crate::rig::tell(Maker::Zeolith, Codec::Pickle, $unix, super::$name);
            }

            #[test]
            fn with_zeolith_in_msgpack() {
                $crate::rig::tell(Maker::Zeolith, Codec::Msgpack, $unix, super::$name);
            }
        }
    };
}
pub(crate) use stories;
