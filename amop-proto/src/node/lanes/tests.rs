use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::*;
use crate::channel::{Frame, FrameType, Seq};
use crate::p2p::{Assembled, FragmentAssembler, PeerCodec, PeerFrame, mesh, packet, protocol};

const LONG: usize = 32 << 20;

fn message(name: u32, len: usize) -> PeerMessage {
    PeerFrame {
        protocol: protocol::AMOP,
        packet: packet::MULTICAST,
        seq: name,
        body: Bytes::from(vec![name as u8; len]),
    }
    .into()
}

fn session(n: u64) -> Lane {
    Lane::session(SessionId(n))
}

/// A link between overlay nodes.
fn link() -> LinkQueue {
    let mut queue = LinkQueue::default();
    queue.allow_fragments();
    queue
}

/// Writes batches until a frame has left, and returns how many bytes were written up to its end.
fn bytes_until(queue: &mut LinkQueue, name: u32) -> usize {
    let mut written = 0;
    loop {
        let batch = queue.take();
        assert!(!batch.is_empty(), "{name} never left");
        for piece in batch {
            written += piece.message.wire_len();
            let frame = &piece.message.frame;
            if frame.protocol != protocol::EXTENSION && frame.seq == name {
                return written;
            }
        }
    }
}

/// Writes everything, reads it at the other end, and returns the frames' names in the order in
/// which they become whole.
fn arrivals(queue: &mut LinkQueue) -> Vec<u32> {
    let codec = PeerCodec::new(usize::MAX);
    let mut assembler = FragmentAssembler::<()>::new(LONG * 2, Duration::MAX);
    let (mut wire, mut names) = (BytesMut::new(), Vec::new());
    loop {
        let batch = queue.take();
        if batch.is_empty() {
            assert!(queue.is_empty() && !assembler.is_busy());
            return names;
        }
        for piece in batch {
            let rest = codec.encode_message(&piece.message, &mut wire);
            wire.extend_from_slice(&rest);
            let frame = codec.decode(&mut wire).unwrap().unwrap();
            let frame = if FragmentAssembler::<()>::is_fragment(&frame) {
                match assembler.take(Instant::now(), frame, |_| Some(())).unwrap() {
                    Assembled::Whole(frame) => frame,
                    Assembled::Nothing => continue,
                    refused => panic!("{refused:?}"),
                }
            } else {
                frame
            };
            assert!(frame.body.iter().all(|&byte| byte == frame.seq as u8));
            names.push(frame.seq);
        }
    }
}

#[test]
fn a_short_message_waits_for_two_batches_whatever_others_have_queued() {
    for hogs in [1, 8, 60] {
        let mut queue = link();
        for n in 0..hogs {
            for _ in 0..2 {
                queue.push(session(n), message(7, LONG));
            }
        }
        // The writer has started.
        queue.take();
        queue.push(session(1000), message(1, 300));
        let waited = bytes_until(&mut queue, 1);
        assert!(waited <= 2 * BATCH, "{hogs} hogs: {waited} bytes");
    }
}

#[test]
fn senders_with_much_to_send_get_equal_parts() {
    let mut queue = link();
    for n in 0..4 {
        queue.push(session(n), message(7, LONG));
    }
    let len = 16 * 1024;
    for name in 100..200 {
        queue.push(session(1000), message(name, len));
    }
    let written = bytes_until(&mut queue, 199);
    let own = 100 * len;
    assert!(written <= 6 * own, "{written} bytes for {own}");
    assert!(
        written >= 4 * own,
        "the others were kept waiting: {written}"
    );
}

#[test]
fn control_is_first_and_does_not_keep_messages_waiting_for_ever() {
    let mut queue = link();
    for n in 0..10 {
        queue.push(session(n), message(7, LONG));
    }
    queue.take();
    queue.push(Lane::Control, message(1, 10));
    let first = queue.take().pop_front().unwrap();
    assert_eq!((first.lane, first.message.frame.seq), (Lane::Control, 1));
    for _ in 0..200 {
        queue.push(Lane::Control, message(2, 10_000));
    }
    let batch = queue.take();
    let control = batch.iter().filter(|piece| piece.lane == Lane::Control);
    assert!((10..200).contains(&control.count()));
    assert!(batch.iter().any(|piece| piece.lane != Lane::Control));
}

