//! TLS with the certificates that come with ZEO's own tests: Python's clients at our server, our client at both makers' servers,
//! and who is let in by neither.

mod client;
mod configuration;
mod hostile;
mod python;

use std::path::PathBuf;

use zeolith_core::wire::Codec;
use zeolith_tests::python::package;
use zeolith_tests::server::Config;

/// A file of ZEO's own tests.
fn file(name: &str) -> PathBuf {
    package("ZEO/tests").join(name)
}

/// A server that lets in who has the client's certificate.
fn config(codec: Codec) -> Config {
    Config { tls: Some(file("client.pem")), ..Config::new(codec) }
}
