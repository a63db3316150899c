//! A node that lies: the frames that it makes up, and their effect when a defence is removed.
//!
//! It runs the machine of `amop-proto`, so that it is admitted and knows what a node knows. In
//! addition it writes frames of its own, using each [`Wile`] once, at any time. It sees all frames
//! in the network, which is more than an attacker would see; it has no key except its own.

use std::hash::{Hash, Hasher};

use amop_proto::{
    channel::Frame,
    node::PeerId,
    p2p::{
        PeerFrame,
        mesh::{
            Record, RelayedUnicastHeader, RoutingKey, SharedSecret, Subject, UnicastHeader, packet,
        },
    },
};
use amop_testkit::machines::Claim;
use bytes::{Bytes, BytesMut};

use crate::{
    forge,
    host::{EPOCH, id_of, key_of},
    links::End,
    scenario::Sabotage,
    state::{State, hash_frame},
    wires::{is_extension, is_message},
};

/// Versions are accepted up to a year ahead; this is a little less.
const FAR: u64 = 364 * 24 * 3600 * 1_000_000;

/// An action that a hostile node does at most once, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wile {
    /// States that another node has neither links nor topics, with that node's certificates.
    ForgeRecord,
    /// Repeats the first statement of another node about itself.
    ReplayRecord,
    /// States about itself links to all nodes and very many subscribers.
    Claim,
    /// States itself without links, with a version most of a year ahead.
    FarVersion,
    /// States itself without links, with the highest possible version.
    LastVersion,
    /// Announces the publisher's node as a FISCO node behind itself.
    Stub,
    /// Sends a multicast in the name of the publisher's node.
    ForgeMulticast,
    /// Sends a unicast in the name of the publisher's node, as if it came from a distant node.
    ForgeRelayed,
    /// Sends a message with the id of one in transit.
    Preempt,
    /// Repeats a message of the publisher.
    ReplayMessage,
    /// Answers a message that another node was asked.
    FalseAnswer,
    /// Loses its next frame.
    Drop,
    /// Changes the content of the next message that it relays.
    Alter,
    /// Also sends the next message that it relays back to where it came from.
    SendBack,
}

/// The state of a hostile node.
#[derive(Debug, Clone)]
pub(crate) struct Hostile {
    pub(crate) host: usize,
    /// Whether it has left.
    pub(crate) gone: bool,
    /// One bit for each used wile of the scenario.
    used: u32,
    /// The first statement about itself of the node that is neither this one nor the publisher's.
    old: Option<Bytes>,
    /// The first unicast and the first multicast that the publisher's node sent.
    seen: [Option<PeerFrame>; 2],
}

impl Hostile {
    pub(crate) fn new(host: usize) -> Self {
        Self {
            host,
            gone: false,
            used: 0,
            old: None,
            seen: [None, None],
        }
    }

    /// Returns the node that is neither this one nor the publisher's.
    fn other(&self) -> usize {
        3 - self.host
    }
}

impl Hash for Hostile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.gone, self.used).hash(state);
        for frame in &self.seen {
            frame.is_some().hash(state);
            frame.iter().for_each(|frame| hash_frame(frame, state));
        }
    }
}

impl State {
    /// Returns whether a node lies.
    pub(crate) fn is_liar(&self, host: usize) -> bool {
        let hostile = self.hostile.as_ref();
        hostile.is_some_and(|hostile| hostile.host == host && !hostile.gone)
    }

    /// Returns the unused wiles that can be used now, as indices into the scenario's wiles.
    pub(crate) fn wiles(&self) -> Vec<usize> {
        let Some(hostile) = self.hostile.as_ref().filter(|hostile| !hostile.gone) else {
            return Vec::new();
        };
        (0..self.scenario.wiles.len())
            .filter(|&at| hostile.used & (1 << at) == 0)
            .filter(|&at| self.is_possible(hostile, self.scenario.wiles[at]))
            .collect()
    }

