//! The state of a FISCO node: its sessions, its neighbours and their topics.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, ProtocolVersion, Seq},
    p2p::{PeerFrame, TopicList, packet, protocol},
};
use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::second;

/// How long to wait for an answer with a list.
const LIST: Duration = Duration::from_secs(5);

/// The prefix of topics that a publisher has to verify.
const PRIVATE: &[u8] = b"#!$TopicNeedVerify_";
/// The prefix of a subscriber's route for challenges, before the name of the private topic.
const ROUTE: &[u8] = b"#!$VerifyChannel_";
/// The prefix of a publisher's topic for verification, before the name of the private topic.
const PUSH: &str = "#!$PushChannel_";

/// The neighbours' topic lists that a node has fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The number of lists.
    pub lists: u64,
    /// Their length in bytes, uncompressed, headers included.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Machine {
    seed: u64,
    next: u64,
    sessions: BTreeMap<u64, Session>,
    peers: BTreeMap<u64, Peer>,
    /// Increases with every set of topics and every session that ends, whether topics changed or
    /// not.
    topic_seq: u32,
    pub(super) sets: u64,
    pub(super) fetched: Fetched,
}

#[derive(Debug)]
struct Session {
    out: UnboundedSender<Frame>,
    version: ProtocolVersion,
    topics: BTreeSet<String>,
    waiting: HashMap<Seq, oneshot::Sender<Frame>>,
}

#[derive(Debug)]
struct Peer {
    /// The node ID, 128 digits.
    node: String,
    out: UnboundedSender<PeerFrame>,
    /// The number of the list that was fetched last.
    known: u32,
    /// The number for which the list was last requested, and when.
    asked: Option<(u32, Instant)>,
    topics: BTreeSet<Bytes>,
    /// The verdicts on private topics.
    verdicts: BTreeMap<Bytes, bool>,
    waiting: HashMap<u32, oneshot::Sender<Bytes>>,
}

