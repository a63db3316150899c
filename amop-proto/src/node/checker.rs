//! What neighbours say of nodes, checked before the machine sees it: signatures cost hundreds of
//! microseconds, so this is done outside the node's lock.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Event, PeerId,
    peer_input::{Ends, PeerInput},
};
use crate::{
    hash::{HashMap, HashSet},
    p2p::{
        NodeId, PeerFrame,
        mesh::{NodeKey, Record, RecordsError, Refusal, SignedRecord, Subject, Verifier, packet},
        protocol,
    },
};

/// Flooding brings each record over every link: this many are remembered as good, 32 bytes each.
const MAX_SEEN: usize = 32 * 1024;

/// This many chains of certificates are remembered as refused, some 300 bytes each.
const MAX_REFUSALS: usize = 1024;

/// To read so many bytes of certificates takes about as long as to verify a signature.
const BYTES_OF_A_SIGNATURE: usize = 4096;

/// To read and look up so many short records that are known takes less than that.
const REPEATS_OF_A_SIGNATURE: usize = 16;

/// A change names at most this many topics; what changes more is stated whole. It bounds what the
/// machine does for a change at once.
pub(super) const MAX_CHANGE: usize = 4096;

/// What a topic of another node costs in memory beside its name, about.
const TOPIC_COST: usize = 128;

/// A record whose signature is good and, if it is whole, whose certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecord {
    signed: SignedRecord,
    /// Bytes that its topics take here.
    weight: usize,
}

impl CheckedRecord {
    /// A record that this very node has signed.
    pub(super) fn own(signed: SignedRecord) -> Self {
        let topics = signed.record().topics.iter();
        let weight = topics.map(|(topic, _)| topic.len() + TOPIC_COST).sum();
        Self { signed, weight }
    }

    pub(super) fn record(&self) -> &Record {
        self.signed.record()
    }

    pub(super) fn key(&self) -> NodeKey {
        self.signed.key()
    }

    pub(super) fn signed(&self) -> &SignedRecord {
        &self.signed
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

pub(super) fn topic_cost(topic: &[u8]) -> usize {
    topic.len() + TOPIC_COST
}

/// What is wrong with a records packet. A node passes on only what it has checked itself, so the
/// neighbour that sent it is at fault, and its connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordsFault {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] RecordsError),
    /// A change of more topics than one may name.
    #[error("a change of more than {MAX_CHANGE} topics of node {0}")]
    LongChange(NodeId),
    /// A record is not signed by the node that it must be signed by.
    #[error("a forged record of node {0}")]
    Forged(NodeId),
    /// A record comes with the certificates of another node.
    #[error("a record of node {0} with the certificates of another node")]
    OthersChain(NodeId),
    /// The neighbour's own record comes with certificates that this node does not believe, though it
    /// let the neighbour in.
    #[error("a record of its own, node {0}, with certificates that are not believed")]
    Unbelieved(NodeId),
}

/// A record that is not believed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) subject: Subject,
    pub(super) version: u64,
    pub(super) why: Refusal,
}

/// A records packet after its check: all that the machine takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    pub(super) seq: u32,
    pub(super) records: Vec<CheckedRecord>,
    /// Records of nodes that this node does not believe. That is its own view: its lists may be newer or
    /// older than those of the neighbour, who is not to blame.
    pub(super) refused: Vec<Refused>,
    /// Nodes with more topics than this node takes. Its neighbour may take more.
    pub(super) too_long: Vec<NodeId>,
    /// Then there are no records.
    pub(super) fault: Option<RecordsFault>,
    work: usize,
    /// Records that had been good before.
    repeats: usize,
}

impl CheckedRecords {
    /// How many signatures had to be verified for it, certificates counted as one each and long ones as
    /// more, and records that had been good before as one for so many. A connection
    /// that causes much of that should be read from more slowly.
    #[must_use]
    pub fn work(&self) -> usize {
        self.work + self.repeats / REPEATS_OF_A_SIGNATURE
    }
}

