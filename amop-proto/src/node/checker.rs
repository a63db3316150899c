//! Checks the records that neighbours send, before the machine sees them: signatures cost hundreds
//! of microseconds, so this is done outside the node's lock.

mod check;
mod latest;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::check::RecordsCheck;
use self::latest::Latest;
use super::{
    NodeEvent, PeerId,
    peer_input::{Ends, PeerInput},
};
use crate::p2p::{
    NodeId, PeerFrame,
    mesh::{
        IdentityRefusal, Record, RecordsError, RoutingKey, SignedRecord, StatementVerifier, Subject,
    },
};

/// Flooding brings each record over every link: this many are remembered as good, 32 bytes each.
const MAX_SEEN: usize = 32 * 1024;

/// This many records are remembered as refused, some 200 bytes each.
const MAX_REFUSED: usize = 8 * 1024;

/// This many chains of certificates are remembered as refused, some 300 bytes each.
const MAX_REFUSALS: usize = 1024;

/// Reading this many bytes of certificates takes about as long as verifying a signature.
const BYTES_OF_A_SIGNATURE: usize = 4096;

/// Reading and hashing this many bytes of records takes about as long as verifying a signature.
const COST_OF_A_SIGNATURE: usize = 32 * 1024;

/// Reading and looking up this many records, however short, takes as long as verifying a signature.
const REPEATS_OF_A_SIGNATURE: usize = 16;

/// A change names at most this many topics; a larger change is stated as a whole record. This
/// limits the work that the machine does at once for a change.
pub(super) const MAX_CHANGE: usize = 4096;

/// About what a topic of another node costs in memory in addition to its name.
const TOPIC_COST: usize = 128;

/// A record whose signature is good; if it is whole, its certificates are good as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecord {
    signed: SignedRecord,
    /// The bytes that its topics take in this node's memory.
    weight: usize,
    /// The digest of the node's agency, if the record brings certificates.
    authority: [u8; 32],
}

impl CheckedRecord {
    /// Wraps a record that has been checked, or that this node has signed. It copies the record,
    /// because the record is kept and the packet it came in is not.
    pub(super) fn new(signed: SignedRecord) -> Self {
        let signed = signed.apart();
        let topics = signed.record().topics.iter();
        let weight = topics.map(|(topic, _)| topic.len() + TOPIC_COST).sum();
        Self {
            signed,
            weight,
            authority: [0; 32],
        }
    }

    /// Returns the digest of the agency; see [`Identified`].
    pub(super) fn authority(&self) -> [u8; 32] {
        self.authority
    }

    pub(super) fn record(&self) -> &Record {
        self.signed.record()
    }

    pub(super) fn key(&self) -> RoutingKey {
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

/// What is wrong with a records packet. A node passes on only records that it has checked itself,
/// so the neighbour that sent the packet is at fault, and its connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordsFault {
    /// The packet cannot be read.
    #[error(transparent)]
    Unreadable(#[from] RecordsError),
    /// A change names more topics than it may.
    #[error("a change of more than {MAX_CHANGE} topics of node {}", .0.short())]
    LongChange(NodeId),
    /// A record is not signed by the node that must sign it.
    #[error("a forged record of node {}", .0.short())]
    Forged(NodeId),
    /// A record comes with the certificates of another node.
    #[error("a record of node {} with the certificates of another node", .0.short())]
    OthersChain(NodeId),
    /// The neighbour's own record comes with certificates that this node refuses, although it
    /// accepted the neighbour's connection.
    #[error("its own record, of node {}, with certificates that are refused", .0.short())]
    Unbelieved(NodeId),
}

/// A record that is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedRecord {
    pub(super) subject: Subject,
    pub(super) version: u64,
    pub(super) why: IdentityRefusal,
}

/// A records packet, or a part of one, after its check. The machine accepts records only in this
/// form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    pub(super) seq: u32,
    pub(super) records: Vec<CheckedRecord>,
    /// Records of nodes that this node refuses. This is its own view: its lists may be newer or
    /// older than those of the neighbour, so the neighbour is not at fault.
    pub(super) refused: Vec<RefusedRecord>,
    /// Nodes with more topics than this node accepts. The neighbour may accept more.
    pub(super) too_long: Vec<NodeId>,
    /// The fault, if there is one; `records` is empty then.
    pub(super) fault: Option<RecordsFault>,
    /// Whether this is the last part.
    pub(super) last: bool,
    work: usize,
}

