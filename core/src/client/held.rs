//! What a client keeps for those who asked, for whoever looks for what was left behind.

use super::Client;

pub(super) fn held(client: &Client) -> Vec<String> {
    let mut all = vec![
        (client.desk.questions(), "questions that are not answered"),
        (client.waiting.len(), "questions that wait for a connection"),
        (client.loads.under_way(), "loads under way"),
        (client.commits.under_way(), "transactions under way"),
        (client.oids.waiting(), "callers that wait for an oid"),
        (client.blobs.under_way(), "blobs under way"),
        (client.browse.under_way(), "questions under way"),
        (client.browse.iterations(), "iterations"),
    ];
    if let Some(link) = client.connector.chosen_link().filter(|link| link.is_ready()) {
        all.extend([
            (link.owed(), "answers that the server owes"),
            (link.kept(), "invalidations that are kept"),
            (link.buffered(), "bytes of a message that is not whole"),
        ]);
    }
    let all = all.into_iter().filter(|(number, _)| *number > 0);
    all.map(|(number, what)| format!("{number} {what}")).collect()
}