/// Turns what peers send into events, and checks records on the way. One for all connections of a
/// node.
#[derive(Debug)]
pub struct Checker {
    verifier: Arc<dyn Verifier>,
    max_topics: usize,
    ends: Ends,
    seen: Mutex<Seen>,
    verified: AtomicU64,
    refusals: Mutex<Refusals>,
}

/// The SHA-256 of records that were good.
#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
    /// Counts how often all was forgotten.
    renewals: u64,
}

impl Checker {
    /// `max_topics` is [`Limits::peer_topics`](super::Limits::peer_topics).
    pub fn new(verifier: Arc<dyn Verifier>, max_topics: usize) -> Self {
        Self {
            verifier,
            max_topics,
            ends: Ends::default(),
            seen: Mutex::default(),
            verified: AtomicU64::new(0),
            refusals: Mutex::default(),
        }
    }

    /// As [`new`](Self::new) for this node, with its [`transit`](super::NodeConfig::transit): what is for
    /// them is hashed here, and not by the machine.
    #[must_use]
    pub fn of_node<'a>(self, node: &NodeId, transit: impl IntoIterator<Item = &'a NodeId>) -> Self {
        let ends = Ends::new(node, transit);
        Self { ends, ..self }
    }

    /// How many signatures have been verified, certificates counted as one each.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// What was good before is looked at again when it comes again: the verifier's lists have changed.
    /// What the machine holds should be looked at, too, with [`disbelieved`](Self::disbelieved).
    pub fn forget(&self) {
        self.refusals().forget();
        let mut seen = self.seen();
        let renewals = seen.renewals + 1;
        *seen = Seen {
            renewals,
            ..Seen::default()
        };
    }

    /// Which of these nodes, with their certificates, the verifier does not let in any longer: for
    /// [`Event::Disbelieve`]. See [`Router::chains`](super::Router::chains). FISCO nodes are looked for
    /// in the lists alone. Takes as long as verifying them does.
    pub fn disbelieved(
        &self,
        chains: impl IntoIterator<Item = (Subject, Vec<Bytes>)>,
    ) -> Vec<Subject> {
        let refused = |subject: &Subject, chain: &[Bytes]| match subject {
            Subject::Node(node) => self.verifier.identify(chain).as_ref() != Ok(node),
            Subject::Stub { fisco, .. } => self.verifier.admits(fisco).is_err(),
        };
        // What was refused for its dates may be valid by now.
        self.refusals().forget();
        let chains = chains.into_iter();
        chains
            .filter(|(subject, chain)| refused(subject, chain))
            .map(|(subject, _)| subject)
            .collect()
    }

    /// The event that a peer's frame is. Takes as long as it takes to verify what the frame brings
    /// that is new; must not be called with the node's lock held.
    pub fn event(&self, peer: PeerId, frame: PeerFrame) -> Event {
        if frame.protocol == protocol::EXTENSION && frame.packet == packet::RECORDS {
            Event::PeerRecords(peer, self.check(&frame))
        } else {
            let input = PeerInput::read(frame, self.max_topics, &self.ends);
            Event::PeerFrame(peer, input)
        }
    }

    /// Whether a frame is one of records, or has something to be read: [`event`](Self::event) takes time.
    pub fn concerns(event: &Event) -> bool {
        let Event::PeerFrame(_, input) = event else {
            return false;
        };
        Self::is_signed(event) || PeerInput::is_long(&input.frame)
    }

    /// Whether it is a frame of records that has yet to be checked.
    pub fn is_signed(event: &Event) -> bool {
        matches!(
            event,
            Event::PeerFrame(_, PeerInput { frame, .. })
                if frame.protocol == protocol::EXTENSION && frame.packet == packet::RECORDS
        )
    }

    /// How many bytes have to be read of it at most, if it is a frame that [`event`](Self::event) takes
    /// time for.
    pub fn length(event: &Event) -> usize {
        match event {
            Event::PeerFrame(_, input) if Self::concerns(event) => input.frame.body.len(),
            _ => 0,
        }
    }

    /// An event as the machine takes it: as [`event`](Self::event), of what is one already.
    pub fn checked(&self, event: Event) -> Event {
        match event {
            Event::PeerFrame(peer, input) => self.event(peer, input.frame),
            event => event,
        }
    }

    /// Checks a records packet.
    pub fn check(&self, frame: &PeerFrame) -> CheckedRecords {
        let mut checked = CheckedRecords {
            seq: frame.seq,
            records: Vec::new(),
            refused: Vec::new(),
            too_long: Vec::new(),
            fault: None,
            work: 0,
            repeats: 0,
        };
        if let Err(fault) = self.check_all(frame, &mut checked) {
            checked.fault = Some(fault);
            checked.records.clear();
        }
        let work = checked.work as u64;
        self.verified.fetch_add(work, Ordering::Relaxed);
        checked
    }

    fn check_all(
        &self,
        frame: &PeerFrame,
        checked: &mut CheckedRecords,
    ) -> Result<(), RecordsFault> {
        let verifier = &*self.verifier;
        for signed in SignedRecord::decode_each(frame.body.clone(), self.max_topics)? {
            let signed = match signed {
                Ok(signed) => signed,
                Err(RecordsError::TooManyTopics { node, .. }) => {
                    checked.too_long.extend(node);
                    continue;
                }
                Err(malformed) => return Err(malformed.into()),
            };
            let record = signed.record();
            if record.base != 0 && record.topics.len() > MAX_CHANGE {
                return Err(RecordsFault::LongChange(*record.subject.node()));
            }
            let digest: [u8; 32] = Sha256::digest(signed.bytes()).into();
            let (seen, renewals) = {
                let seen = self.seen();
                (seen.digests.contains(&digest), seen.renewals)
            };
            if seen {
                checked.repeats += 1;
            } else {
                checked.work += 1;
                if !signed.is_signed(verifier) {
                    return Err(RecordsFault::Forged(*record.subject.node()));
                }
                match self.identify(record, &mut checked.work) {
                    Ok(()) => self.good(digest, renewals),
                    Err(Unbelieved::Others(node)) => return Err(RecordsFault::OthersChain(node)),
                    Err(Unbelieved::Refused(why)) => {
                        let (subject, version) = (record.subject, record.version);
                        checked.refused.push(Refused {
                            subject,
                            version,
                            why,
                        });
                        continue;
                    }
                }
            }
            checked.records.push(CheckedRecord::own(signed));
        }
        Ok(())
    }

    /// Whole records bring certificates. What else is signed with the same key is believed as long as the
    /// whole record is; the machine sees to that. FISCO nodes bring none, and lists are all there is.
    fn identify(&self, record: &Record, work: &mut usize) -> Result<(), Unbelieved> {
        let (node, whole) = match (&record.subject, &record.whole) {
            (Subject::Node(node), Some(whole)) => (node, whole),
            (Subject::Node(_), None) => return Ok(()),
            (Subject::Stub { fisco, .. }, _) => {
                return self.verifier.admits(fisco).map_err(Unbelieved::Refused);
            }
        };
        let chain = digest_of(&whole.chain);
        let (refused, renewals) = {
            let refusals = self.refusals();
            (refusals.by_chain.get(&chain).cloned(), refusals.renewals)
        };
        if let Some(why) = refused {
            return Err(Unbelieved::Refused(why));
        }
        *work += work_of(&whole.chain);
        match self.verifier.identify(&whole.chain) {
            Ok(found) if found == *node => Ok(()),
            Ok(_) => Err(Unbelieved::Others(*node)),
            Err(why) => {
                self.refusals().note(chain, why.clone(), renewals);
                Err(Unbelieved::Refused(why))
            }
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self, digest: [u8; 32], renewals: u64) {
        let mut seen = self.seen();
        if seen.renewals != renewals || !seen.digests.insert(digest) {
            return;
        }
        seen.order.push_back(digest);
        if seen.order.len() > MAX_SEEN
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.digests.remove(&oldest);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Unbelieved {
    Others(NodeId),
    Refused(Refusal),
}

/// Certificates that were refused, by the digest of their chain, the latest ones: a node that this one
/// does not let in goes on telling of itself by way of others.
#[derive(Debug, Default)]
struct Refusals {
    by_chain: HashMap<[u8; 32], Refusal>,
    order: VecDeque<[u8; 32]>,
    /// Counts how often all was forgotten.
    renewals: u64,
}

impl Refusals {
    fn forget(&mut self) {
        let renewals = self.renewals + 1;
        *self = Self {
            renewals,
            ..Self::default()
        };
    }

    fn note(&mut self, chain: [u8; 32], why: Refusal, renewals: u64) {
        // What was judged by lists that have been replaced since is not noted.
        if self.renewals != renewals || self.by_chain.insert(chain, why).is_some() {
            return;
        }
        self.order.push_back(chain);
        if self.order.len() > MAX_REFUSALS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_chain.remove(&oldest);
        }
    }
}

/// What it takes to read and verify a chain, in signatures: one for each certificate, and what reading
/// takes of long ones.
fn work_of(chain: &[Bytes]) -> usize {
    let bytes: usize = chain.iter().map(Bytes::len).sum();
    chain.len() + bytes / BYTES_OF_A_SIGNATURE
}

fn digest_of(chain: &[Bytes]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for certificate in chain {
        digest.update((certificate.len() as u64).to_be_bytes());
        digest.update(certificate);
    }
    digest.finalize().into()
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::p2p::mesh::{SharedSecret, Signer, Whole};

    fn id(n: u8) -> NodeId {
        NodeId([n; 64])
    }

    fn record(n: u8, certificates_of: u8) -> Record {
        Record {
            subject: Subject::Node(id(n)),
            version: 9,
            base: 0,
            whole: Some(Whole {
                agreement: [0; 32],
                chain: SharedSecret::new(id(certificates_of)).chain(),
            }),
            neighbours: Some(Vec::new()),
            topics: vec![(Bytes::from_static(b"hello"), 1)],
        }
    }

    fn signed(n: u8) -> SignedRecord {
        record(n, n).sign(&SharedSecret::new(id(n))).unwrap()
    }

    fn frame(records: &[SignedRecord]) -> PeerFrame {
        let mut body = BytesMut::new();
        for record in records {
            body.extend_from_slice(record.bytes());
        }
        PeerFrame {
            protocol: protocol::EXTENSION,
            packet: packet::RECORDS,
            seq: 7,
            body: body.freeze(),
        }
    }

    fn checker() -> Checker {
        Checker::new(Arc::new(SharedSecret::new(id(0))), 10)
    }

    #[test]
    fn what_is_good_is_verified_once() {
        let checker = checker();
        let frame = frame(&[signed(1), signed(2)]);
        let first = checker.check(&frame);
        assert_eq!(
            (first.records.len(), first.work(), first.fault),
            (2, 4, None)
        );
        let second = checker.check(&frame);
        assert_eq!((second.records.len(), second.work()), (2, 0));
    }

    #[test]
    fn nothing_of_a_packet_with_a_forged_record_is_taken() {
        let checker = checker();
        let forged = record(1, 1).sign(&SharedSecret::new(id(2))).unwrap();
        let checked = checker.check(&frame(&[signed(2), forged]));
        assert_eq!(checked.fault, Some(RecordsFault::Forged(id(1))));
        assert!(checked.records.is_empty());
        let borrowed = record(1, 2).sign(&SharedSecret::new(id(1))).unwrap();
        let checked = checker.check(&frame(&[borrowed]));
        assert_eq!(checked.fault, Some(RecordsFault::OthersChain(id(1))));
    }

    #[test]
    fn a_node_that_is_not_let_in_is_left_out_and_later_lists_count() {
        let lists = SharedSecret::new(id(0));
        let checker = Checker::new(Arc::new(lists.clone()), 10);
        let both = frame(&[signed(1), signed(2)]);
        assert_eq!(checker.check(&both).records.len(), 2);
        lists.refuse(id(1));
        checker.forget();
        let checked = checker.check(&both);
        assert_eq!((checked.records.len(), checked.fault), (1, None));
        assert_eq!(checked.refused[0].subject, Subject::Node(id(1)));
        let chains = [1, 2].map(|n| (Subject::Node(id(n)), SharedSecret::new(id(n)).chain()));
        assert_eq!(checker.disbelieved(chains), [Subject::Node(id(1))]);
    }

    /// What a border says of a FISCO node behind it.
    fn stub(fisco: u8, border: u8) -> SignedRecord {
        let record = Record {
            subject: Subject::Stub {
                fisco: id(fisco),
                border: id(border),
            },
            whole: None,
            neighbours: None,
            ..record(fisco, border)
        };
        record.sign(&SharedSecret::new(id(border))).unwrap()
    }

    #[test]
    fn lists_count_for_fisco_nodes_behind_a_border() {
        let lists = SharedSecret::new(id(0));
        let checker = Checker::new(Arc::new(lists.clone()), 10);
        let both = frame(&[stub(8, 1), stub(9, 1)]);
        assert_eq!(checker.check(&both).records.len(), 2);
        lists.refuse(id(8));
        checker.forget();
        let checked = checker.check(&both);
        let refused = Subject::Stub {
            fisco: id(8),
            border: id(1),
        };
        assert_eq!((checked.records.len(), checked.fault), (1, None));
        assert_eq!(checked.refused[0].subject, refused);
        let other = checked.records[0].record();
        let held = [(refused, Vec::new()), (other.subject, Vec::new())];
        assert_eq!(checker.disbelieved(held), [refused]);
    }

    #[test]
    fn certificates_that_are_refused_are_judged_once_and_charged_by_their_length() {
        let lists = SharedSecret::new(id(0));
        lists.refuse(id(1));
        let checker = Checker::new(Arc::new(lists), 10);
        let of_version = |version: u64, padding: usize| {
            let mut record = record(1, 1);
            record.version = version;
            let whole = record.whole.as_mut().unwrap();
            whole.chain.push(Bytes::from(vec![0; padding]));
            record.sign(&SharedSecret::new(id(1))).unwrap()
        };
        let work = |record: SignedRecord| {
            let checked = checker.check(&frame(&[record]));
            assert_eq!((checked.records.len(), checked.refused.len()), (0, 1));
            checked.work()
        };
        assert_eq!(work(of_version(1, 10)), 3);
        assert_eq!(work(of_version(2, 10)), 1, "the same certificates");
        assert_eq!(work(of_version(3, 5 * BYTES_OF_A_SIGNATURE)), 8);
        checker.forget();
        assert_eq!(work(of_version(4, 10)), 3);
        assert!(checker.disbelieved([]).is_empty());
        assert_eq!(work(of_version(5, 10)), 3, "it may be valid by now");
        for n in 0..2 * MAX_REFUSALS {
            work(of_version(6, n));
        }
        let refusals = checker.refusals();
        assert_eq!(refusals.by_chain.len(), MAX_REFUSALS);
        assert_eq!(refusals.order.len(), MAX_REFUSALS);
    }

    #[test]
    fn the_memory_of_what_was_good_is_bounded() {
        let checker = checker();
        for n in 0..2 * MAX_SEEN as u64 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            checker.good(digest, 0);
        }
        let seen = checker.seen();
        assert_eq!((seen.digests.len(), seen.order.len()), (MAX_SEEN, MAX_SEEN));
    }
}
