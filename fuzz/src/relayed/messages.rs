//! The messages of a script: what other nodes and SDKs send.

use amop_proto::{
    channel::{Frame, FrameType, Seq, frame_topic},
    node::{NodeEvent, PeerId},
    p2p::{
        PeerFrame,
        mesh::{
            self, MacPurpose, MulticastHeader, RelayedMulticastHeader, RelayedUnicastHeader,
            RoutingKey, Seal, Statement, UnicastHeader, packet,
        },
        protocol,
    },
};
use bytes::Bytes;

use crate::Script;

use super::{
    BEHIND, FISCO, NEIGHBOURS, OWN_FISCO, Run, SUBSCRIBER, THIRD, TOPICS, agreement, id, key, stub,
};

impl Run {
    /// Returns a channel frame: mostly a message, or an answer.
    pub(super) fn content(&self, script: &mut Script<'_>) -> Bytes {
        let how = script.byte();
        let seq = Seq([script.byte() % 8; 32]);
        let topic = TOPICS[usize::from(how >> 2) % TOPICS.len()];
        let body = frame_topic(topic.as_bytes(), script.bytes());
        let kinds = [
            FrameType::UNICAST,
            FrameType::MULTICAST,
            FrameType::RESPONSE,
        ];
        let frame = match how & 3 {
            3 if how & 0x80 != 0 => return body,
            3 => Frame::new(FrameType(script.short()), seq, body),
            kind => Frame::new(kinds[usize::from(kind)], seq, body),
        };
        let result = if how & 0x40 == 0 { 0 } else { 104 };
        Frame { result, ..frame }.to_bytes()
    }

    /// Returns a name in routing; the node knows most of them.
    pub(super) fn name(script: &mut Script<'_>) -> RoutingKey {
        match script.byte() % 10 {
            7 => stub(FISCO, BEHIND[0]).key(),
            8 => stub(OWN_FISCO, 0).key(),
            number => key(number),
        }
    }

    pub(super) fn id(script: &mut Script<'_>, content: &[u8]) -> u64 {
        let id = u64::from(script.byte());
        match id & 3 {
            // The name that a FISCO node's multicast has.
            0 => {
                let digest = mesh::content_digest(content);
                let first = digest.iter().take(8);
                first.fold(0, |id, &byte| id << 8 | u64::from(byte)) | 1 << 63
            }
            1 => id | 1 << 63,
            _ => id,
        }
    }

    /// Returns a counter, mostly the next one.
    pub(super) fn next_counter(&mut self, script: &mut Script<'_>) -> u64 {
        let how = script.byte();
        if how < 0xc0 {
            self.counter += 1;
            return self.counter;
        }
        let far = i64::from(script.word() as i32) << (how & 0x1f);
        self.counter.wrapping_add_signed(far)
    }

    /// Returns a seal for this node, made with the key of `voucher`, the node that vouches for the
    /// source.
    pub(super) fn seal(
        &mut self,
        voucher: u8,
        statement: &Statement,
        script: &mut Script<'_>,
    ) -> Seal {
        let counter = self.next_counter(script);
        let other = agreement(0).public();
        let pair = agreement(voucher).with(&id(0), &other);
        pair.expect("a key").seal(statement, counter)
    }

    pub(super) fn voucher(script: &mut Script<'_>) -> u8 {
        let all = [NEIGHBOURS[0], NEIGHBOURS[1], BEHIND[0], BEHIND[1]];
        all[usize::from(script.byte()) % all.len()]
    }

    pub(super) fn relayed(&mut self, script: &mut Script<'_>) {
        let voucher = Self::voucher(script);
        let answers = script.byte() & 3 == 0;
        let (purpose, packet) = match answers {
            true => (MacPurpose::Answer, packet::RELAYED_ANSWER),
            false => (MacPurpose::Unicast, packet::RELAYED_UNICAST),
        };
        let source = if answers && script.byte() & 1 == 0 {
            Self::name(script)
        } else {
            key(voucher)
        };
        let target = match script.byte() % 8 {
            0 => Self::name(script),
            1 => stub(OWN_FISCO, 0).key(),
            _ => key(0),
        };
        let content = self.content(script);
        let header = UnicastHeader {
            source,
            target,
            id: u64::from(script.byte()),
        };
        let statement = Statement {
            purpose,
            voucher: key(voucher),
            source,
            target,
            id: header.id,
            content: mesh::content_digest(&content),
        };
        let seal = self.seal(voucher, &statement, script);
        let body = RelayedUnicastHeader { header, seal }.encode(&content[..]);
        self.deliver(script, packet, body);
    }

    pub(super) fn relayed_multicast(&mut self, script: &mut Script<'_>) {
        let voucher = Self::voucher(script);
        let source = match script.byte() % 4 {
            0 => key(FISCO),
            1 => Self::name(script),
            _ => key(voucher),
        };
        let content = self.content(script);
        let id = Self::id(script, &content);
        let count = script.byte() % 4;
        let mut targets = Vec::new();
        for n in 0..=count {
            let target = if n == 0 { key(0) } else { Self::name(script) };
            let statement = Statement {
                purpose: MacPurpose::Multicast,
                voucher: key(voucher),
                source,
                target,
                id,
                content: mesh::content_digest(&content),
            };
            targets.push((target, self.seal(voucher, &statement, script)));
        }
        let spread = RelayedMulticastHeader {
            voucher: key(voucher),
            source,
            id,
            targets,
        };
        let body = spread.encode(&content[..]);
        self.deliver(script, packet::RELAYED_MULTICAST, body);
    }

