//! Lies in messages: about their source, their destination, and how far they may go.

use std::{io, time::Duration};

use amop_proto::{
    channel::{Frame, FrameType, Seq, frame_topic},
    p2p::{
        NodeId,
        mesh::{
            MulticastHeader, RelayedMulticastHeader, RelayedUnicastHeader, RoutingKey, Seal,
            UnicastHeader, packet,
        },
    },
};
use bytes::{BufMut, Bytes, BytesMut};

use super::{
    super::Tally,
    liar::{Liar, now},
};

/// Returns an invalid seal.
fn no_seal(counter: u64) -> Seal {
    Seal {
        counter,
        mac: [3; 16],
    }
}

pub(super) fn seq(number: u64) -> Seq {
    let mut seq = [b'0'; Seq::LEN];
    seq[..8].copy_from_slice(&number.to_be_bytes());
    Seq(seq)
}

pub(super) fn amop(kind: FrameType, number: u64, topic: &[u8]) -> Frame {
    Frame::new(kind, seq(number), frame_topic(topic, b"a lie"))
}

/// Returns ids that a node may use now: small ones, those of a node that has just started, and any.
fn ids(n: u64) -> [u64; 4] {
    let start = now();
    [
        n,
        start + n,
        start - n * 1000,
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    ]
}

impl Liar {
    /// Sends messages that claim to be allowed to cross any number of links, to existing and
    /// non-existing nodes.
    pub(super) async fn send_in_circles(
        &mut self,
        members: &[NodeId],
        tally: &Tally,
    ) -> io::Result<()> {
        let frame = amop(FrameType::UNICAST, 1, b"bystanders");
        let many = amop(FrameType::MULTICAST, 2, b"bystanders");
        let own = RoutingKey::from(&self.own);
        let mut targets: Vec<RoutingKey> = members.iter().map(RoutingKey::from).collect();
        targets.extend([RoutingKey(0), RoutingKey(u64::MAX), own]);
        for id in 0..100 {
            for (hops, &target) in [u32::MAX, 255, 32, 1, 0].iter().cycle().zip(&targets) {
                let source = RoutingKey::from(&members[0]);
                let header = UnicastHeader { source, target, id };
                let seal = no_seal(id);
                let body = RelayedUnicastHeader { header, seal }.encode(&frame);
                self.say(packet::RELAYED_UNICAST, *hops, body).await?;
                self.say(packet::UNICAST, *hops, header.encode(&frame))
                    .await?;
                tally.done();
            }
            // Each of them many times.
            let targets = targets.iter().cycle().take(1000);
            let spread = RelayedMulticastHeader {
                voucher: own,
                source: own,
                id,
                targets: targets.map(|&key| (key, no_seal(id))).collect(),
            };
            self.say(packet::RELAYED_MULTICAST, u32::MAX, spread.encode(&many))
                .await?;
            tally.done();
        }
        self.listen(Duration::from_millis(5)).await
    }

    /// Sends messages in the names of other nodes, with ids that those may use next.
    pub(super) async fn forge_origins(
        &mut self,
        members: &[NodeId],
        tally: &Tally,
    ) -> io::Result<()> {
        let targets: Vec<RoutingKey> = members.iter().map(RoutingKey::from).collect();
        for n in 0..250_u64 {
            let source = targets[n as usize % targets.len()];
            for id in ids(n) {
                for topic in [&b"numbered"[..], b"bystanders"] {
                    let body = frame_topic(topic, &n.to_be_bytes());
                    let multicast = Frame::new(FrameType::MULTICAST, seq(id), body.clone());
                    let unicast = Frame::new(FrameType::UNICAST, seq(id), body);
                    self.forge_multicast(source, id, &targets, &multicast)
                        .await?;
                    self.forge_unicast(source, id, &targets, &unicast).await?;
                    tally.done();
                }
            }
        }
        self.listen(Duration::from_millis(5)).await
    }

    async fn forge_multicast(
        &mut self,
        source: RoutingKey,
        id: u64,
        targets: &[RoutingKey],
        frame: &Frame,
    ) -> io::Result<()> {
        for targets in [targets.to_vec(), Vec::new()] {
            let spread = MulticastHeader {
                source,
                id,
                targets,
            };
            self.say(packet::MULTICAST, 8, spread.encode(frame)).await?;
        }
        for voucher in [source, RoutingKey::from(&self.own)] {
            let targets = targets.iter().map(|&key| (key, no_seal(id)));
            let spread = RelayedMulticastHeader {
                voucher,
                source,
                id,
                targets: targets.collect(),
            };
            self.say(packet::RELAYED_MULTICAST, 8, spread.encode(frame))
                .await?;
        }
        Ok(())
    }