/// A place where a unicast may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    Peer(u64),
    /// The node itself, which does not deliver it.
    Own,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            // The first seq that FISCO nodes use between each other.
            next: 2,
            sessions: BTreeMap::new(),
            peers: BTreeMap::new(),
            topic_seq: 0,
            sets: 0,
            fetched: Fetched::default(),
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn seq(&mut self) -> u32 {
        self.number() as u32
    }

    /// Draws one of `many`: the same one for all draws within a second.
    pub(super) fn draw(&self, many: usize) -> usize {
        StdRng::seed_from_u64(self.seed ^ second()).random_range(0..many)
    }

    // ---- sessions ----

    pub(super) fn open_session(&mut self, out: UnboundedSender<Frame>) -> u64 {
        let id = self.number();
        let session = Session {
            out,
            version: ProtocolVersion::V1,
            topics: BTreeSet::new(),
            waiting: HashMap::new(),
        };
        self.sessions.insert(id, session);
        id
    }

    pub(super) fn close_session(&mut self, id: u64) {
        self.sessions.remove(&id);
        self.topic_seq += 1;
    }

    pub(super) fn set_version(&mut self, id: u64, version: ProtocolVersion) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.version = version;
        }
    }

    pub(super) fn version(&self, id: u64) -> ProtocolVersion {
        let session = self.sessions.get(&id);
        session.map_or(ProtocolVersion::V1, |session| session.version)
    }

    pub(super) fn set_topics(&mut self, id: u64, topics: Vec<String>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.topics = topics.into_iter().collect();
            self.topic_seq += 1;
            self.sets += 1;
        }
    }

    pub(super) fn topics(&self) -> BTreeSet<String> {
        let sets = self.sessions.values().map(|session| &session.topics);
        sets.flatten().cloned().collect()
    }

    /// Returns the sessions with a topic.
    pub(super) fn subscribers(&self, topic: &[u8]) -> Vec<u64> {
        let has = |session: &Session| session.topics.iter().any(|own| own.as_bytes() == topic);
        let sessions = self.sessions.iter().filter(|(_, session)| has(session));
        sessions.map(|(&id, _)| id).collect()
    }

    pub(super) fn send(&self, session: u64, frame: Frame) {
        if let Some(session) = self.sessions.get(&session) {
            // The session may be about to end.
            let _ = session.out.send(frame);
        }
    }

    /// Sends a message to a session and waits for any frame that it sends with the same seq.
    pub(super) fn ask(&mut self, session: u64, frame: &Frame) -> Option<oneshot::Receiver<Frame>> {
        let session = self.sessions.get_mut(&session)?;
        let (answer, answered) = oneshot::channel();
        session.waiting.insert(frame.seq, answer);
        session.out.send(frame.clone()).ok()?;
        Some(answered)
    }

    /// Hands a frame to the task that waits for its seq. Returns whether there was one.
    pub(super) fn answer(&mut self, session: u64, frame: &Frame) -> bool {
        let session = self.sessions.get_mut(&session);
        let waiting = session.and_then(|session| session.waiting.remove(&frame.seq));
        waiting.is_some_and(|waiting| waiting.send(frame.clone()).is_ok())
    }

    // ---- neighbours ----

    pub(super) fn open_peer(&mut self, node: String, out: UnboundedSender<PeerFrame>) -> u64 {
        let id = self.number();
        let peer = Peer {
            node,
            out,
            known: 0,
            asked: None,
            topics: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            waiting: HashMap::new(),
        };
        self.peers.insert(id, peer);
        id
    }

    pub(super) fn close_peer(&mut self, id: u64) {
        self.peers.remove(&id);
    }

    pub(super) fn topic_seq(&self) -> u32 {
        self.topic_seq
    }

    pub(super) fn list(&self) -> Bytes {
        let topics = self.topics().into_iter().map(Bytes::from).collect();
        let seq = self.topic_seq;
        TopicList { seq, topics }.encode()
    }

    /// Handles a neighbour's announcement of its list's number. If it is new, requests the whole
    /// list.
    pub(super) fn heard(&mut self, peer: u64, number: u32) {
        let seq = self.seq();
        let Some(Peer { known, asked, .. }) = self.peers.get_mut(&peer) else {
            return;
        };
        if number == *known {
            return self.verify(peer);
        }
        if asked.is_some_and(|(asked, at)| asked == number && at.elapsed() < LIST) {
            return;
        }
        *asked = Some((number, Instant::now()));
        let request = PeerFrame {
            protocol: protocol::TOPIC,
            packet: packet::REQUEST_TOPICS,
            seq,
            body: Bytes::new(),
        };
        self.tell(peer, request);
    }

    pub(super) fn fetch(&mut self, peer: u64, list: TopicList, bytes: usize) {
        self.fetched.lists += 1;
        self.fetched.bytes += bytes as u64;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.known = list.seq;
            peer.topics = list.topics.into_iter().collect();
            let Peer {
                topics, verdicts, ..
            } = peer;
            verdicts.retain(|topic, _| topics.contains(topic));
        }
        self.verify(peer);
    }

    /// Returns the neighbours that may get messages of a topic.
    pub(super) fn peers_with(&self, topic: &[u8]) -> Vec<u64> {
        let private = topic.starts_with(PRIVATE);
        let has = |peer: &Peer| {
            peer.topics.contains(topic) && (!private || peer.verdicts.get(topic) == Some(&true))
        };
        let peers = self.peers.iter().filter(|(_, peer)| has(peer));
        peers.map(|(&id, _)| id).collect()
    }

    pub(super) fn candidates(&self, topic: &[u8]) -> Vec<Candidate> {
        let own = !self.subscribers(topic).is_empty();
        let peers = self.peers_with(topic).into_iter().map(Candidate::Peer);
        peers.chain(own.then_some(Candidate::Own)).collect()
    }

    pub(super) fn tell(&self, peer: u64, frame: PeerFrame) {
        if let Some(peer) = self.peers.get(&peer) {
            let _ = peer.out.send(frame);
        }
    }

    pub(super) fn multicast(&mut self, frame: &Frame, topic: &[u8]) {
        let message = PeerFrame {
            protocol: protocol::AMOP,
            packet: packet::MULTICAST,
            seq: self.seq(),
            body: frame.to_bytes(),
        };
        for peer in self.peers_with(topic) {
            self.tell(peer, message.clone());
        }
    }

    /// Asks a neighbour for the answer of one of its subscribers.
    pub(super) fn ask_peer(&mut self, peer: u64, body: Bytes) -> Option<oneshot::Receiver<Bytes>> {
        let seq = self.seq();
        let peer = self.peers.get_mut(&peer)?;
        let (answer, answered) = oneshot::channel();
        peer.waiting.insert(seq, answer);
        let (protocol, packet) = (protocol::AMOP, packet::UNICAST);
        let request = PeerFrame {
            protocol,
            packet,
            seq,
            body,
        };
        peer.out.send(request).ok()?;
        Some(answered)
    }

    pub(super) fn answered_by_peer(&mut self, peer: u64, seq: u32, body: Bytes) {
        let peer = self.peers.get_mut(&peer);
        if let Some(waiting) = peer.and_then(|peer| peer.waiting.remove(&seq)) {
            // The receiver may have stopped waiting.
            let _ = waiting.send(body);
        }
    }

    // ---- private topics ----

    /// Asks a publisher to verify the private topics of a neighbour that have no verdict.
    fn verify(&mut self, peer: u64) {
        let Some(Peer {
            node,
            topics,
            verdicts,
            ..
        }) = self.peers.get(&peer)
        else {
            return;
        };
        let mut pushes = Vec::new();
        let open = |topic: &&Bytes| topic.starts_with(PRIVATE) && !verdicts.contains_key(*topic);
        for topic in topics.iter().filter(open) {
            let prefix = [ROUTE, topic].concat();
            let route = topics.iter().find(|other| other.starts_with(&prefix));
            let (Some(route), Ok(name)) = (route, std::str::from_utf8(topic)) else {
                continue;
            };
            let publishers = self.subscribers(format!("{PUSH}{name}").as_bytes());
            if publishers.is_empty() {
                continue;
            }
            let publisher = publishers[self.draw(publishers.len())];
            let body = json!({
                "nodeId": node,
                "topic": name,
                "topicForCert": String::from_utf8_lossy(route),
            });
            pushes.push((publisher, format!("{body}\n")));
        }
        for (publisher, body) in pushes {
            let seq = Seq::random(&mut StdRng::seed_from_u64(self.number()));
            self.send(publisher, Frame::new(FrameType::VERIFY_PEER, seq, body));
        }
    }

    /// Records a publisher's verdict on a private topic of a neighbour.
    pub(super) fn judge(&mut self, body: &[u8]) {
        let Ok(verdict) = serde_json::from_slice::<serde_json::Value>(body) else {
            return;
        };
        let (node, topic) = (verdict["nodeId"].as_str(), verdict["topic"].as_str());
        let (Some(node), Some(topic)) = (node, topic) else {
            return;
        };
        let topic = Bytes::copy_from_slice(topic.as_bytes());
        let good = verdict["checkResult"] == 0;
        for peer in self.peers.values_mut() {
            if peer.node == node && peer.topics.contains(&topic) {
                // The first verdict stays.
                peer.verdicts.entry(topic.clone()).or_insert(good);
            }
        }
    }
}
