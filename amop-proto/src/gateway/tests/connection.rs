//! The life of a connection (gateway-v3 sections 3 and 8).

use std::io;

use super::*;

fn kinds(packets: &[GatewayPacket]) -> Vec<PacketType> {
    packets.iter().map(|packet| packet.kind).collect()
}

#[test]
fn the_handshake_is_the_first_packet() {
    let mut tested = Tested::new(config(1));
    let sent = tested.sent();
    assert_eq!(kinds(&sent), [PacketType::HANDSHAKE]);
    assert_eq!((sent[0].version, sent[0].seq, sent[0].ext), (0, 2, 0));
    assert_eq!(sent[0].payload, handshake(3));
    assert_eq!(tested.peer.version(), None);
}

#[test]
fn the_lower_maximum_is_the_version() {
    for own in 0..=4 {
        for other in 0..=9 {
            let config = config(1).with(|config| config.max_version = own);
            let mut tested = Tested::new(config);
            assert_eq!(tested.sent()[0].payload, handshake(own.min(3)));
            tested.send(0, PacketType::HANDSHAKE, handshake(other));
            let version = own.min(other).min(3);
            assert_eq!(tested.peer.version(), Some(version));
            let events = tested.events();
            assert!(events.contains(&GatewayEvent::Negotiated { version }));
            // From here on all packets have it.
            let sent = tested.sent();
            assert!(!sent.is_empty());
            assert!(sent.iter().all(|packet| packet.version == version));
        }
    }
}

#[test]
fn handshakes_after_the_first_one_change_nothing() {
    let mut tested = Tested::ready(2);
    for maximum in [2, 1, 0, 3, -1] {
        let range = VersionRange {
            minimum: maximum.min(0),
            maximum,
        };
        tested.send(0, PacketType::HANDSHAKE, range.encode());
    }
    tested.send(0, PacketType::HANDSHAKE, Bytes::new());
    assert_eq!(tested.peer.counters().forged, 6);
    assert_eq!(tested.peer.version(), Some(2));
    assert_eq!(tested.events(), []);
    assert_eq!(tested.sent(), []);
}

#[test]
fn ranges_without_a_common_version_end_the_connection() {
    for (minimum, maximum) in [(4, 9), (2, 1), (-3, -1)] {
        let mut tested = Tested::new(config(1));
        tested.sent();
        let range = VersionRange { minimum, maximum };
        tested.send(0, PacketType::HANDSHAKE, range.encode());
        let reason = GatewayCloseReason::NoCommonVersion {
            minimum,
            maximum,
            own: 3,
        };
        assert_eq!(tested.events().pop(), Some(GatewayEvent::Closed(reason)));
        assert!(tested.peer.is_closed());
    }
}

#[test]
fn a_handshake_that_cannot_be_read_ends_the_connection() {
    let mut tested = Tested::new(config(1));
    tested.send(0, PacketType::HANDSHAKE, Bytes::from_static(&[0x10, 1]));
    let reason = GatewayCloseReason::BadHandshake(TarsError::Missing { tag: 2 });
    assert_eq!(tested.events().pop(), Some(GatewayEvent::Closed(reason)));
}

#[test]
fn a_connection_to_oneself_is_refused() {
    let peer = GatewayPeer::<u32>::new(config(1), node(1), &topics(&[]), Instant::now());
    assert_eq!(peer.unwrap_err(), OwnConnection);
}

#[test]
fn heartbeats_and_numbers_are_sent_regularly() {
    let mut tested = Tested::ready(3);
    let mut sent = Vec::new();
    for _ in 0..30 {
        tested.pass(Duration::from_secs(1));
        tested.send(0, PacketType::HEARTBEAT, Bytes::new());
        sent.extend(tested.sent());
    }
    let count = |kind| sent.iter().filter(|packet| packet.kind == kind).count();
    assert_eq!(count(PacketType::HEARTBEAT), 6);
    assert_eq!(count(PacketType::AMOP), 15);
    assert_eq!(count(PacketType::ROUTER_SEQ), 10);
    assert_eq!(sent.len(), 31);
    for packet in sent {
        match packet.kind {
            // Always of version 0 and with seq 0.
            PacketType::HEARTBEAT => {
                assert_eq!((packet.version, packet.seq), (0, 0));
                assert!(packet.payload.is_empty());
            }
            // Neighbours only: without ids.
            PacketType::ROUTER_SEQ => {
                assert_eq!((packet.version, packet.route), (3, PacketRoute::default()));
                assert_eq!(packet.payload, 1_u32.to_be_bytes()[..]);
            }
            _ => {
                assert_eq!(packet.version, 3);
                assert_eq!(packet.route.src, id(1).0[..]);
                assert_eq!(packet.route.dst, id(2).0[..]);
                assert_eq!(packet.route.ttl, INITIAL_TTL);
            }
        }
    }
    assert!(!tested.peer.is_closed());
}

#[test]
fn a_neighbour_that_sends_nothing_is_given_up_after_60_s() {
    let mut tested = Tested::ready(1);
    tested.pass(Duration::from_secs(30));
    tested.sent();
    // Parts of a packet are signs of life.
    tested.peer.note_activity(tested.now);
    for _ in 0..59 {
        tested.pass(Duration::from_secs(1));
        tested.sent();
    }
    assert_eq!(tested.events(), []);
    tested.pass(Duration::from_secs(1));
    let closed = GatewayEvent::Closed(GatewayCloseReason::Silent);
    assert_eq!(tested.events(), [closed]);
    assert_eq!(tested.peer.next_timeout(), None);
}

