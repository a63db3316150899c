//! What a client knows of private topics.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem::discriminant,
};

use amop_proto::{TopicName, channel::PrivateName, client::Challenge, p2p::NodeId};

use super::{TopicKey, TopicPublicKey, keys::SIGNATURE_LEN};
use crate::VerificationFailure;

/// Entries kept of what nodes claim of other nodes.
const MAX_CLAIMS: usize = 1024;

/// A node as seen by way of a connection, by its number: each connection's node verifies on its own.
type Seen = (u64, NodeId);

/// The grants, by the topic a node asks at, and the keys of subscriptions, by the topic challenges
/// come to.
#[derive(Debug, Default)]
pub(crate) struct Private {
    grants: HashMap<TopicName, Grant>,
    proofs: HashMap<TopicName, Proof>,
    /// How verifications failed lately, to tell each failure once.
    failures: HashMap<(Seen, PrivateName), VerificationFailure>,
}

#[derive(Debug, Default)]
struct Grant {
    keys: BTreeSet<TopicPublicKey>,
    verified: HashSet<Seen>,
}

/// What a subscriber proves itself with.
#[derive(Debug)]
struct Proof {
    /// The topic that its messages come to.
    topic: TopicName,
    key: TopicKey,
}

/// What to make of a signature.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It is one of a granted key. `news`: that node's subscriber was not verified before.
    Good {
        news: bool,
    },
    Bad(VerificationFailure),
}

impl Private {
    // ---- publishing ----

    pub(crate) fn grant(&mut self, name: &PrivateName, keys: &[TopicPublicKey]) {
        let grant = self.grants.entry(name.push_topic().clone()).or_default();
        grant.keys.extend(keys);
    }

    pub(crate) fn revoke(&mut self, name: &PrivateName) -> bool {
        self.grants.remove(name.push_topic()).is_some()
    }

    pub(crate) fn is_granted(&self, name: &PrivateName) -> bool {
        self.grants.contains_key(name.push_topic())
    }

    /// The topics that nodes ask for verifications at.
    pub(crate) fn push_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.grants.keys()
    }

    pub(crate) fn is_push_topic(&self, topic: &TopicName) -> bool {
        self.grants.contains_key(topic)
    }

    /// Judges the signature that came by way of a connection.
    pub(crate) fn judge(&mut self, link: u64, challenge: &Challenge, signature: &[u8]) -> Judged {
        let request = &challenge.request;
        let Some(grant) = self.grants.get_mut(request.topic.push_topic()) else {
            return Judged::Bad(VerificationFailure::NotGranted);
        };
        if signature.len() != SIGNATURE_LEN {
            let len = signature.len();
            return Judged::Bad(VerificationFailure::NoSignature { len });
        }
        match TopicPublicKey::of_signer(&challenge.bytes, signature) {
            Some(key) if grant.keys.contains(&key) => {
                let seen = (link, request.node);
                self.failures.remove(&(seen, request.topic.clone()));
                let room = grant.verified.len() < MAX_CLAIMS;
                let news = room && grant.verified.insert(seen);
                Judged::Good { news }
            }
            key => Judged::Bad(VerificationFailure::UnknownKey { key }),
        }
    }

    /// Takes note of a failure. Returns whether it is another one than last time.
    pub(crate) fn failed(
        &mut self,
        link: u64,
        node: NodeId,
        name: &PrivateName,
        failure: VerificationFailure,
    ) -> bool {
        let key = ((link, node), name.clone());
        if self.failures.len() >= MAX_CLAIMS && !self.failures.contains_key(&key) {
            return false;
        }
        // By kind: a node that makes signatures up has another key every time.
        let kind = discriminant(&failure);
        let before = self.failures.insert(key, failure);
        before.is_none_or(|before| discriminant(&before) != kind)
    }

    // ---- subscribing ----

    /// The topic on which challenges to the subscriber of `topic` come.
    pub(crate) fn route_of(&self, topic: &TopicName) -> Option<&TopicName> {
        let mut proofs = self.proofs.iter();
        proofs.find_map(|(route, proof)| (proof.topic == *topic).then_some(route))
    }

    /// Whose challenges come on `route`.
    pub(crate) fn topic_of(&self, route: &TopicName) -> Option<&TopicName> {
        self.proofs.get(route).map(|proof| &proof.topic)
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = (&TopicName, &TopicName)> {
        let proofs = self.proofs.iter();
        proofs.map(|(route, proof)| (route, &proof.topic))
    }

    /// The key to sign a challenge with.
    pub(crate) fn key(&self, route: &TopicName) -> Option<TopicKey> {
        self.proofs.get(route).map(|proof| proof.key.clone())
    }

    /// Subscribes to `topic` with `key`. Returns whether that is the key in use for it.
    pub(crate) fn prove(&mut self, topic: &TopicName, key: &TopicKey, route: TopicName) -> bool {
        let mut proofs = self.proofs.values();
        if let Some(proof) = proofs.find(|proof| proof.topic == *topic) {
            return proof.key == *key;
        }
        let (topic, key) = (topic.clone(), key.clone());
        self.proofs.insert(route, Proof { topic, key });
        true
    }

    /// Nobody subscribes to `topic` any more.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.proofs.retain(|_, proof| proof.topic != *topic);
    }

    /// A connection is gone, and with it what its node knew.
    pub(crate) fn connection_lost(&mut self, link: u64) {
        for grant in self.grants.values_mut() {
            grant.verified.retain(|(of, _)| *of != link);
        }
        self.failures.retain(|((of, _), _), _| *of != link);
    }
}
