//! What a server keeps for its clients, for whoever looks for what was left behind.

use super::Server;

/// What a server keeps: nothing of it stays when no client waits for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Transactions and locks, each with whose it is.
    pub transactions: Vec<String>,
    /// Buffers, operations, iterations and room on the disk, each with whose it is.
    pub rest: Vec<String>,
}

pub(super) fn held(server: &Server) -> Held {
    let mut held = Held::default();
    server.storages.iter().for_each(|storage| storage.hold(&mut held));
    for (conn, session) in &server.sessions {
        for (number, what) in [
            (session.buffered(), "bytes of a message that is not whole"),
            (server.out.unsent(*conn), "bytes that it did not take"),
            (server.out.intake(*conn), "bytes of blobs that wait to be written"),
            (server.out.under_way(*conn), "operations under way"),
        ] {
            if number > 0 {
                held.rest.push(format!("connection {} has {number} {what}", conn.0));
            }
        }
    }
    held
}