#[test]
fn a_flow_keeps_its_order_long_or_short() {
    let mut queue = link();
    let lens = [10, 3 * FRAGMENT, 20, LONG / 8, FRAGMENT, FRAGMENT + 1, 5];
    for (name, len) in (1..).zip(lens) {
        queue.push(session(1), message(name, len));
        queue.push(session(2), message(100 + name, len / 2 + 1));
    }
    let names = arrivals(&mut queue);
    let of = |range: std::ops::Range<u32>| -> Vec<u32> {
        names
            .iter()
            .copied()
            .filter(|name| range.contains(name))
            .collect()
    };
    assert_eq!(of(1..8), (1..8).collect::<Vec<_>>());
    assert_eq!(of(101..108), (101..108).collect::<Vec<_>>());
    assert_eq!(names.len(), 14);
}

#[test]
fn flows_of_one_neighbour_share_its_turn() {
    let mut queue = link();
    // One neighbour brings messages of a hundred nodes, another those of one node.
    for source in 0..100 {
        queue.push(
            Lane::relayed(PeerId(1), RoutingKey(source), b""),
            message(7, 1 << 20),
        );
    }
    queue.push(
        Lane::relayed(PeerId(2), RoutingKey(1), b""),
        message(1, 3 * FRAGMENT),
    );
    let mut of_second = 0;
    let mut written = 0;
    while of_second < 3 * FRAGMENT {
        for piece in queue.take() {
            written += piece.counts;
            if piece.lane == Lane::relayed(PeerId(2), RoutingKey(1), b"") {
                of_second += piece.counts;
            }
        }
    }
    assert!(written <= 10 * FRAGMENT, "{written}");
}

#[test]
fn neighbours_of_one_agency_have_one_turn() {
    let mut queue = link();
    let group = |sender: Sender| match sender {
        Sender::Peer(PeerId(n)) if n < 100 => Group { agency: 1, key: n },
        _ => Group { agency: 2, key: 0 },
    };
    for n in 0..100 {
        queue.push_of(Lane::peer(PeerId(n)), message(7, 1 << 20), group);
    }
    let other = Lane::peer(PeerId(100));
    queue.push_of(other, message(1, 3 * FRAGMENT), group);
    assert!(bytes_until_counts(&mut queue, other, 3 * FRAGMENT) <= 10 * FRAGMENT);
}

/// Writes batches until this much of a lane has left, and returns how much was written in total.
fn bytes_until_counts(queue: &mut LinkQueue, lane: Lane, wanted: usize) -> usize {
    let (mut of_lane, mut written) = (0, 0);
    while of_lane < wanted {
        for piece in queue.take() {
            written += piece.counts;
            of_lane += if piece.lane == lane { piece.counts } else { 0 };
        }
    }
    written
}

