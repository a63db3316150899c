//! Checks the records that neighbours send, before the machine sees them: signatures cost hundreds
//! of microseconds, so this is done outside the node's lock.

mod check;
mod latest;
mod records;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use self::latest::Latest;
pub(super) use self::records::{MAX_CHANGE, RefusedRecord, topic_cost};
pub use self::{
    check::RecordsCheck,
    records::{CheckedRecord, CheckedRecords, RecordsFault},
};
use super::{
    NodeEvent, PeerId,
    peer_input::{Ends, PeerInput},
};
use crate::p2p::{
    NodeId, PeerFrame,
    mesh::{IdentityRefusal, Record, SignedRecord, StatementVerifier, Subject},
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

    /// Names this node and its [`stubs`](super::MachineConfig::stubs), so that messages for
    /// them are hashed here and not by the machine.
    #[must_use]
    pub fn of_node<'a>(self, node: &NodeId, stubs: impl IntoIterator<Item = &'a NodeId>) -> Self {
        let ends = Ends::new(node, stubs);
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
        part.records.push(checked.with_authority(authority));
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
mod tests;
