//! The changes that a hostile node makes to frames, and its own frames.

use std::time::Duration;

use amop_proto::{
    channel::Seq,
    p2p::{
        NodeId, PeerCodec, PeerFrame,
        mesh::{Agreement, MAX_NEIGHBOURS, RoutingKey, packet},
        protocol,
    },
};
use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Attacker, Wile,
    forge::{self, Claims},
};
use crate::{
    net::{ConnId, Owner},
    violation::Invariant,
    world::{Event, World},
};

/// A day in microseconds.
const DAY: u64 = 24 * 3600 * 1_000_000;

/// The maximum number of bytes that wait for a neighbour that does not keep up.
const BACKLOG: usize = 1 << 20;

/// The number of made-up frames after which it sends no message back any more. What it sends back
/// comes to it again, and it sends that to all neighbours, so without a limit a run takes minutes.
const MAX_LOOPED: u64 = 20_000;

/// The number of frames that it sends at a time when it floods.
const FLOOD: usize = 40;

impl World {
    /// Makes a node one that will become hostile.
    pub(crate) fn make_hostile(&mut self, host: usize, wiles: Vec<Wile>) {
        let rng = StdRng::from_seed(self.rng.random());
        self.hosts[host].attacker = Some(Attacker::new(wiles, rng));
    }

    /// Makes it hostile from now on.
    pub(crate) fn incite(&mut self, host: usize) {
        if let Some(attacker) = &mut self.hosts[host].attacker {
            attacker.active = true;
        }
        self.plan_in(Duration::from_millis(1), Event::Attack(host));
    }

    pub(crate) fn is_hostile(&self, host: usize) -> bool {
        self.hosts[host].attacker.is_some()
    }

