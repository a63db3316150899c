//! Messages that a lying node sends: in the names of others, altered, repeated, or invented.

use amop_proto::{
    channel::Frame,
    node::NodeNotice,
    p2p::{
        self, PeerFrame,
        mesh::{
            self, MulticastHeader, Record, RelayedMulticastHeader, RoutingKey, Seal, UnicastHeader,
            packet,
        },
        protocol,
    },
};

use super::{FAR, LIAR, TOPIC, counters, distance, forged, with_liar, with_limits};
use crate::support::{
    Link, Net, change, extension, hello, key, multicast, node_id, peer_frame, records, relayed,
    relayed_envelope, relayed_multicast, reply, signed_records, state, stub, unicast, with_header,
};

/// Returns the id that the network uses for a FISCO node's multicast.
fn name_of(message: &Frame) -> u64 {
    let digest = mesh::content_digest(&message.to_bytes());
    u64::from_be_bytes(digest[..8].try_into().unwrap()) | 1 << 63
}

/// Returns a multicast to a neighbour, in the name of `source`.
fn direct(source: usize, id: u64, message: &Frame) -> PeerFrame {
    let spread = MulticastHeader {
        source: key(source),
        id,
        targets: Vec::new(),
    };
    extension(packet::MULTICAST, 32, spread.encode(message))
}

#[test]
fn what_a_neighbour_sends_in_the_name_of_others_is_not_taken() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.peer_inbox(liar);
    let header = UnicastHeader {
        source: key(FAR),
        target: key(0),
        id: 7,
    };
    let request = unicast(1, TOPIC, "");
    net.peer_send(
        liar,
        extension(packet::UNICAST, 32, header.encode(&request)),
    );
    let spread = MulticastHeader {
        source: key(FAR),
        id: 7,
        targets: Vec::new(),
    };
    let message = multicast(2, TOPIC, "");
    net.peer_send(
        liar,
        extension(packet::MULTICAST, 32, spread.encode(&message)),
    );
    // It is sealed with the liar's own key, or with none.
    let names = (LIAR, FAR, 0);
    let forged = relayed_multicast(names, (7, 1 << 30), &message);
    net.peer_send(liar, forged);
    let true_one = relayed(packet::RELAYED_UNICAST, (FAR, 0), (7, 1 << 30), &request);
    let mut altered = true_one.body.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, altered));
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 4);
    // The forged messages have not used up anything.
    net.peer_send(liar, true_one.clone());
    assert_eq!(net.only(subscriber), request);
    let spread = relayed_multicast((FAR, FAR, 0), (7, (1 << 30) + 1), &message);
    net.peer_send(liar, spread.clone());
    assert_eq!(net.only(subscriber), message);
    // It is delivered only once, however often and however late it is repeated.
    for seconds in [0, 200] {
        for _ in 0..seconds {
            net.peer_send(liar, hello());
            net.secs(1);
        }
        net.peer_send(liar, true_one.clone());
        net.peer_send(liar, spread.clone());
        net.nothing(subscriber);
    }
}

/// A relay sends what waits for a path, and what was on a link that was cut. It must not vouch for it
/// because it names the relay.
#[test]
fn a_relay_does_not_take_what_waits_for_its_own() {
    for cut_before in [true, false] {
        let mut net = Net::new(2);
        net.connect(0, 1);
        let liar = net.overlay_peer(0, LIAR, &[]);
        net.peer_send(liar, records(1, &[state(LIAR, 500, &[0], &[])]));
        let subscriber = net.subscriber(1, &[TOPIC]);
        net.wire_held = true;
        if cut_before {
            net.cut_between(0, 1);
        }
        let seal = Seal {
            counter: 1 << 40,
            mac: [7; 16],
        };
        let spread = RelayedMulticastHeader {
            voucher: key(0),
            source: key(0),
            id: 7,
            targets: vec![(key(1), seal)],
        };
        let body = spread.encode(&multicast(1, TOPIC, "forged"));
        net.peer_send(liar, extension(packet::RELAYED_MULTICAST, 32, body));
        if !cut_before {
            net.lose_wire();
            net.cut_between(0, 1);
        }
        net.wire_held = false;
        net.connect(0, 1);
        net.secs(2);
        net.nothing(subscriber);
    }
}