#[test]
fn a_neighbour_that_reads_nothing_is_given_up_after_60_s() {
    let mut tested = Tested::ready(1);
    // The first announcement is due after 2 s.
    for _ in 0..61 {
        tested.pass(Duration::from_secs(1));
        tested.send(0, PacketType::HEARTBEAT, Bytes::new());
    }
    assert_eq!(tested.events(), []);
    tested.pass(Duration::from_secs(1));
    let closed = GatewayEvent::Closed(GatewayCloseReason::NotReading);
    assert_eq!(tested.events(), [closed]);
}

#[test]
fn nothing_follows_the_end() {
    let ends: [fn(&mut GatewayPeer<u32>); 4] = [
        GatewayPeer::close,
        GatewayPeer::handle_eof,
        |peer| peer.handle_io_error(&io::ErrorKind::ConnectionReset.into()),
        |peer| peer.handle_packet_error(GatewayPacketError::IdBeyondPacket),
    ];
    for end in ends {
        let mut tested = Tested::ready(1);
        tested.unicast(2, 1).unwrap();
        assert_eq!(tested.sent().len(), 1);
        tested.unicast(2, 2).unwrap();
        tested.peer.multicast(tested.now, id(2), BODY).unwrap();
        end(&mut tested.peer);
        let events = tested.events();
        // The second one was not written, and is not written any more.
        let outcome = GatewayOutcome::Unsent;
        assert_eq!(events[0], GatewayEvent::Finished { token: 2, outcome });
        let outcome = GatewayOutcome::Disconnected;
        assert_eq!(events[1], GatewayEvent::Finished { token: 1, outcome });
        assert!(matches!(events[2], GatewayEvent::Closed(_)));
        assert_eq!(events.len(), 3);
        // The multicast may still be written.
        let (_, message) = tested.sent_messages().pop().unwrap();
        assert_eq!(message.kind, GatewayMessageKind::MULTICAST);
        assert_eq!(tested.peer.queued_bytes(), 0);

        end(&mut tested.peer);
        tested.announce(3, 1);
        tested.pass(Duration::from_secs(100));
        assert_eq!(tested.unicast(2, 2), Err(GatewaySendError::Closed));
        let refused = tested.peer.multicast(tested.now, id(2), BODY);
        assert_eq!(refused, Err(GatewaySendError::Closed));
        assert_eq!(tested.events(), []);
        assert_eq!(tested.sent(), []);
    }
}

#[test]
fn packets_that_do_not_concern_amop_are_ignored() {
    let mut tested = Tested::ready(1);
    for _ in 0..1000 {
        tested.send(1, PacketType::SYNC_NODE_SEQ, Bytes::from_static(&[0; 4]));
    }
    assert_eq!(tested.peer.counters(), GatewayCounters::default());
    for kind in [0, 3, 4, 5, 6, 13, 999] {
        tested.send(1, PacketType(kind), Bytes::from_static(b"consensus"));
    }
    // An answer that is not flagged as one.
    tested.send(1, PacketType::REPLY, Bytes::new());
    assert_eq!(tested.peer.counters().ignored, 8);
    assert_eq!(tested.events(), []);
    assert_eq!(tested.sent(), []);
}

#[test]
fn packets_for_other_nodes_are_not_passed_on() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    tested.sent();
    tested.events();
    let mut packet = message(3, 9, GatewayMessageKind::UNICAST, BODY);
    packet.route.dst = raw(4);
    tested.peer.handle_packet(tested.now, packet.clone());
    assert_eq!(tested.peer.counters().misrouted, 1);
    assert_eq!((tested.sent(), tested.events()), (vec![], vec![]));

    // All names of this node are its own.
    for dst in [raw(1), Bytes::copy_from_slice(&id(1).0), Bytes::new()] {
        packet.route.dst = dst;
        tested.peer.handle_packet(tested.now, packet.clone());
        assert_eq!(tested.events().len(), 1);
    }
}

#[test]
fn errors_with_causes_show_each_of_them_once() {
    let list = GatewayTopicListError::Malformed("the\nmark".to_owned());
    let errors: [(&(dyn std::error::Error + 'static), &str); 4] = [
        (
            &GatewayNotice::TopicsRefused {
                id: id(2),
                source: list,
            },
            "the\\nmark",
        ),
        (
            &GatewayNotice::TableRefused(TarsError::TooDeep.into()),
            "nested",
        ),
        (
            &GatewayCloseReason::BadHandshake(TarsError::NegativeCount),
            "negative",
        ),
        (
            &GatewayCloseReason::BadPacket(CompressionError::Damaged.into()),
            "zstd",
        ),
    ];
    for (error, cause) in errors {
        let shown = crate::log::with_causes(error).to_string();
        assert_eq!(shown.matches(cause).count(), 1, "{shown}");
        assert!(!error.to_string().contains(cause), "{error}");
        assert!(!shown.chars().any(char::is_control), "{shown}");
    }
}

/// A FISCO node closes a connection if it has not written anything for 60 s (gateway-v3 section 3).
#[test]
fn a_neighbour_that_reads_a_long_packet_slowly_is_not_given_up() {
    let mut tested = Tested::ready(1);
    // The owner writes one packet, and others wait.
    tested.unicast(2, 1).unwrap();
    tested.peer.poll_packet(tested.now).unwrap();
    for _ in 0..10 {
        tested.pass(Duration::from_secs(50));
        tested.send(0, PacketType::HEARTBEAT, Bytes::new());
        tested.peer.note_written(tested.now);
    }
    assert!(!tested.peer.is_closed());
    for _ in 0..2 {
        tested.pass(Duration::from_secs(30));
        tested.send(0, PacketType::HEARTBEAT, Bytes::new());
    }
    let closed = GatewayEvent::Closed(GatewayCloseReason::NotReading);
    assert_eq!(tested.events().pop(), Some(closed));
}