    fn is_possible(&self, hostile: &Hostile, wile: Wile) -> bool {
        let way = |to| self.way(hostile.host, to).is_some();
        let [unicast, multicast] = &hostile.seen;
        match wile {
            Wile::ForgeRecord | Wile::Claim | Wile::FarVersion | Wile::LastVersion => way(0),
            Wile::ReplayRecord => hostile.old.is_some() && way(0),
            Wile::Stub | Wile::ForgeMulticast | Wile::ForgeRelayed => way(hostile.other()),
            Wile::Preempt | Wile::ReplayMessage => {
                (unicast.is_some() || multicast.is_some()) && way(hostile.other())
            }
            Wile::FalseAnswer => unicast.is_some() && way(0),
            Wile::Drop => self.written(hostile.host, |_| true).is_some(),
            Wile::Alter | Wile::SendBack => self.written(hostile.host, is_message).is_some(),
        }
    }

    /// Returns the connection from a node to another, if there is one: link, connection, end.
    fn way(&self, from: usize, to: usize) -> Option<(usize, usize, usize)> {
        self.links.iter().enumerate().find_map(|(link, held)| {
            let end = held.ends.iter().position(|&end| end == from)?;
            let conn = held.conns.iter().position(|conn| {
                conn.ends[end] == End::Open && conn.ends[1 - end] == End::Open && !conn.cut
            })?;
            (held.ends[1 - end] == to).then_some((link, conn, end))
        })
    }

    /// Returns the first matching frame of a node in transit: link, connection, end and place.
    fn written(
        &self,
        from: usize,
        fits: impl Fn(&PeerFrame) -> bool,
    ) -> Option<(usize, usize, usize, usize)> {
        self.links.iter().enumerate().find_map(|(link, held)| {
            let end = held.ends.iter().position(|&end| end == from)?;
            let mut conns = held.conns.iter().enumerate();
            conns.find_map(|(conn, held)| {
                let at = held.wires[end].iter().position(&fits)?;
                Some((link, conn, end, at))
            })
        })
    }

    /// Lets the hostile node use a wile.
    pub(crate) fn lie(&mut self, at: usize) {
        let wile = self.scenario.wiles[at];
        let Some(hostile) = &mut self.hostile else {
            return;
        };
        hostile.used |= 1 << at;
        let (liar, other) = (hostile.host, hostile.other());
        match wile {
            Wile::Drop | Wile::Alter | Wile::SendBack => self.bend(liar, wile),
            _ => {
                let Some(frame) = self.made_up(wile) else {
                    return;
                };
                let to = match wile {
                    Wile::ForgeRecord
                    | Wile::ReplayRecord
                    | Wile::Claim
                    | Wile::FarVersion
                    | Wile::LastVersion
                    | Wile::FalseAnswer => 0,
                    _ => other,
                };
                if let Some((link, conn, end)) = self.way(liar, to) {
                    self.links[link].conns[conn].wires[end].push_back(frame);
                }
            }
        }
    }

    fn clock(&self) -> u64 {
        EPOCH + self.now.as_micros() as u64
    }

    fn made_up(&self, wile: Wile) -> Option<PeerFrame> {
        let hostile = self.hostile.as_ref()?;
        let (liar, other) = (hostile.host, hostile.other());
        let soon = self.clock() + 1_000_000;
        let of = |version| Claim {
            version,
            agreement: [9; 32],
            neighbours: vec![key_of(0), key_of(other)],
            topics: Vec::new(),
        };
        let says = |claim, subject| forge::claimed(claim, subject, liar);
        let [unicast, multicast] = &hostile.seen;
        let passed = multicast.as_ref().or(unicast.as_ref());
        let alone = |version| Claim {
            neighbours: Vec::new(),
            ..of(version)
        };
        let own = Subject::Node(id_of(liar));
        match wile {
            Wile::ForgeRecord => says(alone(soon), Subject::Node(id_of(other))),
            Wile::ReplayRecord => hostile.old.clone().map(forge::records),
            Wile::Claim => {
                let mut claim = of(soon);
                claim.neighbours.push(RoutingKey(7));
                claim.topics = vec![(Bytes::from_static(b"u"), u32::MAX)];
                says(claim, own)
            }
            Wile::FarVersion => says(alone(self.clock() + FAR), own),
            Wile::LastVersion => says(alone(forge::LAST_VERSION), own),
            Wile::Stub => {
                let (fisco, border) = (id_of(0), id_of(liar));
                says(of(soon), Subject::Stub { fisco, border })
            }
            Wile::ForgeMulticast => Some(forge::multicast(key_of(0))),
            Wile::ForgeRelayed => Some(forge::relayed(key_of(0), key_of(other))),
            Wile::Preempt => forge::altered(passed?),
            Wile::ReplayMessage => passed.cloned(),
            Wile::FalseAnswer => forge::answer(unicast.as_ref()?, liar, other),
            Wile::Drop | Wile::Alter | Wile::SendBack => None,
        }
    }