impl CheckedRecords {
    /// Returns how many signatures had to be verified. Each certificate counts as one, and a long
    /// one as more.
    #[must_use]
    pub fn work(&self) -> usize {
        self.work
    }
}

/// Turns frames of peers into events, and checks records. A node has one for all its connections.
#[derive(Debug)]
pub struct Checker {
    verifier: Arc<dyn StatementVerifier>,
    max_topics: usize,
    ends: Ends,
    /// The records that were good, each with the digest of the node's agency if it brings
    /// certificates.
    seen: Mutex<Latest<[u8; 32]>>,
    refused: Mutex<Latest<Arc<IdentityRefusal>>>,
    refused_chains: Mutex<Latest<Arc<IdentityRefusal>>>,
    verified: AtomicU64,
}

impl Checker {
    /// Creates a checker. `max_topics` is [`Limits::peer_topics`](super::Limits::peer_topics).
    pub fn new(verifier: Arc<dyn StatementVerifier>, max_topics: usize) -> Self {
        Self {
            verifier,
            max_topics,
            ends: Ends::default(),
            seen: Mutex::new(Latest::new(MAX_SEEN)),
            refused: Mutex::new(Latest::new(MAX_REFUSED)),
            refused_chains: Mutex::new(Latest::new(MAX_REFUSALS)),
            verified: AtomicU64::new(0),
        }
    }

