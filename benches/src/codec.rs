//! Frames of both protocols, written into a buffer and cut out of one.

use std::hint::black_box;

use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, Seq},
    p2p::{
        PeerCodec, PeerFrame,
        mesh::{RoutingKey, UnicastHeader, packet},
        protocol,
    },
};
use bytes::BytesMut;

use super::{Case, Operation};

pub(crate) static CASES: &[Case] = &[
    Case::new("codec.channel.encode/16", 1000, || channel_encode(16)),
    Case::new("codec.channel.encode/256", 1000, || channel_encode(256)),
    Case::new("codec.channel.encode/16384", 1000, || channel_encode(16384)),
    Case::new("codec.channel.decode/16", 1000, || channel_decode(16)),
    Case::new("codec.channel.decode/256", 1000, || channel_decode(256)),
    Case::new("codec.channel.decode/16384", 1000, || channel_decode(16384)),
    Case::new("codec.p2p.encode/16", 1000, || p2p_encode(16)),
    Case::new("codec.p2p.encode/256", 1000, || p2p_encode(256)),
    Case::new("codec.p2p.encode/16384", 1000, || p2p_encode(16384)),
    Case::new("codec.p2p.decode/16", 1000, || p2p_decode(16)),
    Case::new("codec.p2p.decode/256", 1000, || p2p_decode(256)),
    Case::new("codec.p2p.decode/16384", 1000, || p2p_decode(16384)),
];

fn message(payload: usize) -> Frame {
    let payload = vec![7; payload];
    Frame::amop(FrameType::UNICAST, Seq([b'7'; 32]), b"price.tick", &payload)
}

/// Returns a unicast as sent between overlay nodes.
fn peer_message(payload: usize) -> PeerFrame {
    let header = UnicastHeader {
        source: RoutingKey(1),
        target: RoutingKey(2),
        id: 3,
    };
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet: packet::UNICAST,
        seq: 32,
        body: header.encode(&message(payload)),
    }
}

fn channel_encode(payload: usize) -> Operation {
    let frame = message(payload);
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        black_box(&frame).encode(&mut out);
        black_box(&out);
    })
}

fn channel_decode(payload: usize) -> Operation {
    let wire = message(payload).to_bytes();
    let decoder = FrameDecoder::default();
    let mut buffer = BytesMut::new();
    Box::new(move || {
        // Like a read from the stream.
        buffer.extend_from_slice(&wire);
        let frame = decoder.decode(black_box(&mut buffer));
        assert!(matches!(black_box(frame), Ok(Some(_))));
    })
}

fn p2p_encode(payload: usize) -> Operation {
    let frame = peer_message(payload);
    let codec = PeerCodec::default();
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        codec.encode(black_box(&frame), &mut out);
        black_box(&out);
    })
}

fn p2p_decode(payload: usize) -> Operation {
    let codec = PeerCodec::default();
    let mut wire = BytesMut::new();
    codec.encode(&peer_message(payload), &mut wire);
    let mut buffer = BytesMut::new();
    Box::new(move || {
        buffer.extend_from_slice(&wire);
        let frame = codec.decode(black_box(&mut buffer));
        assert!(matches!(black_box(frame), Ok(Some(_))));
    })
}
