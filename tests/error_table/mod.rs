//! What happens to a message that goes wrong: each row of the table in `docs/compatibility.md`, as
//! seen by a publisher that uses raw frames and by one that uses the native client. The tests read
//! the document, so that it cannot say anything that is not tested.

mod document;
mod publisher;
mod scenarios;

use self::{document::Row, publisher::Publisher};

/// Defines a test for each scenario, and a list of their rows.
macro_rules! rows {
    ($($scenario:ident: $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];

        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let expected = Row::named($name);
                let raw = scenarios::$scenario(Publisher::Raw).await;
                let ours = scenarios::$scenario(Publisher::Ours).await;
                assert_eq!(Row::seen($name, raw, ours), expected);
            }
        )*
    };
}

rows! {
    no_subscriber: "nobody subscribes",
    subscriber_leaves: "the subscriber leaves with the message",
    subscriber_is_silent: "the subscriber is silent",
    node_is_gone: "the subscriber's node is gone",
    node_is_silent: "the subscriber's node is silent",
    too_long_for_the_subscribers_node: "longer than the subscriber's node takes",
    subscriber_refuses: "the subscriber refuses",
    subscriber_has_its_own_code: "the subscriber answers with a code of its own",
    subscriber_cannot_decode: "the subscriber cannot decode",
    subscriber_gives_no_reply: "the subscriber takes a request and gives no reply",
    reply_too_long: "the reply is longer than the subscriber's node takes",
    subscriber_panics: "the subscriber panics with the message",
    too_much_in_flight: "too much in flight at the node",
    over_bandwidth: "over the node's outgoing bandwidth limit",
    node_gives_up: "the node's limit for a unicast altogether",
    publisher_gives_up: "the publisher's own deadline",
    too_long_for_the_publishers_node: "longer than the publisher's node takes",
    empty_body: "malformed: empty body",
    length_byte_of_zero: "malformed: length byte 0 (a topic of 255 bytes)",
    topic_beyond_the_body: "malformed: topic beyond the body",
    block_notifications: "addressed to block notifications",
    multicast_without_subscriber: "multicast that nobody subscribes to",
}

#[test]
fn every_row_of_the_document_is_tested() {
    let rows = document::rows();
    let written: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(written, NAMES);
}
