//! The parts of answers that a node omits for native clients: answers to quiet multicasts, and
//! bodies.

use crate::support::{Net, Sdk, config, inner, multicast, seq, spread};
use amop_proto::channel::{
    Frame, FrameType, HandshakeRequest, HandshakeResponse, NO_ACK, result_code,
};
use bytes::Bytes;

const TOPIC: &str = "hello";

/// Does the handshake with this name and returns whether the node supports quiet multicasts.
fn shake_hands(net: &mut Net, sdk: Sdk, client_type: &str) -> bool {
    let request = HandshakeRequest {
        client_type: client_type.into(),
        ..HandshakeRequest::native()
    };
    net.send(sdk, request.to_frame(seq(9999)));
    let response = HandshakeResponse::parse(&net.only(sdk).body).unwrap();
    response.quiet_multicasts
}

fn native_client(net: &mut Net) -> Sdk {
    let sdk = net.sdk(0);
    let native = HandshakeRequest::native().client_type;
    assert!(shake_hands(net, sdk, &native));
    sdk
}

fn quiet(n: u64, payload: &str) -> Frame {
    Frame {
        result: NO_ACK,
        ..multicast(n, TOPIC, payload)
    }
}

#[test]
fn it_reaches_everybody_as_a_plain_one_and_is_not_answered() {
    let mut net = Net::mesh(2);
    let publisher = native_client(&mut net);
    let subscribers = [0, 1].map(|node| net.subscriber(node, &[TOPIC]));
    let real = net.fisco_peer(0, 6, TOPIC);
    let ours = net.overlay_peer(0, 5, &[(TOPIC, 1)]);
    net.send(publisher, quiet(1, "to all"));
    let plain = multicast(1, TOPIC, "to all");
    for subscriber in subscribers {
        assert_eq!(net.only(subscriber), plain);
    }
    assert_eq!(inner(&net.peer_only(real)), plain);
    assert_eq!(spread(&net.peer_only(ours)).1, plain);
    net.nothing(publisher);
    // The next normal one is answered, which confirms both.
    let asking = multicast(2, TOPIC, "and again");
    net.send(publisher, asking.clone());
    let answer = asking.respond(result_code::SUCCESS, Bytes::new());
    assert_eq!(net.only(publisher), answer);
}

#[test]
fn a_refused_one_is_answered_at_once() {
    let mut config = config(0);
    config.limits.outgoing_bandwidth = Some(1000);
    let mut net = Net::with([config]);
    let publisher = native_client(&mut net);
    net.fisco_peer(0, 6, TOPIC);
    let long = "x".repeat(600);
    let frames = [1, 2, 3].map(|n| quiet(n, &long));
    for frame in frames.clone() {
        net.send(publisher, frame);
    }
    let refusals: Vec<Frame> = net.inbox(publisher);
    let refused = |frame: &Frame| frame.respond(result_code::OVER_LIMIT, Bytes::new());
    assert_eq!(refusals, [refused(&frames[1]), refused(&frames[2])]);
}

#[test]
fn to_other_sdks_the_result_means_nothing() {
    for name in [None, Some("Go-SDK")] {
        let mut net = Net::new(1);
        let publisher = net.sdk(0);
        if let Some(name) = name {
            assert!(!shake_hands(&mut net, publisher, name));
        }
        let subscriber = net.subscriber(0, &[TOPIC]);
        let request = quiet(1, "as it is");
        net.send(publisher, request.clone());
        let echo = request.respond(result_code::SUCCESS, request.body.clone());
        assert_eq!(net.only(publisher), echo);
        assert_eq!(net.only(subscriber), request);
    }
}

#[test]
fn a_unicast_has_nothing_to_do_with_it() {
    let mut net = Net::new(1);
    let publisher = native_client(&mut net);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = Frame {
        kind: FrameType::UNICAST,
        ..quiet(1, "to one")
    };
    net.send(publisher, request.clone());
    assert_eq!(net.only(subscriber), request);
}

#[test]
fn what_nobody_took_comes_back_whole_to_other_sdks_only() {
    let mut net = Net::new(1);
    let (native, other) = (native_client(&mut net), net.sdk(0));
    let subscriber = net.subscriber(0, &[TOPIC]);
    for (publisher, whole) in [(native, false), (other, true)] {
        let request = Frame {
            kind: FrameType::UNICAST,
            ..multicast(1, TOPIC, "to one")
        };
        net.send(publisher, request.clone());
        let pushed = net.only(subscriber);
        net.send(
            subscriber,
            pushed.respond(result_code::NO_SESSION, Bytes::new()),
        );
        let body = if whole {
            request.body.clone()
        } else {
            Bytes::new()
        };
        assert_eq!(
            net.only(publisher),
            request.respond(result_code::NO_SESSION, body)
        );
    }
}