    /// Names this node and its [`transit`](super::MachineConfig::transit), so that messages for
    /// them are hashed here and not by the machine.
    #[must_use]
    pub fn of_node<'a>(self, node: &NodeId, transit: impl IntoIterator<Item = &'a NodeId>) -> Self {
        let ends = Ends::new(node, transit);
        Self { ends, ..self }
    }

    /// Returns how many signatures have been verified. Each certificate counts as one.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// Forgets which records were good, so that they are checked again when they come again: the
    /// verifier's lists have changed. The records that the machine holds should be checked as well,
    /// with [`disbelieved`](Self::disbelieved).
    pub fn forget(&self) {
        self.forget_refusals();
        lock(&self.seen).forget();
    }

    fn forget_refusals(&self) {
        lock(&self.refused).forget();
        lock(&self.refused_chains).forget();
    }

    /// Returns which of these nodes, with their certificates, the verifier no longer accepts: for
    /// [`NodeEvent::Disbelieve`]. See [`Router::chains`](super::Router::chains). FISCO nodes are
    /// only looked up in the lists. This takes as long as verifying the certificates does.
    pub fn disbelieved(
        &self,
        chains: impl IntoIterator<Item = (Subject, Vec<Bytes>)>,
    ) -> Vec<Subject> {
        let refused = |subject: &Subject, chain: &[Bytes]| match subject {
            Subject::Node(node) => {
                let found = self.verifier.identify(chain);
                found.map(|found| found.node).as_ref() != Ok(node)
            }
            Subject::Stub { fisco, .. } => self.verifier.admits(fisco).is_err(),
        };
        // Certificates that were refused for their dates may be valid by now.
        self.forget_refusals();
        let chains = chains.into_iter();
        chains
            .filter(|(subject, chain)| refused(subject, chain))
            .map(|(subject, _)| subject)
            .collect()
    }

    /// Returns the event for a peer's frame. This takes as long as verifying the new records in the
    /// frame; do not call it with the node's lock held. For long frames see [`begin`](Self::begin).
    pub fn event(&self, peer: PeerId, frame: PeerFrame) -> NodeEvent {
        if PeerInput::is_records(&frame) {
            NodeEvent::PeerRecords(peer, self.check(&frame))
        } else {
            let input = PeerInput::read(frame, self.max_topics, &self.ends);
            NodeEvent::PeerFrame(peer, input)
        }
    }

    /// Returns whether a frame brings records or has parts to be read, so that
    /// [`event`](Self::event) takes time.
    pub fn concerns(event: &NodeEvent) -> bool {
        let NodeEvent::PeerFrame(_, input) = event else {
            return false;
        };
        Self::is_signed(event) || PeerInput::is_long(&input.frame)
    }

    /// Returns whether it is a frame of records that has not been checked yet.
    pub fn is_signed(event: &NodeEvent) -> bool {
        matches!(event, NodeEvent::PeerFrame(_, input) if PeerInput::is_records(&input.frame))
    }

    /// Returns how many bytes must be read at most, if it is a frame for which
    /// [`event`](Self::event) takes time.
    pub fn length(event: &NodeEvent) -> usize {
        match event {
            NodeEvent::PeerFrame(_, input) if Self::concerns(event) => input.frame.body.len(),
            _ => 0,
        }
    }

    /// Returns an event as the machine accepts it: like [`event`](Self::event), for a frame that is
    /// already in an event.
    pub fn checked(&self, event: NodeEvent) -> NodeEvent {
        match event {
            NodeEvent::PeerFrame(peer, input) => self.event(peer, input.frame),
            event => event,
        }
    }

    /// Returns whether it is a topic list, which is a text that must be read.
    pub fn is_list(event: &NodeEvent) -> bool {
        matches!(event, NodeEvent::PeerFrame(_, input) if PeerInput::is_list(&input.frame))
    }

    /// Checks a whole records packet at once.
    pub fn check(&self, frame: &PeerFrame) -> CheckedRecords {
        let mut check = RecordsCheck::whole(frame, self.max_topics);
        while check.ready().is_none() {
            self.go_on(&mut check);
        }
        check.take()
    }

    /// Starts to check a frame of records; [`go_on`](Self::go_on) then checks one record at a time.
    /// `None` if the event is not a frame of records.
    #[must_use]
    pub fn begin(&self, event: &NodeEvent) -> Option<RecordsCheck> {
        match event {
            NodeEvent::PeerFrame(peer, input) if PeerInput::is_records(&input.frame) => {
                Some(RecordsCheck::new(*peer, &input.frame, self.max_topics))
            }
            _ => None,
        }
    }

    /// Checks one more record of a packet. Returns the cost: the bytes read, plus, for each
    /// signature verified, the bytes that could have been read in that time.
    pub fn go_on(&self, check: &mut RecordsCheck) -> usize {
        let before = check.work();
        let len = check.step(|signed, part| self.check_one(signed, part));
        let work = check.work() - before;
        self.verified.fetch_add(work as u64, Ordering::Relaxed);
        len.max(COST_OF_A_SIGNATURE / REPEATS_OF_A_SIGNATURE) + work * COST_OF_A_SIGNATURE
    }

    fn check_one(
        &self,
        signed: SignedRecord,
        part: &mut CheckedRecords,
    ) -> Result<(), RecordsFault> {
        let record = signed.record();
        if record.base != 0 && record.topics.len() > MAX_CHANGE {
            return Err(RecordsFault::LongChange(*record.subject.node()));
        }
        let digest: [u8; 32] = Sha256::digest(signed.bytes()).into();
        let (seen, rules) = {
            let seen = lock(&self.seen);
            (seen.get(&digest), seen.rules())
        };
        let authority = if let Some(authority) = seen {
            authority
        } else {
            let (refused, refused_rules) = {
                let refused = lock(&self.refused);
                (refused.get(&digest), refused.rules())
            };
            let identified = match refused {
                Some(why) => Err(Unbelieved::Refused(why)),
                None => {
                    part.work += 1;
                    if !signed.is_signed(&*self.verifier) {
                        return Err(RecordsFault::Forged(*record.subject.node()));
                    }
                    self.identify(record, &mut part.work)
                }
            };
            match identified {
                Ok(authority) => {
                    lock(&self.seen).note(digest, authority, rules);
                    authority
                }
                Err(Unbelieved::Others(node)) => return Err(RecordsFault::OthersChain(node)),
                Err(Unbelieved::Refused(why)) => {
                    lock(&self.refused).note(digest, why.clone(), refused_rules);
                    part.refused.push(RefusedRecord {
                        subject: record.subject,
                        version: record.version,
                        why: IdentityRefusal::clone(&why),
                    });
                    return Ok(());
                }
            }
        };
        let checked = CheckedRecord::new(signed);
        part.records.push(CheckedRecord {
            authority,
            ..checked
        });
        Ok(())
    }

    /// Checks the certificates of a whole record. Other records signed with the same key are
    /// believed as long as the whole record is; the machine ensures this. FISCO nodes bring no
    /// certificates, so only the lists are checked.
    fn identify(&self, record: &Record, work: &mut usize) -> Result<[u8; 32], Unbelieved> {
        const NONE: [u8; 32] = [0; 32];
        let (node, whole) = match (&record.subject, &record.whole) {
            (Subject::Node(node), Some(whole)) => (node, whole),
            (Subject::Node(_), None) => return Ok(NONE),
            (Subject::Stub { fisco, .. }, _) => {
                let admitted = self.verifier.admits(fisco).map(|()| NONE);
                return admitted.map_err(|why| Unbelieved::Refused(Arc::new(why)));
            }
        };
        let chain = digest_of(&whole.chain);
        let (refused, rules) = {
            let refused = lock(&self.refused_chains);
            (refused.get(&chain), refused.rules())
        };
        if let Some(why) = refused {
            return Err(Unbelieved::Refused(why));
        }
        *work += work_of(&whole.chain);
        match self.verifier.identify(&whole.chain) {
            Ok(found) if found.node == *node => Ok(found.authority),
            Ok(_) => Err(Unbelieved::Others(*node)),
            Err(why) => {
                let why = Arc::new(why);
                lock(&self.refused_chains).note(chain, why.clone(), rules);
                Err(Unbelieved::Refused(why))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Unbelieved {
    Others(NodeId),
    Refused(Arc<IdentityRefusal>),
}

/// Returns the work to read and verify a chain, in signatures: one for each certificate, and more
/// for long ones.
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
    use crate::p2p::{
        mesh::{SharedSecret, StatementSigner, Whole, packet},
        protocol,
    };

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

    /// A record in which a border node speaks for a FISCO node.
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
        assert_eq!(lock(&checker.refused_chains).len(), MAX_REFUSALS);
    }

    #[test]
    fn a_record_that_is_refused_costs_once_until_lists_change() {
        let lists = SharedSecret::new(id(0));
        lists.refuse(id(1));
        lists.refuse(id(8));
        let checker = Checker::new(Arc::new(lists), 10);
        let packet = frame(&[signed(1), stub(8, 2)]);
        let work = || {
            let checked = checker.check(&packet);
            assert_eq!((checked.records.len(), checked.refused.len()), (0, 2));
            checked.work()
        };
        assert_eq!((work(), work()), (3, 0));
        checker.forget();
        assert_eq!((work(), work()), (3, 0));
        assert!(checker.disbelieved([]).is_empty());
        assert_eq!(work(), 3, "it may be valid by now");
    }

    #[test]
    fn the_agency_of_a_node_is_known_though_its_record_was_seen_before() {
        let checker = checker();
        let packet = frame(&[signed(1)]);
        for _ in 0..2 {
            let checked = checker.check(&packet);
            assert_eq!(
                checked.records[0].authority(),
                SharedSecret::agency_of(&id(1))
            );
        }
    }

    fn parts(checker: &Checker, frame: &PeerFrame) -> (Vec<CheckedRecords>, Vec<usize>) {
        let event = NodeEvent::PeerFrame(PeerId(1), frame.clone().into());
        let mut check = checker.begin(&event).unwrap();
        let (mut parts, mut costs) = (Vec::new(), Vec::new());
        loop {
            match check.ready() {
                None => costs.push(checker.go_on(&mut check)),
                Some(last) => {
                    parts.push(check.take());
                    if last {
                        return (parts, costs);
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_packet_is_checked_record_by_record_and_handed_over_in_parts() {
        let checker = checker();
        let of_version = |n: u8, version: u64| {
            let changed = Record {
                version,
                ..record(n, n)
            };
            changed.sign(&SharedSecret::new(id(n))).unwrap()
        };
        let records: Vec<SignedRecord> = (1..=200)
            .flat_map(|n| (1..=4).map(move |version| (n, version)))
            .map(|(n, version)| of_version(n, version))
            .collect();
        let (parts, costs) = parts(&checker, &frame(&records));
        let whole: Vec<SignedRecord> = parts
            .iter()
            .flat_map(|part| part.records.iter().map(|record| record.signed().clone()))
            .collect();
        assert!(whole == records);
        assert!(parts.len() >= 3, "{}", parts.len());
        for part in &parts[..parts.len() - 1] {
            assert!(!part.last);
            // Records of one node stay together.
            assert_eq!(part.records.len() % 4, 0);
            assert!(part.records.len() <= 2 * check::RECORDS);
        }
        assert!(parts.last().unwrap().last);
        // Each step handles about one record, and each step has a cost.
        assert!(costs.len() >= records.len());
        let dearest = 3 * COST_OF_A_SIGNATURE + records[0].bytes().len();
        assert!(costs.iter().all(|&cost| cost <= dearest));
        let again = self::parts(&checker, &frame(&records)).1;
        assert!(again.iter().sum::<usize>() >= frame(&records).body.len());
    }

    #[test]
    fn one_node_alone_cannot_make_a_part_that_has_no_end() {
        let checker = checker();
        let records: Vec<SignedRecord> = (1..=2000)
            .map(|version| {
                let changed = Record {
                    version,
                    ..record(1, 1)
                };
                changed.sign(&SharedSecret::new(id(1))).unwrap()
            })
            .collect();
        let (parts, _) = parts(&checker, &frame(&records));
        assert!(
            parts
                .iter()
                .all(|part| part.records.len() <= 4 * check::RECORDS)
        );
        let count: usize = parts.iter().map(|part| part.records.len()).sum();
        assert_eq!(count, records.len());
    }

    #[test]
    fn the_check_stops_at_the_first_fault() {
        let checker = checker();
        let forged = record(3, 3).sign(&SharedSecret::new(id(2))).unwrap();
        let mut records = vec![signed(1), forged];
        records.extend((4..100).map(signed));
        let (parts, costs) = parts(&checker, &frame(&records));
        assert_eq!((parts.len(), costs.len()), (1, 2));
        assert_eq!(parts[0].fault, Some(RecordsFault::Forged(id(3))));
        assert!(parts[0].last && parts[0].records.is_empty());
        assert_eq!(checker.verified(), 3);
        let mut broken = frame(&[signed(5), signed(6)]);
        broken.body.truncate(broken.body.len() - 1);
        let (parts, _) = self::parts(&checker, &broken);
        let fault = RecordsFault::Unreadable(RecordsError::Malformed);
        assert_eq!(parts[0].fault, Some(fault));
        assert!(parts[0].records.is_empty());
    }

    #[test]
    fn the_memory_of_what_was_good_is_bounded() {
        let checker = checker();
        for n in 0..2 * MAX_SEEN as u64 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            lock(&checker.seen).note(digest, [0; 32], 0);
        }
        assert_eq!(lock(&checker.seen).len(), MAX_SEEN);
    }
}