    /// Delivers a packet with a seal by one neighbour or the other; if it is altered, it must not
    /// be accepted.
    pub(super) fn deliver(&mut self, script: &mut Script<'_>, packet: u16, body: Bytes) {
        let how = script.byte();
        let peer = PeerId(u64::from(NEIGHBOURS[usize::from(how & 1)]));
        if how & 0x0e == 0 && self.peers.contains(&peer) {
            let mut altered = body.to_vec();
            if let Some(last) = altered.last_mut() {
                *last ^= 1 | how >> 4;
            }
            self.got.clear();
            self.send(peer, protocol::EXTENSION, packet, 32, &altered);
            assert!(self.got.is_empty(), "altered and taken");
        }
        let seq = u32::from(how >> 2);
        let frame = PeerFrame {
            protocol: protocol::EXTENSION,
            packet,
            seq,
            body,
        };
        self.got.clear();
        if self.peers.contains(&peer) {
            self.event(NodeEvent::PeerFrame(peer, frame.clone().into()));
        }
        if !self.got.is_empty() {
            self.last = Some((peer, frame));
        }
    }

    /// Delivers the last packet with a seal once more.
    pub(super) fn again(&mut self) {
        let Some((peer, frame)) = self.last.clone() else {
            return;
        };
        if self.peers.contains(&peer) {
            self.got.clear();
            self.event(NodeEvent::PeerFrame(peer, frame.into()));
            assert!(self.got.is_empty(), "taken twice");
        }
    }

    /// Delivers a message of a neighbour, which needs no seal.
    pub(super) fn direct(&mut self, script: &mut Script<'_>) {
        let number = NEIGHBOURS[usize::from(script.byte()) % 2];
        let peer = PeerId(u64::from(number));
        let how = script.byte();
        let source = if how & 1 == 0 {
            key(number)
        } else {
            Self::name(script)
        };
        let target = if how & 2 == 0 {
            key(0)
        } else {
            Self::name(script)
        };
        let content = self.content(script);
        let id = Self::id(script, &content);
        let header = UnicastHeader { source, target, id };
        let spread = MulticastHeader {
            source,
            id,
            targets: if how & 4 == 0 {
                Vec::new()
            } else {
                vec![target]
            },
        };
        let mut body = Vec::new();
        let packet = match how >> 3 & 3 {
            0 => packet::UNICAST,
            1 => packet::ANSWER,
            _ => packet::MULTICAST,
        };
        if packet == packet::MULTICAST {
            body.extend_from_slice(&spread.encode(&content[..]));
        } else {
            for word in [header.source.0, header.target.0, header.id] {
                body.extend_from_slice(&word.to_be_bytes());
            }
            body.extend_from_slice(&content);
        }
        self.send(peer, protocol::EXTENSION, packet, 32, &body);
    }

    /// Answers a message that this node has asked.
    pub(super) fn answer(&mut self, script: &mut Script<'_>) {
        let at = usize::from(script.byte());
        let question = self
            .questions
            .iter()
            .rev()
            .nth(at)
            .or(self.questions.last());
        let Some(&(asked, seq)) = question else {
            return;
        };
        let how = script.byte();
        let voucher = if asked.target == stub(FISCO, BEHIND[0]).key() {
            BEHIND[0]
        } else {
            let all = NEIGHBOURS.iter().chain(&BEHIND);
            all.copied().find(|&n| key(n) == asked.target).unwrap_or(1)
        };
        let voucher = if how & 3 == 3 {
            Self::voucher(script)
        } else {
            voucher
        };
        let result = if how & 4 == 0 { 0 } else { 104 };
        let body = frame_topic(b"far", script.bytes());
        let frame = Frame {
            result,
            ..Frame::new(FrameType::RESPONSE, seq, body)
        };
        let content = frame.to_bytes();
        let header = UnicastHeader {
            source: asked.target,
            target: key(0),
            id: asked.id,
        };
        if NEIGHBOURS.contains(&voucher) && how & 8 == 0 {
            let body = header.encode(&frame);
            let peer = PeerId(u64::from(voucher));
            return self.send(peer, protocol::EXTENSION, packet::ANSWER, 32, &body);
        }
        let statement = Statement {
            purpose: MacPurpose::Answer,
            voucher: key(voucher),
            source: header.source,
            target: header.target,
            id: header.id,
            content: mesh::content_digest(&content),
        };
        let seal = self.seal(voucher, &statement, script);
        let body = RelayedUnicastHeader { header, seal }.encode(&content[..]);
        self.deliver(script, packet::RELAYED_ANSWER, body);
    }

    /// Lets an SDK publish on a topic that others have subscribed to.
    pub(super) fn ask(&mut self, script: &mut Script<'_>) {
        let how = script.byte();
        let kind = if how & 1 == 0 {
            FrameType::UNICAST
        } else {
            FrameType::MULTICAST
        };
        let topic = TOPICS[1 + usize::from(how >> 1) % 3];
        let seq = Seq([0x10 | script.byte() & 15; 32]);
        let body = frame_topic(topic.as_bytes(), script.bytes());
        self.event(NodeEvent::session_frame(THIRD, Frame::new(kind, seq, body)));
    }

    /// Lets an SDK answer a message that it was asked.
    pub(super) fn sdk_answers(&mut self, script: &mut Script<'_>) {
        let at = usize::from(script.byte());
        let Some(&seq) = self.asked.iter().rev().nth(at) else {
            return;
        };
        let result = i32::from(script.byte() & 1) * 104;
        let frame = Frame {
            result,
            ..Frame::new(
                FrameType::RESPONSE,
                seq,
                frame_topic(b"shared", script.bytes()),
            )
        };
        for session in [SUBSCRIBER, THIRD] {
            self.event(NodeEvent::session_frame(session, frame.clone()));
        }
    }
}