    /// Returns the neighbour at the other end of a connection.
    pub(crate) fn neighbour(&self, (conn, side): (ConnId, usize)) -> Option<usize> {
        match self.conns[conn.0].owners[1 - side] {
            Owner::Peer { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Changes a frame that a hostile node's machine writes.
    pub(crate) fn bend(&mut self, host: usize, frame: &mut PeerFrame) -> bool {
        let Some(attacker) = &mut self.hosts[host].attacker else {
            return true;
        };
        attacker.capture(frame);
        if attacker.does(Wile::Mute) && forge::is_message(frame) {
            return false;
        }
        let taken = (frame.protocol, frame.packet) == (protocol::EXTENSION, packet::TAKEN);
        if attacker.does(Wile::Deaf) && taken {
            return false;
        }
        if attacker.does(Wile::HoldBack) && forge::is_records(frame) {
            return false;
        }
        if !forge::is_relayed(frame) {
            return true;
        }
        if attacker.does(Wile::Alter)
            && let Some(altered) = forge::alter(frame)
        {
            *frame = altered;
        }
        if attacker.does(Wile::Loop) && attacker.injected < MAX_LOOPED {
            let copy = forge::again(frame.clone());
            for way in self.ways_of(host) {
                self.inject(host, way, &copy);
            }
        }
        true
    }

    /// Handles a frame that a hostile node reads.
    pub(crate) fn overhear(&mut self, host: usize, frame: &PeerFrame) {
        let own = self.hosts[host].key;
        let Some(attacker) = &mut self.hosts[host].attacker else {
            return;
        };
        // Another hostile node may forge its name. If it then sent this message itself, that would
        // be no forgery, because it may send anything in its own name.
        let in_own_name = forge::is_message(frame) && forge::source_of(frame) == Some(own);
        if !in_own_name {
            attacker.capture(frame);
        }
        if attacker.does(Wile::ForgeAnswers)
            && frame.packet == packet::RELAYED_UNICAST
            && let Some(answer) = forge::answer(&mut attacker.rng, frame)
        {
            for way in self.ways_of(host) {
                self.inject(host, way, &answer);
            }
        }
    }

    fn ways_of(&self, host: usize) -> Vec<(ConnId, usize)> {
        self.hosts[host].peers.values().copied().collect()
    }

    /// Writes a frame without the machine.
    fn inject(&mut self, host: usize, (conn, side): (ConnId, usize), frame: &PeerFrame) {
        let out = &mut self.conns[conn.0].pipes[side].out;
        if out.len() > BACKLOG {
            return;
        }
        PeerCodec::default().encode(frame, out);
        let to = self.neighbour((conn, side));
        let what = format_args!(
            "node {host} makes up packet {} of {} for node {to:?}",
            frame.packet, frame.protocol
        );
        self.log.step(self.now, what, &frame.body);
        // The number of answers does not depend on how often it asks.
        let asks = (frame.protocol, frame.packet) == (protocol::EXTENSION, packet::KNOWN);
        if let Some(attacker) = &mut self.hosts[host].attacker {
            attacker.injected += u64::from(!asks);
        }
        self.pump(conn, side);
    }

    /// Lets a hostile node do something, and plans the next action.
    pub(crate) fn attack(&mut self, host: usize) {
        let ways = self.ways_of(host);
        let Some(mut attacker) = self.hosts[host].attacker.take() else {
            return;
        };
        let frames = if attacker.active && self.hosts[host].node.is_some() {
            self.frames_of(host, &mut attacker)
        } else {
            Vec::new()
        };
        let way = ways.get(attacker.rng.random_range(0..ways.len().max(1)));
        let later = Duration::from_micros(attacker.rng.random_range(5_000..150_000));
        let active = attacker.active;
        self.hosts[host].attacker = Some(attacker);
        if let Some(&way) = way {
            for frame in &frames {
                self.inject(host, way, frame);
            }
        }
        if active && self.hosts[host].node.is_some() {
            self.plan_in(later, Event::Attack(host));
        }
    }

    fn frames_of(&mut self, host: usize, attacker: &mut Attacker) -> Vec<PeerFrame> {
        let at = attacker.rng.random_range(0..attacker.wiles.len());
        let own = self.hosts[host].id;
        let keys: Vec<RoutingKey> = self.hosts.iter().map(|host| host.key).collect();
        let ids: Vec<NodeId> = self.hosts.iter().map(|host| host.id).collect();
        let victim = (host + attacker.rng.random_range(1..ids.len())) % ids.len();
        let beside: Vec<RoutingKey> = self
            .ways_of(host)
            .into_iter()
            .filter_map(|way| self.neighbour(way))
            .map(|other| self.hosts[other].key)
            .collect();
        // It claims only topics of its own: for a topic that others have, too, it could claim a
        // share and lose the messages that it draws.
        let topic = Bytes::copy_from_slice(self.any_topic(&mut attacker.rng));
        let clock = self.clock();
        attacker.version = attacker.version.max(clock) + 1;
        if attacker.wiles[at] == Wile::OddCounters {
            return attacker.odd_counters(own, &beside, (ids[victim], &topic), clock);
        }
        let rng = &mut attacker.rng;
        let mut claims = Claims {
            signer: own,
            version: attacker.version,
            agreement: [9; 32],
            neighbours: &[],
            topics: Vec::new(),
        };
        match attacker.wiles[at] {
            Wile::ForgeRecords => {
                // This ends the connection, so it is done rarely.
                if rng.random_range(0..10) != 0 {
                    return Vec::new();
                }
                claims.version += rng.random_range(0..300 * DAY);
                claims.neighbours = &keys;
                claims.topics = vec![(forge::TOPIC.into(), 1)];
                let forged = if rng.random() {
                    claims.of(ids[victim])
                } else {
                    claims.with_own_chain(ids[victim])
                };
                forged.into_iter().collect()
            }
            Wile::ClaimLinks => {
                claims.neighbours = &keys;
                claims.of(own).into_iter().collect()
            }
            Wile::ClaimTopics => {
                // No node denies having subscribers for it, because the topic is the attacker's
                // own.
                let many = (0..rng.random_range(1..2000_u32)).map(|n| format!("claimed{n}").into());
                claims.topics = many.map(|topic| (topic, u32::MAX)).collect();
                claims.of(own).into_iter().collect()
            }
            Wile::OddVersions => {
                let odd = [
                    1,
                    clock - DAY,
                    clock + 300 * DAY,
                    clock + 400 * DAY,
                    1 << 62,
                ];
                claims.version = odd[rng.random_range(0..odd.len())];
                claims.of(own).into_iter().collect()
            }
            Wile::ReplayRecords => attacker.captured(forge::is_records).into_iter().collect(),
            Wile::Stubs => {
                claims.topics = vec![("bait".into(), u32::MAX)];
                let made_up = NodeId(std::array::from_fn(|_| rng.random()));
                let fisco = if rng.random() { made_up } else { ids[victim] };
                if fisco != made_up {
                    // The ID of another node, and topics that that node may have.
                    claims.topics.push((topic, 1));
                }
                claims.stub(fisco, own).into_iter().collect()
            }
            Wile::ForgeMessages => {
                let (source, target) = (keys[victim], keys[rng.random_range(0..keys.len())]);
                let id = rng.random_range(0..1 << 62);
                vec![forge::message(rng, (source, target), &topic, id)]
            }
            Wile::ReplayMessages => {
                let frame = attacker.captured(forge::is_message);
                frame.map(forge::again).into_iter().collect()
            }
            Wile::PreemptIds => {
                let message = attacker.captured(forge::is_message);
                let rng = &mut attacker.rng;
                message.map_or_else(Vec::new, |message| {
                    forge::with_next_ids(rng, (&message, keys[host]), &topic)
                })
            }
            Wile::FloodQuestions => (0..FLOOD).map(|_| forge::question(rng, &keys)).collect(),
            Wile::FloodRecords => {
                let mut frames = Vec::new();
                for n in 0..FLOOD as u64 {
                    claims.version = attacker.version + n;
                    claims.topics = vec![(format!("flood{n}").into(), 1)];
                    frames.extend(claims.of(own));
                }
                attacker.version += FLOOD as u64;
                frames
            }
            Wile::Garbage => vec![forge::garbage(rng)],
            Wile::LongLists => {
                let count = [100, 1000, MAX_NEIGHBOURS][rng.random_range(0..3)];
                let made_up = std::iter::repeat_with(|| RoutingKey(rng.random()));
                let all: Vec<RoutingKey> =
                    keys.iter().copied().chain(made_up).take(count).collect();
                claims.neighbours = &all;
                claims.of(own).into_iter().collect()
            }
            Wile::Alter
            | Wile::Mute
            | Wile::Deaf
            | Wile::Loop
            | Wile::ForgeAnswers
            | Wile::HoldBack
            | Wile::OddCounters => {
                // Meanwhile it keeps sending messages in its own name.
                let seq = Seq::random(rng);
                vec![forge::own_multicast(rng, keys[host], &topic, seq)]
            }
        }
    }

    /// Checks that an honest node believes nothing about others that they have not stated.
    pub(crate) fn check_beliefs(&mut self, host: usize) {
        let host_of = &self.hosts[host];
        let (Some(node), None) = (&host_of.node, &host_of.attacker) else {
            return;
        };
        let is_forged = |id| {
            let mut topics = node.router().node_topics(id);
            topics.any(|(topic, _)| topic == forge::TOPIC)
        };
        if let Some(victim) = self.hosts.iter().position(|other| is_forged(&other.id)) {
            let what = format!("node {host} believes a forged record of node {victim}");
            self.violated(Invariant::NoForgery, what);
        }
    }

    fn any_topic(&self, rng: &mut StdRng) -> &[u8] {
        self.topics[rng.random_range(0..self.topics.len())].as_bytes()
    }
}

impl Attacker {
    /// States a key whose secret half it has, or sends a node a message that is proven with this
    /// key and has a counter that no clock ever shows.
    fn odd_counters(
        &mut self,
        own: NodeId,
        beside: &[RoutingKey],
        (victim, topic): (NodeId, &[u8]),
        clock: u64,
    ) -> Vec<PeerFrame> {
        let theirs = self.agreement_of(&victim);
        let rng = &mut self.rng;
        let agreement = self
            .agreement
            .get_or_insert_with(|| Agreement::new(own, &rng.random(), clock));
        let Some(theirs) = theirs.filter(|_| rng.random_range(0..4) != 0) else {
            let claims = Claims {
                signer: own,
                version: self.version,
                agreement: agreement.public(),
                neighbours: beside,
                topics: Vec::new(),
            };
            return claims.of(own).into_iter().collect();
        };
        let odd = [
            u64::MAX,
            u64::MAX - 1,
            u64::MAX - (1 << 13),
            1 << 63,
            (1 << 62) + 1,
            1 << 62,
            clock + 3 * 365 * DAY,
            clock + 365 * DAY,
            clock,
            0,
        ];
        let counter = odd[rng.random_range(0..odd.len())];
        let pair = agreement.with(&victim, &theirs);
        let pair = pair.expect("an honest node's key is good");
        let ends = (RoutingKey::from(&own), RoutingKey::from(&victim));
        vec![forge::in_own_name(rng, ends, &pair, topic, counter)]
    }

    /// Returns what a node states for key agreement, as far as it has passed here.
    fn agreement_of(&self, node: &NodeId) -> Option<[u8; 32]> {
        let records = self.captured.iter().rev();
        records
            .filter_map(forge::only_record)
            .find(|record| record.subject.node() == node && record.whole.is_some())
            .and_then(|record| record.whole)
            .map(|whole| whole.agreement)
    }
}