#[test]
fn a_neighbour_cannot_open_lanes_without_end() {
    let mut queue = link();
    let mut lanes: HashMap<Lane, ()> = HashMap::default();
    for n in 0..10 * FLOWS {
        let lane = Lane::relayed(
            PeerId(1),
            RoutingKey(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            b"",
        );
        lanes.insert(lane, ());
        queue.push(lane, message(7, FRAGMENT));
    }
    assert!(lanes.len() as u64 <= FLOWS, "{}", lanes.len());
}

#[test]
fn what_leaves_counts_as_much_as_was_queued() {
    for allowed in [true, false] {
        let mut queue = LinkQueue::default();
        if allowed {
            queue.allow_fragments();
        }
        let mut expected: HashMap<Lane, usize> = HashMap::default();
        for n in 0..200u32 {
            let lane =
                [Lane::Control, session(1), session(2), Lane::peer(PeerId(3))][n as usize % 4];
            let mut message = message(n, n as usize * 3000);
            if n % 3 == 0 {
                message.tail = Bytes::from(vec![0; n as usize * 1000]);
            }
            *expected.entry(lane).or_default() += message.wire_len();
            queue.push(lane, message);
        }
        let mut counted: HashMap<Lane, usize> = HashMap::default();
        while !queue.is_empty() {
            for piece in queue.take() {
                *counted.entry(piece.lane).or_default() += piece.counts;
            }
        }
        assert_eq!(counted, expected, "{allowed}");
        // Nothing is kept.
        queue.take();
        assert!(queue.waiting.turns.is_empty() && queue.cuts.open == 0);
    }
}

#[test]
fn towards_other_nodes_one_frame_is_the_bound() {
    let mut queue = LinkQueue::default();
    for n in 0..10 {
        queue.push(session(n), message(7, LONG));
    }
    queue.take();
    queue.push(session(1000), message(1, 300));
    let waited = bytes_until(&mut queue, 1);
    assert!(waited <= LONG + BATCH, "{waited}");
    let fragments = queue
        .take()
        .into_iter()
        .filter(|piece| piece.message.frame.protocol == protocol::EXTENSION);
    assert_eq!(fragments.count(), 0);
}

#[test]
fn no_more_frames_are_open_than_the_other_end_takes() {
    let mut queue = link();
    for n in 0..(MAX_OPEN as u64 + 50) {
        queue.push(session(n), message(7, 3 * FRAGMENT));
    }
    let mut open: HashMap<u32, usize> = HashMap::default();
    let mut whole = 0;
    while !queue.is_empty() {
        for piece in queue.take() {
            if piece.message.frame.packet != mesh::packet::FRAGMENT {
                whole += 1;
                continue;
            }
            let left = open.entry(piece.message.frame.seq).or_insert(3);
            *left -= 1;
            if *left == 0 {
                open.remove(&piece.message.frame.seq);
            }
            assert!(open.len() <= MAX_OPEN);
        }
    }
    assert_eq!(whole, 50);
}

#[test]
fn a_relay_lets_a_topic_pass_another_one_of_the_same_node() {
    let frame = |topic: &[u8]| {
        let frame = Frame::amop(FrameType::UNICAST, Seq([b'0'; 32]), topic, b"payload");
        frame.to_bytes()
    };
    let lane = |topic: &[u8]| Lane::relayed(PeerId(1), RoutingKey(9), &frame(topic));
    assert_eq!(lane(b"a"), lane(b"a"));
    assert_ne!(lane(b"a"), lane(b"b"));
    assert_ne!(
        lane(b"a"),
        Lane::relayed(PeerId(1), RoutingKey(8), &frame(b"a"))
    );
    // A frame that is cut short or has no topic has a lane, too.
    let whole = frame(b"a");
    for len in 0..whole.len() {
        Lane::relayed(PeerId(1), RoutingKey(9), &whole[..len]);
    }
    let mut queue = link();
    for _ in 0..4 {
        queue.push(lane(b"long"), message(7, LONG));
    }
    queue.take();
    queue.push(lane(b"short"), message(1, 300));
    assert!(bytes_until(&mut queue, 1) <= 2 * BATCH);
}

/// Puts session `n` into agency `n / 1000`, with key `n / 100`.
fn group(sender: Sender) -> Group {
    let Sender::Session(SessionId(n)) = sender else {
        panic!("only sessions send here");
    };
    Group {
        agency: n / 1000,
        key: n / 100,
    }
}

/// Returns how many bytes of each session leave until `total` bytes have left.
fn parts(queue: &mut LinkQueue, total: usize) -> HashMap<u64, usize> {
    let mut parts: HashMap<u64, usize> = HashMap::default();
    let mut sum = 0;
    while sum < total {
        for piece in queue.take() {
            let Lane::Messages { from, .. } = piece.lane else {
                continue;
            };
            let Sender::Session(SessionId(n)) = from else {
                continue;
            };
            sum += piece.counts;
            *parts.entry(n).or_default() += piece.counts;
        }
    }
    parts
}

#[test]
fn an_agency_with_many_sessions_has_one_turn_and_so_has_each_of_its_keys() {
    let mut queue = link();
    // Agency 0: 99 sessions with one key, 1 with another. Agency 1: one session.
    let sessions = (1..100).chain([100, 1000]);
    let one = message(7, FRAGMENT);
    for n in sessions {
        for _ in 0..600 {
            queue.push_of(session(n), one.clone(), group);
        }
    }
    let total = 64 << 20;
    let parts = parts(&mut queue, total);
    let near = |n: u64, part: usize| {
        let own = parts[&n];
        assert!(own.abs_diff(part) < total / 20, "{n}: {own} of {part}");
    };
    near(1000, total / 2);
    near(100, total / 4);
    let others: usize = (1..100).map(|n| parts.get(&n).copied().unwrap_or(0)).sum();
    assert!(others.abs_diff(total / 4) < total / 20, "{others}");
    // The sessions of one key take turns.
    let each = (1..100).map(|n| parts.get(&n).copied().unwrap_or(0));
    assert!(each.clone().min() > Some(0) && each.max() < Some(total / 100));
}

#[test]
fn what_is_short_is_next_where_nothing_of_its_agency_waits() {
    let mut queue = link();
    let long = message(7, LONG);
    for n in 0..50 {
        queue.push_of(session(n), long.clone(), group);
    }
    queue.take();
    queue.push_of(session(1000), message(1, 300), group);
    let waited = bytes_until(&mut queue, 1);
    assert!(waited <= 2 * BATCH, "{waited} bytes");
    // Within the agency, it goes first when it is the agency's turn.
    queue.push_of(session(60), message(2, 300), group);
    let waited = bytes_until(&mut queue, 2);
    assert!(waited <= 3 * BATCH, "{waited} bytes");
}