    /// Changes a frame that the hostile node has written.
    fn bend(&mut self, liar: usize, wile: Wile) {
        let fits = |frame: &PeerFrame| wile == Wile::Drop || is_message(frame);
        let Some((link, conn, end, at)) = self.written(liar, fits) else {
            return;
        };
        let to = self.links[link].ends[1 - end];
        let wire = &mut self.links[link].conns[conn].wires[end];
        match wile {
            Wile::Drop => drop(wire.remove(at)),
            Wile::Alter => {
                if let Some(altered) = forge::altered(&wire[at]) {
                    wire[at] = altered;
                }
            }
            _ => {
                let frame = wire[at].clone();
                let back = (0..3).filter(|&host| host != liar && host != to);
                if let Some((link, conn, end)) = back.filter_map(|to| self.way(liar, to)).next() {
                    self.links[link].conns[conn].wires[end].push_back(frame);
                }
            }
        }
    }

    /// Keeps what may be useful: the hostile node sees all frames of the others.
    pub(crate) fn overhear(&mut self, from: usize, frame: &PeerFrame) {
        let Some(hostile) = self.hostile.as_mut().filter(|hostile| !hostile.gone) else {
            return;
        };
        if !is_extension(frame) {
            return;
        }
        match frame.packet {
            packet::RECORDS if from == hostile.other() && hostile.old.is_none() => {
                let first = forge::decoded(frame).into_iter().next();
                let own = first.filter(|first| first.record().key() == key_of(from));
                hostile.old = own.map(|own| own.bytes().clone());
            }
            packet::UNICAST | packet::RELAYED_UNICAST if from == 0 => {
                hostile.seen[0].get_or_insert_with(|| frame.clone());
            }
            packet::MULTICAST | packet::RELAYED_MULTICAST if from == 0 => {
                hostile.seen[1].get_or_insert_with(|| frame.clone());
            }
            _ => {}
        }
    }

    /// Returns the frame as which a node treats a frame of the hostile node, and the connection
    /// that it treats as its source. These differ from the truth only if a defence is removed.
    pub(crate) fn believed(
        &self,
        host: usize,
        peer: PeerId,
        frame: PeerFrame,
    ) -> (PeerId, PeerFrame) {
        let believed = self.scenario.sabotage.and_then(|sabotage| match sabotage {
            Sabotage::BelieveNames | Sabotage::UseIds => self.as_named(host, &frame),
            Sabotage::BelieveSeals => self.as_sealed(host, &frame),
            Sabotage::AnyAnswer => self.as_asked(host, &frame),
            Sabotage::BelieveOld => Some((peer, self.renewed(&frame)?)),
            Sabotage::BelieveVersions => Some((peer, self.nearer(&frame)?)),
            _ => None,
        });
        believed.unwrap_or((peer, frame))
    }

    /// Returns the connection of a node to the node with this key, if this is not the hostile node.
    fn peer_with(&self, host: usize, key: RoutingKey) -> Option<PeerId> {
        let named = (0..3).find(|&other| key_of(other) == key && other != host)?;
        if self.is_liar(named) {
            return None;
        }
        let (link, conn, _) = self.way(named, host)?;
        Some(PeerId(self.links[link].conns[conn].id))
    }

    /// Returns a message between neighbours as if it came from the node that it names. If only its
    /// id should be used up, it gets a topic without subscribers.
    fn as_named(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        let direct = [packet::UNICAST, packet::MULTICAST, packet::ANSWER];
        if !is_extension(frame) || !direct.contains(&frame.packet) {
            return None;
        }
        let peer = self.peer_with(host, forge::source_of(frame)?)?;
        let frame = if self.scenario.does(Sabotage::UseIds) {
            forge::with_topic(frame, b"nobody's")?
        } else {
            frame.clone()
        };
        Some((peer, frame))
    }

