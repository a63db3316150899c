use super::*;
use crate::p2p::{
    FRAGMENT, PeerMessage,
    fragment::{Cutting, SHORT},
};
use bytes::BufMut;

fn frame(len: usize) -> PeerFrame {
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet: mesh::packet::MULTICAST,
        seq: 32,
        body: (0..len).map(|n| (n % 251) as u8).collect(),
    }
}

/// Returns the fragments of a frame.
fn cut(number: u32, message: PeerMessage) -> Vec<PeerFrame> {
    let mut cutting = Cutting::new(number, message);
    let mut fragments = Vec::new();
    loop {
        let (message, _, last) = cutting.next();
        fragments.push(message.joined());
        if last {
            return fragments;
        }
    }
}

fn assembler() -> FragmentAssembler<()> {
    FragmentAssembler::new(1 << 20, Duration::from_secs(60))
}

fn take(
    assembler: &mut FragmentAssembler<()>,
    fragment: PeerFrame,
) -> Result<Assembled, FragmentError> {
    assembler.take(Instant::now(), fragment, |_| Some(()))
}

/// Returns a fragment with these parts.
fn fragment(number: u32, offset: u32, first: Option<(u32, i32, u16)>, len: usize) -> PeerFrame {
    let mut body = BytesMut::new();
    body.put_u32(offset);
    if let Some((total, protocol, packet)) = first {
        body.put_u32(total);
        body.put_i32(protocol);
        body.put_u16(packet);
        body.put_u32(9);
    }
    body.put_bytes(1, len);
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet: mesh::packet::FRAGMENT,
        seq: number,
        body: body.freeze(),
    }
}

#[test]
fn a_frame_is_the_same_again_wherever_its_parts_meet() {
    let frame = frame(3 * FRAGMENT + 5);
    for split in [
        0,
        1,
        66,
        SHORT,
        SHORT + 1,
        FRAGMENT,
        2 * FRAGMENT + 7,
        frame.body.len(),
    ] {
        let message = PeerMessage {
            frame: PeerFrame {
                body: frame.body.slice(..split),
                ..frame.clone()
            },
            tail: frame.body.slice(split..),
        };
        let fragments = cut(7, message);
        let mut assembler = assembler();
        let (last, others) = fragments.split_last().unwrap();
        for fragment in others {
            assert!(fragment.body.len() <= FRAGMENT + 18);
            let taken = take(&mut assembler, fragment.clone());
            assert_eq!(taken, Ok(Assembled::Nothing));
        }
        let taken = take(&mut assembler, last.clone());
        assert_eq!(taken, Ok(Assembled::Whole(frame.clone())), "{split}");
        assert!(!assembler.is_busy() && assembler.bytes() == 0);
    }
}

#[test]
fn fragments_share_the_memory_of_what_was_sent() {
    let tail = Bytes::from(vec![7; 2 * FRAGMENT]);
    let start = tail.as_ptr();
    let message = PeerMessage {
        frame: frame(66),
        tail,
    };
    let (first, ..) = Cutting::new(1, message).next();
    assert_eq!(first.tail.as_ptr(), start);
}

