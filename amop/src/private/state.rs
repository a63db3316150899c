//! A client's state about private topics.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem::discriminant,
};

use amop_proto::{TopicName, channel::PrivateName, client::Challenge, p2p::NodeId};

use super::keys::{SIGNATURE_LEN, TopicKey, TopicPublicKey};
use crate::VerificationFailure;

/// The limit of entries about what nodes claim of other nodes.
const MAX_CLAIMS: usize = 1024;

/// A node as seen through a connection, given by its number: the node of each connection verifies
/// on its own.
type VerifyingNode = (u64, NodeId);

/// The grants, by the topic on which nodes ask for verifications, and the keys of subscriptions, by
/// the topic on which challenges arrive.
#[derive(Debug, Default)]
pub(crate) struct PrivateTopics {
    grants: HashMap<TopicName, Grant>,
    proofs: HashMap<TopicName, SubscriberKey>,
    /// The last failure of each verification, so that each failure is reported once.
    failures: HashMap<(VerifyingNode, PrivateName), VerificationFailure>,
}

#[derive(Debug, Default)]
struct Grant {
    keys: BTreeSet<TopicPublicKey>,
    verified: HashSet<VerifyingNode>,
}

/// The key with which a subscriber proves its identity.
#[derive(Debug)]
struct SubscriberKey {
    /// The topic on which its messages arrive.
    topic: TopicName,
    key: TopicKey,
}

/// The result of checking a signature.
#[derive(Debug)]
pub(crate) enum SignatureCheck {
    /// A granted key made it. `news`: that node's subscriber was not verified before.
    Good {
        news: bool,
    },
    Bad(VerificationFailure),
}

impl PrivateTopics {
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

    /// Returns the topics on which nodes ask for verifications.
    pub(crate) fn push_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.grants.keys()
    }

    pub(crate) fn is_push_topic(&self, topic: &TopicName) -> bool {
        self.grants.contains_key(topic)
    }

    /// Checks a signature that came over a connection.
    pub(crate) fn judge(
        &mut self,
        link: u64,
        challenge: &Challenge,
        signature: &[u8],
    ) -> SignatureCheck {
        let request = &challenge.request;
        let Some(grant) = self.grants.get_mut(request.topic.push_topic()) else {
            return SignatureCheck::Bad(VerificationFailure::NotGranted);
        };
        if signature.len() != SIGNATURE_LEN {
            let len = signature.len();
            return SignatureCheck::Bad(VerificationFailure::NoSignature { len });
        }
        match TopicPublicKey::of_signer(&challenge.bytes, signature) {
            Some(key) if grant.keys.contains(&key) => {
                let seen = (link, request.node);
                self.failures.remove(&(seen, request.topic.clone()));
                let room = grant.verified.len() < MAX_CLAIMS;
                let news = room && grant.verified.insert(seen);
                SignatureCheck::Good { news }
            }
            key => SignatureCheck::Bad(VerificationFailure::UnknownKey { key }),
        }
    }

    /// Records a failure. Returns whether it differs from the last one.
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
        // Compared by kind: a node that invents signatures has another key every time.
        let kind = discriminant(&failure);
        let before = self.failures.insert(key, failure);
        before.is_none_or(|before| discriminant(&before) != kind)
    }

    // ---- subscribing ----

    /// Returns the topic on which challenges to the subscriber of `topic` arrive.
    pub(crate) fn route_of(&self, topic: &TopicName) -> Option<&TopicName> {
        let mut proofs = self.proofs.iter();
        proofs.find_map(|(route, proof)| (proof.topic == *topic).then_some(route))
    }

    /// Returns the topic whose challenges arrive on `route`.
    pub(crate) fn topic_of(&self, route: &TopicName) -> Option<&TopicName> {
        self.proofs.get(route).map(|proof| &proof.topic)
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = (&TopicName, &TopicName)> {
        let proofs = self.proofs.iter();
        proofs.map(|(route, proof)| (route, &proof.topic))
    }

    /// Returns the key to sign a challenge with.
    pub(crate) fn key(&self, route: &TopicName) -> Option<TopicKey> {
        self.proofs.get(route).map(|proof| proof.key.clone())
    }

    /// Registers `key` for subscriptions to `topic`. Returns false if another key is in use for it.
    pub(crate) fn prove(&mut self, topic: &TopicName, key: &TopicKey, route: TopicName) -> bool {
        let mut proofs = self.proofs.values();
        if let Some(proof) = proofs.find(|proof| proof.topic == *topic) {
            return proof.key == *key;
        }
        let (topic, key) = (topic.clone(), key.clone());
        self.proofs.insert(route, SubscriberKey { topic, key });
        true
    }

    /// Forgets the key of `topic`, which has no subscription any more.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.proofs.retain(|_, proof| proof.topic != *topic);
    }

    /// Forgets the verifications by the node of a connection that is lost.
    pub(crate) fn connection_lost(&mut self, link: u64) {
        for grant in self.grants.values_mut() {
            grant.verified.retain(|(of, _)| *of != link);
        }
        self.failures.retain(|((of, _), _), _| *of != link);
    }
}