#[test]
fn no_counter_is_so_high_that_it_stops_the_node_or_uses_others_up() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = unicast(1, TOPIC, "");
    let message = multicast(2, TOPIC, "");
    let two_years = 2 * 365 * 24 * 3600 * 1_000_000;
    let high = [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 62, 2 * two_years];
    for (n, counter) in high.into_iter().enumerate() {
        let id = 100 + n as u64;
        let sealed = relayed(packet::RELAYED_UNICAST, (FAR, 0), (id, counter), &request);
        net.peer_send(liar, sealed);
        let sealed = relayed_multicast((FAR, FAR, 0), (id, counter - 1), &message);
        net.peer_send(liar, sealed);
    }
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 10);
    let sealed = relayed(packet::RELAYED_UNICAST, (FAR, 0), (7, 1 << 30), &request);
    net.peer_send(liar, sealed);
    assert_eq!(net.only(subscriber), request);
}

#[test]
fn what_a_relay_kept_is_not_taken_again_when_its_source_was_forgotten_meanwhile() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let kept = [
        relayed(
            packet::RELAYED_UNICAST,
            (FAR, 0),
            (7, 1 << 30),
            &unicast(1, TOPIC, ""),
        ),
        relayed_multicast((FAR, FAR, 0), (8, (1 << 30) + 1), &multicast(2, TOPIC, "")),
    ];
    for message in &kept {
        net.peer_send(liar, message.clone());
        assert_eq!(net.inbox(subscriber).len(), 1);
    }
    net.peer_send(liar, records(5, &[state(LIAR, 501, &[0], &[])]));
    for _ in 0..130 {
        net.peer_send(liar, hello());
        net.secs(1);
    }
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 1);
    let back = [
        state(LIAR, 502, &[0, FAR], &[]),
        state(FAR, 500, &[LIAR], &[]),
    ];
    net.peer_send(liar, records(6, &back));
    assert_eq!(distance(&net, FAR), Some(2));
    for message in kept {
        net.peer_send(liar, message);
        net.nothing(subscriber);
    }
}

#[test]
fn messages_for_invented_nodes_are_counted_and_leave_nothing_behind() {
    let (mut net, liar) = with_liar(&[]);
    let before = format!("{:?}", net.nodes[0].machine.router()).len();
    for n in 20..250 {
        let request = unicast(1, TOPIC, "");
        let names = (FAR, n);
        net.peer_send(
            liar,
            relayed(packet::RELAYED_UNICAST, names, (7, 9), &request),
        );
        let message = multicast(2, TOPIC, "");
        let names = (FAR, FAR, n);
        net.peer_send(liar, relayed_multicast(names, (7, 9), &message));
    }
    assert_eq!(counters(&net).undeliverable, 2 * 230);
    let after = format!("{:?}", net.nodes[0].machine.router()).len();
    assert!(after < before + 1000, "{before} to {after} bytes of state");
    let misbehaves = |notice: &NodeNotice| matches!(notice, NodeNotice::PeerMisbehaves { .. });
    assert!(net.notices(0).iter().any(misbehaves));
}

#[test]
fn a_sealed_message_is_for_one_target_one_way() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = unicast(1, TOPIC, "");
    // A message for another node, or an answer, is not a request to this node.
    let for_other = relayed(packet::RELAYED_UNICAST, (FAR, 7), (7, 1 << 30), &request);
    let mut body = for_other.body.to_vec();
    body[8..16].copy_from_slice(&key(0).0.to_be_bytes());
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, body));
    let answer = relayed(packet::RELAYED_ANSWER, (FAR, 0), (7, 1 << 30), &request);
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, answer.body));
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 2);
}

#[test]
fn an_answer_is_taken_from_the_node_that_was_asked() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let other = net.overlay_peer(0, 7, &[]);
    let publisher = net.sdk(0);
    net.peer_inbox(liar);
    net.send(publisher, unicast(1, TOPIC, ""));
    let asked = net.peer_only(liar);
    let (header, request) = relayed_envelope(&asked, packet::RELAYED_UNICAST);
    assert_eq!(header.target, key(FAR));
    let id = header.id;
    let lie = reply(&request, "a lie");
    for (link, source) in [(liar, FAR), (liar, LIAR), (other, 7), (other, FAR)] {
        let header = UnicastHeader {
            source: key(source),
            target: key(0),
            id,
        };
        net.peer_send(link, extension(packet::ANSWER, 32, header.encode(&lie)));
    }
    let sealed = relayed(packet::RELAYED_ANSWER, (7, 0), (id, 1 << 30), &lie);
    net.peer_send(other, sealed);
    net.nothing(publisher);
    let truth = reply(&request, "the truth");
    let sealed = relayed(packet::RELAYED_ANSWER, (FAR, 0), (id, 1 << 30), &truth);
    net.peer_send(liar, sealed);
    assert_eq!(net.only(publisher), truth);
}