#[test]
fn what_no_overlay_node_sends_is_an_error() {
    let head = Some((100, protocol::EXTENSION, mesh::packet::UNICAST));
    let nested = Some((100, protocol::EXTENSION, mesh::packet::FRAGMENT));
    let huge = Some((2 << 20, protocol::EXTENSION, mesh::packet::UNICAST));
    let empty = Some((0, protocol::EXTENSION, mesh::packet::UNICAST));
    let out_of_place = |number, offset, expected| FragmentError::OutOfPlace {
        number,
        offset,
        expected,
    };
    let (max, len) = (1 << 20, 2 << 20);
    for (fragments, error) in [
        (vec![fragment(1, 5, None, 5)], out_of_place(1, 5, 0)),
        (vec![fragment(1, 0, None, 5)], FragmentError::Malformed),
        (vec![fragment(1, 0, nested, 5)], FragmentError::Malformed),
        (vec![fragment(1, 0, empty, 0)], FragmentError::Malformed),
        (vec![fragment(1, 0, head, 0)], FragmentError::Malformed),
        (vec![fragment(1, 0, head, 101)], FragmentError::Malformed),
        (
            vec![fragment(1, 0, huge, 5)],
            FragmentError::TooLong { len, max },
        ),
        (
            vec![fragment(1, 0, head, 5), fragment(1, 0, head, 5)],
            out_of_place(1, 0, 5),
        ),
        (
            vec![fragment(1, 0, head, 5), fragment(1, 4, None, 5)],
            out_of_place(1, 4, 5),
        ),
        (
            vec![fragment(1, 0, head, 5), fragment(1, 6, None, 5)],
            out_of_place(1, 6, 5),
        ),
        (
            vec![fragment(1, 0, head, 5), fragment(1, 5, None, 0)],
            FragmentError::Malformed,
        ),
        (
            vec![fragment(1, 0, head, 5), fragment(1, 5, None, 96)],
            FragmentError::Malformed,
        ),
    ] {
        let mut assembler = assembler();
        let (last, others) = fragments.split_last().unwrap();
        for fragment in others {
            take(&mut assembler, fragment.clone()).unwrap();
        }
        assert_eq!(
            take(&mut assembler, last.clone()),
            Err(error),
            "{fragments:?}"
        );
    }
    let mut short = fragment(1, 0, head, 0);
    for len in 0..18 {
        short.body.truncate(18);
        let fragment = PeerFrame {
            body: short.body.slice(..len),
            ..short.clone()
        };
        assert!(take(&mut assembler(), fragment).is_err(), "{len}");
    }
    let mut assembler = assembler();
    for number in 0..MAX_OPEN as u32 {
        take(&mut assembler, fragment(number, 0, head, 5)).unwrap();
    }
    let one_more = fragment(u32::MAX, 0, head, 5);
    assert_eq!(
        take(&mut assembler, one_more),
        Err(FragmentError::TooManyOpen)
    );
}

#[test]
fn a_frame_without_room_is_dropped_whole_and_the_next_one_is_taken() {
    let frame = frame(3 * FRAGMENT);
    let mut assembler = assembler();
    let mut fragments = cut(1, frame.clone().into()).into_iter();
    let first = fragments.next().unwrap();
    let refused = assembler.take(Instant::now(), first, |_| None).unwrap();
    assert!(matches!(refused, Assembled::Refused { total, .. } if total == 3 * FRAGMENT));
    for fragment in fragments {
        let taken = assembler.take(Instant::now(), fragment, |_| panic!("asked again"));
        assert_eq!(taken, Ok(Assembled::Nothing));
    }
    assert!(!assembler.is_busy() && assembler.bytes() == 0);
    let taken = cut(1, frame.clone().into())
        .into_iter()
        .map(|fragment| take(&mut assembler, fragment).unwrap());
    assert_eq!(taken.last(), Some(Assembled::Whole(frame)));
}

#[test]
fn a_frame_that_does_not_go_on_gives_its_room_back() {
    let room = std::rc::Rc::new(());
    let mut assembler = FragmentAssembler::new(1 << 20, Duration::from_secs(60));
    let start = Instant::now();
    let mut fragments = cut(1, frame(3 * FRAGMENT).into()).into_iter();
    let first = fragments.next().unwrap();
    assembler
        .take(start, first, |_| Some(room.clone()))
        .unwrap();
    assert_eq!(assembler.give_up(start + Duration::from_secs(59)), 0);
    assert_eq!(std::rc::Rc::strong_count(&room), 2);
    assert_eq!(assembler.give_up(start + Duration::from_secs(60)), 1);
    assert_eq!(std::rc::Rc::strong_count(&room), 1);
    assert_eq!(assembler.bytes(), 0);
    // Later fragments of the frame are not an error, and no frame results from them.
    for fragment in fragments {
        let taken = assembler.take(start, fragment, |_| None);
        assert_eq!(taken, Ok(Assembled::Nothing));
    }
    assert!(!assembler.is_busy());
}
