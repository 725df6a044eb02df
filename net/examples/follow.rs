//! Follows what is committed to a storage, by whomever: `follow ADDRESS` prints a line for each transaction.
//!
//! A program that keeps something of its own in step with a storage (an index, a web page) does it like this: it reads what it
//! needs from a snapshot, and then every change from there on.

use std::error::Error;
use std::io::Write;

use zeolith_net::{Change, Client, ClientOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("follow ADDRESS")?;
    let client = Client::connect(ClientOptions::new(&address)?.client_label("follow")).await?;
    let (snapshot, mut changes) = client.follow().await?;
    let mut out = std::io::stdout();
    writeln!(out, "following from {}", snapshot.tid())?;
    while let Some(change) = changes.next().await {
        match change {
            Change::Objects { tid, oids } => {
                let oids: Vec<String> = oids.iter().map(ToString::to_string).collect();
                writeln!(out, "{tid}: {}", oids.join(" "))?;
            }
            // After a long time without a connection, or when this program is too slow.
            Change::Everything { tid } => writeln!(out, "{tid}: anything may have changed")?,
        }
        out.flush()?;
    }
    Ok(())
}
