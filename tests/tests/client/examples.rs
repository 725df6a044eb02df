//! The examples that come with the client do what they say.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::create;
use crate::rig::{Rig, stories};

stories! { the_examples_work }

async fn the_examples_work(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, _) = create(&client, "0").await;
    let address = rig.address().to_owned();
    tokio::task::spawn_blocking(move || {
        let example = |name: &str| Command::new(zeolith_tests::server::example(name));
        let mut follow =
            example("follow").arg(&address).stdout(Stdio::piped()).spawn().expect("an example that runs");
        let mut told = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
        let mut line = move || told.next().expect("another line").expect("text");
        assert!(line().starts_with("following from "));
        let retry = example("retry")
            .args([&address, &oid.0.to_string(), "5"])
            .output()
            .expect("an example that runs");
        assert!(retry.status.success(), "{retry:?}");
        let printed = String::from_utf8_lossy(&retry.stdout);
        assert!(printed.contains("20 increments"), "{printed}");
        for _ in 0..20 {
            let line = line();
            assert!(line.ends_with(&format!(": {oid}")), "{line}");
        }
        follow.kill().expect("a child of ours");
        follow.wait().expect("a child of ours");
    })
    .await
    .unwrap();
    client.sync().await.unwrap();
    assert_eq!(client.load(oid).await.unwrap().data, "20");
}