    /// Returns a message from a distant node as if its seal were valid: it counts as coming from
    /// its source.
    fn as_sealed(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        if !is_extension(frame) || frame.packet != packet::RELAYED_UNICAST {
            return None;
        }
        let (RelayedUnicastHeader { header, .. }, bytes) =
            RelayedUnicastHeader::decode(frame.body.clone())?;
        let peer = self.peer_with(host, header.source)?;
        let inner = Frame::from_bytes(bytes, usize::MAX).ok()?;
        let frame = PeerFrame {
            packet: packet::UNICAST,
            body: header.encode(&inner),
            ..frame.clone()
        };
        Some((peer, frame))
    }

    /// Returns an answer as if it came from the node that was asked.
    fn as_asked(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        if !is_extension(frame) || frame.packet != packet::ANSWER {
            return None;
        }
        let asked = key_of(self.hostile.as_ref()?.other());
        let (header, bytes) = UnicastHeader::decode(frame.body.clone())?;
        let inner = Frame::from_bytes(bytes, usize::MAX).ok()?;
        let header = UnicastHeader {
            source: asked,
            ..header
        };
        let frame = PeerFrame {
            body: header.encode(&inner),
            ..frame.clone()
        };
        Some((self.peer_with(host, asked)?, frame))
    }

    /// Returns an old record as if it were new.
    fn renewed(&self, frame: &PeerFrame) -> Option<PeerFrame> {
        let hostile = self.hostile.as_ref()?;
        let old = hostile.old.as_ref().filter(|&old| *old == frame.body)?;
        let record = forge::decoded(&forge::records(old.clone()))
            .pop()?
            .into_record();
        let version = self.clock() + 1_000_000;
        let signer = SharedSecret::new(id_of(hostile.other()));
        let signed = Record { version, ..record }.sign(&signer)?;
        Some(forge::records(signed.bytes().clone()))
    }

    /// Returns a record whose version is too far ahead, with the version furthest ahead that the
    /// machine accepts.
    fn nearer(&self, frame: &PeerFrame) -> Option<PeerFrame> {
        let signed = forge::decoded(frame).pop()?;
        if signed.record().version != forge::LAST_VERSION {
            return None;
        }
        let version = self.clock() + FAR;
        let record = Record {
            version,
            ..signed.into_record()
        };
        let signer = SharedSecret::new(id_of(self.hostile.as_ref()?.host));
        Some(forge::records(record.sign(&signer)?.bytes().clone()))
    }

    /// Returns records without those about the receiver itself, if it must not learn what others
    /// store about it.
    pub(crate) fn withheld(&self, host: usize, frame: PeerFrame) -> PeerFrame {
        let withholds = [Sabotage::NoOutbid, Sabotage::BelieveVersions]
            .into_iter()
            .any(|sabotage| self.scenario.does(sabotage));
        let concerns = self.hostile.as_ref().is_some_and(|it| it.host == host);
        if !withholds || !concerns || !is_extension(&frame) || frame.packet != packet::RECORDS {
            return frame;
        }
        let mut body = BytesMut::new();
        let others = forge::decoded(&frame).into_iter();
        others
            .filter(|signed| signed.record().key() != key_of(host))
            .for_each(|signed| body.extend_from_slice(signed.bytes()));
        PeerFrame {
            body: body.freeze(),
            ..frame
        }
    }

    /// Stops the hostile node. It has no SDKs.
    pub(crate) fn liar_leaves(&mut self) {
        let Some(hostile) = &mut self.hostile else {
            return;
        };
        hostile.gone = true;
        let host = hostile.host;
        for link in &mut self.links {
            let Some(end) = link.ends.iter().position(|&end| end == host) else {
                continue;
            };
            for conn in &mut link.conns {
                conn.ends[end] = End::Gone;
                conn.wires[1 - end].clear();
            }
        }
        self.restart(host);
    }

    /// Starts it again as an honest node.
    pub(crate) fn liar_returns(&mut self) {
        let Some(host) = self.hostile.as_ref().map(|hostile| hostile.host) else {
            return;
        };
        for link in 0..self.links.len() {
            if self.links[link].ends.contains(&host) {
                self.dial(link);
            }
        }
    }
}
