//! Neighbours for which others would have to wait.

use std::time::Duration;

use amop_proto::{
    channel::{Frame, FrameType},
    p2p::mesh::packet,
};

use super::LIAR;
use crate::support::{Link, Net, Sdk, hello, node_id, taken};

fn heartbeat(net: &mut Net, sdk: Sdk) -> bool {
    net.send_body(sdk, FrameType::HEARTBEAT, b"0");
    answered(net, sdk)
}

fn answered(net: &mut Net, sdk: Sdk) -> bool {
    let is = |frame: &Frame| frame.kind == FrameType::HEARTBEAT;
    net.inbox(sdk).iter().any(is)
}

#[test]
fn a_mute_peer_delays_a_subscription_once_and_not_again() {
    let mut net = Net::new(1);
    let mute = net.overlay_peer(0, LIAR, &[]);
    let sdk = net.subscriber(0, &["first"]);
    assert!(!heartbeat(&mut net, sdk));
    net.secs(1);
    assert!(answered(&mut net, sdk));
    for topic in ["second", "third"] {
        net.subscribe(sdk, &[topic]);
        assert!(heartbeat(&mut net, sdk), "{topic}");
    }
    // The same when it connects again, whatever it states.
    net.cut(mute);
    let again = net.raw_peer(0, node_id(LIAR), false);
    net.subscribe(sdk, &["fourth"]);
    assert!(heartbeat(&mut net, sdk));
    net.peer_send(again, hello());
    net.subscribe(sdk, &["fifth"]);
    assert!(heartbeat(&mut net, sdk));
}

/// Subscribes, asks, and lets a neighbour acknowledge after some time; returns how long the answer
/// took.
fn delay(net: &mut Net, sdk: Sdk, peer: Link, late: Duration, topic: &str) -> Duration {
    const STEP: Duration = Duration::from_millis(10);
    net.peer_inbox(peer);
    net.subscribe(sdk, &[topic]);
    net.send_body(sdk, FrameType::HEARTBEAT, b"0");
    let start = net.elapsed();
    let mut acknowledged = false;
    let mut delay = None;
    for _ in 0..200 {
        let passed = net.elapsed() - start;
        if passed >= late && !acknowledged {
            acknowledged = true;
            let told = net.peer_inbox(peer).into_iter();
            let told = told.filter(|frame| frame.packet == packet::RECORDS);
            for frame in told.collect::<Vec<_>>() {
                net.peer_send(peer, taken(frame.seq));
            }
        }
        if answered(net, sdk) {
            delay.get_or_insert(passed);
        }
        net.advance(STEP);
    }
    net.peer_send(peer, hello());
    delay.expect("an answer")
}

#[test]
fn a_peer_that_acknowledges_slowly_delays_subscriptions_by_a_second_a_minute() {
    for late in [400, 900] {
        let late = Duration::from_millis(late);
        let mut net = Net::new(1);
        let slow = net.overlay_peer(0, LIAR, &[]);
        let sdk = net.sdk(0);
        let mut delays = Vec::new();
        // This takes two minutes.
        for n in 0..60 {
            delays.push(delay(&mut net, sdk, slow, late, &format!("topic {n}")));
        }
        let sum: Duration = delays.iter().sum();
        // One second in each of the two minutes, plus the part by which the last delay exceeds it.
        assert!(sum <= Duration::from_secs(2) + 4 * late, "{delays:?}");
        assert!(sum >= late, "{delays:?}");
    }
}

#[test]
fn a_peer_that_acknowledges_in_time_is_waited_for_each_time() {
    let late = Duration::from_millis(80);
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 7, &[]);
    let sdk = net.sdk(0);
    for n in 0..100 {
        let delay = delay(&mut net, sdk, peer, late, &format!("topic {n}"));
        assert!(delay >= late, "{n}: {delay:?}");
    }
}
