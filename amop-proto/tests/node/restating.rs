//! Long statements of a node are built outside the machine.

use std::time::Duration;

use crate::support::{Net, Sdk, config, unicast};
use amop_proto::channel::FrameType;

/// Returns a node with so many topics, most of them new, that it lets the shell assemble its
/// statement, which the test does; and a publisher at a neighbour.
fn about_to_restate() -> (Net, Sdk) {
    const MANY: usize = 4000;
    let mut long = config(0);
    long.limits.session_topic_changes = 2 * MANY;
    let mut net = Net::with([long, config(1)]);
    net.connect(0, 1);
    let mut subscribe = |of: &str| {
        let names: Vec<String> = (0..MANY)
            .map(|n| format!("one of the very many topics of the {of} session, number {n}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        net.subscriber(0, &names);
        net.secs(1);
        net.nodes[0].restates_late = true;
    };
    subscribe("one");
    subscribe("other");
    assert_eq!(net.nodes[0].restatements.len(), 1);
    let publisher = net.sdk(1);
    (net, publisher)
}

/// Whether its neighbour knows of a topic.
fn is_stated(net: &mut Net, publisher: Sdk, topic: &str) -> bool {
    let in_flight = net.in_flight();
    net.send(
        publisher,
        unicast(net.elapsed().as_millis() as u64, topic, ""),
    );
    net.inbox(publisher);
    net.in_flight() > in_flight
}

fn answered(net: &mut Net, subscriber: Sdk) -> bool {
    let frames = net.inbox(subscriber);
    frames
        .iter()
        .any(|frame| frame.kind == FrameType::HEARTBEAT)
}

/// Changes wait for it, and a session is told that its topics are known when they are.
#[test]
fn a_long_statement_is_put_together_while_others_have_their_turn() {
    let (mut net, publisher) = about_to_restate();
    let subscribers = ["first", "second"].map(|topic| net.subscriber(0, &[topic]));
    net.secs(1);
    assert!(!is_stated(&mut net, publisher, "first"));
    for subscriber in subscribers {
        net.send_body(subscriber, FrameType::HEARTBEAT, b"0");
        assert!(!answered(&mut net, subscriber));
    }
    net.nodes[0].restates_late = false;
    for restatement in std::mem::take(&mut net.nodes[0].restatements) {
        net.event(0, restatement.carry_out());
    }
    // This is long before the time after which a session is answered although its topics are not
    // known.
    net.advance(Duration::from_millis(200));
    for subscriber in subscribers {
        assert!(answered(&mut net, subscriber));
    }
    net.secs(1);
    let long = ["one", "other"]
        .map(|of| format!("one of the very many topics of the {of} session, number 3999"));
    for topic in ["first", "second", &long[0], &long[1]] {
        assert!(is_stated(&mut net, publisher, topic), "{topic}");
    }
}

/// If the shell does not assemble a statement, the node does so itself after 5 s, and ignores a
/// later one.
#[test]
fn a_long_statement_that_is_not_put_together_does_not_hold_up_changes_for_ever() {
    let (mut net, publisher) = about_to_restate();
    let first = net.subscriber(0, &["first"]);
    net.secs(2);
    assert!(!is_stated(&mut net, publisher, "first"));
    net.secs(4);
    assert!(is_stated(&mut net, publisher, "first"));
    net.send_body(first, FrameType::HEARTBEAT, b"0");
    assert!(answered(&mut net, first));
    net.subscribe(first, &["second"]);
    net.secs(1);
    for restatement in std::mem::take(&mut net.nodes[0].restatements) {
        net.event(0, restatement.carry_out());
    }
    assert!(is_stated(&mut net, publisher, "second"));
    assert!(!is_stated(&mut net, publisher, "first"));
}