    async fn forge_unicast(
        &mut self,
        source: RoutingKey,
        id: u64,
        targets: &[RoutingKey],
        frame: &Frame,
    ) -> io::Result<()> {
        for &target in targets {
            let header = UnicastHeader { source, target, id };
            self.say(packet::UNICAST, 8, header.encode(frame)).await?;
            let seal = no_seal(id);
            let body = RelayedUnicastHeader { header, seal }.encode(frame);
            self.say(packet::RELAYED_UNICAST, 8, body).await?;
        }
        Ok(())
    }

    /// Sends answers to messages that this node was never sent.
    pub(super) async fn answer_unasked(
        &mut self,
        members: &[NodeId],
        tally: &Tally,
    ) -> io::Result<()> {
        let target = RoutingKey::from(&members[0]);
        let sources: Vec<RoutingKey> = members
            .iter()
            .chain([&self.own])
            .map(RoutingKey::from)
            .collect();
        for n in 0..500 {
            for id in ids(n) {
                let frame = amop(FrameType::RESPONSE, id, b"bystanders");
                for &source in &sources {
                    let header = UnicastHeader { source, target, id };
                    self.say(packet::ANSWER, 8, header.encode(&frame)).await?;
                    let seal = no_seal(id);
                    let body = RelayedUnicastHeader { header, seal }.encode(&frame);
                    self.say(packet::RELAYED_ANSWER, 8, body).await?;
                    tally.done();
                }
            }
        }
        self.listen(Duration::from_millis(5)).await
    }

    /// Sends messages of `len` bytes with invalid seals, as fast as they are accepted.
    pub(super) async fn seal_wrongly(
        &mut self,
        members: &[NodeId],
        len: usize,
        tally: &Tally,
    ) -> io::Result<()> {
        let payload = frame_topic(b"bystanders", &vec![7; len]);
        let frame = Frame::new(FrameType::UNICAST, seq(1), payload);
        let targets: Vec<RoutingKey> = members.iter().map(RoutingKey::from).collect();
        for id in 0..200 {
            let source = targets[id as usize % targets.len()];
            for &target in &targets {
                let header = UnicastHeader { source, target, id };
                let seal = no_seal(now() + id);
                let body = RelayedUnicastHeader { header, seal }.encode(&frame);
                self.say(packet::RELAYED_UNICAST, 8, body).await?;
                tally.done();
            }
        }
        self.listen(Duration::from_millis(5)).await
    }

    /// Begins long messages in fragments, and sends a little more of each now and then.
    pub(super) async fn begin_fragments(&mut self, tally: &Tally) -> io::Result<()> {
        const OPEN: u32 = 1000;
        const TOTAL: u32 = 16 << 20;
        let content = [5; 1024];
        for number in 0..OPEN {
            let mut body = BytesMut::new();
            body.put_u32(0);
            body.put_u32(TOTAL);
            body.put_i32(amop_proto::p2p::protocol::EXTENSION);
            body.put_u16(packet::RELAYED_UNICAST);
            body.put_u32(8);
            body.put_slice(&content);
            tally.done();
            self.say(packet::FRAGMENT, number, body.freeze()).await?;
        }
        for round in 1..200 {
            for number in 0..OPEN {
                let mut body = BytesMut::new();
                body.put_u32(round * content.len() as u32);
                body.put_slice(&content);
                self.say(packet::FRAGMENT, number, body.freeze()).await?;
            }
            self.listen(Duration::from_millis(50)).await?;
        }
        Ok(())
    }

    /// Sends invalid fragments: out of place, too long, empty.
    pub(super) async fn break_fragments(&mut self, tally: &Tally) -> io::Result<()> {
        let bodies: [&'static [u8]; 5] = [
            b"",
            &[0, 0, 0, 9, 1],
            &[0; 18],
            &[
                0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            ],
            &[
                0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x41, 0x4d, 0, 20, 0, 0, 0, 0, 1,
            ],
        ];
        let body = bodies[tally.count() as usize % bodies.len()];
        tally.done();
        self.say(packet::FRAGMENT, 1, Bytes::from_static(body))
            .await?;
        self.listen(Duration::from_millis(200)).await
    }
}
