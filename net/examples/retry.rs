//! Reads, changes and writes with retries: `retry ADDRESS OID TIMES` has four tasks add to the same number, which stands in
//! the object as text.
//!
//! A transaction is based on what was read. When somebody else was faster it ends in a conflict, and nothing has happened: one
//! reads again and makes the change anew.

use std::error::Error as AnyError;

use zeolith_net::{Client, ClientOptions, Error, Oid, Tid};

const TASKS: u64 = 4;

/// Adds one; returns the transaction and how many attempts were in vain.
async fn increment(client: &Client, oid: Oid) -> Result<(Tid, u64), Box<dyn AnyError + Send + Sync>> {
    let mut retries = 0;
    loop {
        let read = client.load(oid).await?;
        let number: u64 = std::str::from_utf8(&read.data)?.parse()?;
        let mut transaction = client.begin();
        transaction.note("one more").store(oid, read.serial, (number + 1).to_string());
        match transaction.commit().await {
            Ok(tid) => return Ok((tid, retries)),
            // A round trip, so that the next attempt is not based on what is known to be old.
            Err(Error::Conflict(_)) => client.sync().await?,
            // Nothing was committed: the same again.
            Err(Error::Lost(_)) => {}
            Err(error) => return Err(error.into()),
        }
        retries += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn AnyError + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, oid, times] = &arguments[..] else { return Err("retry ADDRESS OID TIMES".into()) };
    let (oid, times) = (Oid(oid.parse()?), times.parse::<u64>()?);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        // With clients of their own they compete as programs do.
        let client = Client::connect(ClientOptions::new(address)?.client_label("retry")).await?;
        tasks.spawn(async move {
            let mut retries = 0;
            for _ in 0..times {
                retries += increment(&client, oid).await?.1;
            }
            Ok::<_, Box<dyn AnyError + Send + Sync>>(retries)
        });
    }
    let mut retries = 0;
    while let Some(task) = tasks.join_next().await {
        retries += task??;
    }
    println!("{} increments, {retries} retried", TASKS * times);
    Ok(())
}