#[test]
fn a_fisco_node_is_a_destination_of_its_border_and_nothing_else() {
    let (mut net, liar) = with_liar(&[]);
    let real = 9;
    let stubs = [stub(real, LIAR, 1, &[("real", 1)])];
    net.peer_send(liar, records(3, &stubs));
    let stub_key = RoutingKey::stub(&node_id(real), &node_id(LIAR));
    let own = Record {
        neighbours: Some(vec![key(0), key(FAR), stub_key]),
        ..change(LIAR, 501, 500, &[])
    };
    net.peer_send(liar, records(4, &[own]));
    net.peer_inbox(liar);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, "real", ""));
    // The target is one link away, so no seal is needed.
    let (header, _) = with_header(&net.peer_only(liar), packet::UNICAST);
    assert_eq!(header.target, stub_key);
    // The liar may send in the name of this FISCO node, but not of another one.
    let subscriber = net.subscriber(0, &[TOPIC]);
    let message = multicast(2, TOPIC, "");
    let from = |source: usize, id| direct(source, id, &message);
    let name = name_of(&message);
    net.peer_send(liar, from(real, name));
    assert_eq!(net.only(subscriber), message);
    net.peer_send(liar, from(8, name));
    let far = relayed_multicast((FAR, real, 0), (name, 1 << 30), &message);
    net.peer_send(liar, far);
    net.nothing(subscriber);
    // A stub that another node has signed is not accepted.
    let lie = forged(&stub(8, FAR, 1, &[("lie", 1)]), LIAR);
    net.peer_send(liar, signed_records(5, &[lie]));
    assert!(net.link(liar).closed.is_some());
}

/// A FISCO node that the liar, the node behind it and an honest neighbour announce as their
/// neighbour.
const FISCO: usize = 9;

fn with_three_borders() -> (Net, Link, Link) {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.overlay_peer(0, 7, &[]);
    for border in [LIAR, FAR] {
        net.peer_send(liar, records(3, &[stub(FISCO, border, 1, &[])]));
    }
    net.peer_send(honest, records(3, &[stub(FISCO, 7, 1, &[])]));
    (net, liar, honest)
}

#[test]
fn nobody_uses_the_name_of_a_fisco_nodes_multicast_up_for_another() {
    for payload in ["", &"long ".repeat(1000)] {
        let (mut net, liar, honest) = with_three_borders();
        let subscriber = net.subscriber(0, &[TOPIC]);
        let truth = multicast(1, TOPIC, payload);
        let lie = multicast(1, TOPIC, &format!("{payload}!"));
        let name = name_of(&truth);
        net.peer_send(liar, direct(FISCO, name, &lie));
        let relayed =
            |counter, message| relayed_multicast((FAR, FISCO, 0), (name, counter), message);
        net.peer_send(liar, relayed(1 << 30, &lie));
        // The id of another message, or a counted id, is not accepted either.
        for id in [name_of(&lie) ^ 1, 1 << 63, name ^ 1 << 63, 7] {
            net.peer_send(liar, direct(FISCO, id, &lie));
        }
        net.nothing(subscriber);
        assert_eq!(counters(&net).unproven, 6);
        net.peer_send(honest, direct(FISCO, name, &truth));
        assert_eq!(net.only(subscriber), truth);
        // It is one message, whichever path it takes.
        net.peer_send(liar, direct(FISCO, name, &truth));
        net.peer_send(liar, relayed((1 << 30) + 1, &truth));
        net.nothing(subscriber);
        assert_eq!(counters(&net).unproven, 6);
    }
}

/// A node counts the ids of its own multicasts; an id derived from the content is not accepted for
/// them.
#[test]
fn a_node_has_no_names_for_its_own_multicasts() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let message = multicast(1, TOPIC, "");
    let name = name_of(&message);
    net.peer_send(liar, direct(LIAR, name, &message));
    net.peer_send(
        liar,
        relayed_multicast((FAR, FAR, 0), (name, 1 << 30), &message),
    );
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 2);
}

#[test]
fn a_fisco_node_next_to_this_one_is_not_silenced_by_who_says_it_is_next_to_it() {
    let mut net = with_limits(|config| {
        config.stubs.insert(node_id(FISCO));
    });
    let liar = net.overlay_peer(0, LIAR, &[]);
    net.peer_send(liar, records(3, &[stub(FISCO, LIAR, 1, &[])]));
    let fisco = net.fisco_peer(0, FISCO, TOPIC);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let truth = multicast(1, TOPIC, "true");
    let lie = multicast(1, TOPIC, "a lie");
    net.peer_send(liar, direct(FISCO, name_of(&truth), &lie));
    net.nothing(subscriber);
    let own = peer_frame(protocol::AMOP, p2p::packet::MULTICAST, 0, truth.to_bytes());
    net.peer_send(fisco, own);
    assert_eq!(net.only(subscriber), truth);
}
