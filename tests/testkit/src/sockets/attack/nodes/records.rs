//! Lies about nodes: their links, their topics, and that they exist.

use std::{io, time::Duration};

use amop_proto::p2p::{
    NodeId,
    mesh::{RoutingKey, Subject, packet},
};
use bytes::{Bytes, BytesMut};

use super::{
    super::{Field, Tally},
    TOPICS,
    liar::{Key, Liar, now},
};

const SECOND: u64 = 1_000_000;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;

/// Versions from now to the end of time.
const AGES: [u64; 5] = [1, YEAR / 2, 10 * YEAR, (1 << 62) - (1 << 51), u64::MAX / 2];

/// Returns the topics of all members, with `count` subscribers each.
fn all_topics(count: u32) -> Vec<(Bytes, u32)> {
    TOPICS
        .map(|topic| (Bytes::from_static(topic), count))
        .to_vec()
}

fn keys(members: &[NodeId]) -> Vec<RoutingKey> {
    members.iter().map(RoutingKey::from).collect()
}

/// Returns a FISCO node that does not exist.
fn nobody(n: u32, border: NodeId) -> Subject {
    let mut fisco = NodeId([0x77; 64]);
    fisco.0[..4].copy_from_slice(&n.to_be_bytes());
    Subject::Stub { fisco, border }
}

impl Liar {
    /// Sends one forged packet, a different one at each connection.
    pub(super) async fn forge(&mut self, field: &Field, tally: &Tally) -> io::Result<()> {
        let members = &field.members;
        let round = tally.count() as usize;
        let member = members[round % members.len()];
        let version = now().saturating_add(AGES[round / members.len() % AGES.len()]);
        let body = match round % 6 {
            // Cut off from all other nodes.
            0 | 1 => self.signed(Subject::Node(member), version, Vec::new()),
            // Linked to the liar alone.
            2 => self.signed(
                Subject::Node(member),
                version,
                vec![RoutingKey::from(&self.own)],
            ),
            // A FISCO node in the name of a border node that is not one.
            3 => self.signed(nobody(1, member), version, Vec::new()),
            // A record of the liar with the certificates of another node.
            4 => {
                let other = Key(field.others[0].clone());
                let record =
                    other.record(Subject::Node(self.own), version, Vec::new(), all_topics(1));
                record.map(|record| record.bytes().clone())
            }
            _ => self.bent(round),
        };
        tally.done();
        let number = self.number();
        self.say(packet::RECORDS, number, body.unwrap_or_default())
            .await?;
        // The node ends the connection, unless only the version is not accepted.
        self.listen(Duration::from_millis(500)).await
    }

    fn signed(&self, subject: Subject, version: u64, neighbours: Vec<RoutingKey>) -> Option<Bytes> {
        let record = self.key.record(subject, version, neighbours, Vec::new());
        record.map(|record| record.bytes().clone())
    }

    /// Returns true records with one bit changed.
    fn bent(&self, round: usize) -> Option<Bytes> {
        let mut body = BytesMut::from(&self.records.first()?[..]);
        let bit = round.wrapping_mul(7919) % (8 * body.len());
        body[bit / 8] ^= 1 << (bit % 8);
        Some(body.freeze())
    }

    /// Sends records of the liar itself from the far future, correctly signed.
    pub(super) async fn come_from_the_future(&mut self, tally: &Tally) -> io::Result<()> {
        for age in [2 * YEAR, 1000 * YEAR, (1 << 62) - 1 - now()] {
            let version = now() + age;
            let own = self
                .key
                .record(Subject::Node(self.own), version, Vec::new(), all_topics(1));
            tally.done();
            self.state(own).await?;
        }
        self.listen(Duration::from_millis(20)).await
    }

    /// Sends the records that it was told, and its own old record, again and again.
    pub(super) async fn replay(&mut self, tally: &Tally) -> io::Result<()> {
        let start = now();
        let subject = Subject::Node(self.own);
        let old = self
            .key
            .record(subject, start - SECOND, Vec::new(), all_topics(1));
        let new = self.key.record(subject, start, Vec::new(), Vec::new());
        self.state(new).await?;
        let heard = self.records.clone();
        for _ in 0..200 {
            self.state(old.clone()).await?;
            for body in &heard {
                let number = self.number();
                self.say(packet::RECORDS, number, body.clone()).await?;
            }
            tally.done();
        }
        self.listen(Duration::from_millis(10)).await
    }

    /// Sends records of nodes that no node would admit, each correctly signed with its own key.
    pub(super) async fn vouch(&mut self, field: &Field, tally: &Tally) -> io::Result<()> {
        for identity in [&field.stranger, &field.targets[0].sdk] {
            let key = Key(identity.clone());
            let subject = Subject::Node(key.id()?);
            let links = vec![RoutingKey::from(&self.own)];
            let record = key.record(subject, now(), links, all_topics(16));
            tally.done();
            self.state(record).await?;
        }
        self.listen(Duration::from_millis(10)).await
    }

    /// Sends nodes without certificates, and FISCO nodes that do not exist, with subscribers to
    /// everything and links to all nodes.
    pub(super) async fn invent(&mut self, field: &Field, tally: &Tally) -> io::Result<()> {
        let links = keys(&field.members);
        self.settle_in(links, all_topics(u32::MAX)).await?;
        for first in (0..500).step_by(10) {
            let (key, own) = (&self.key, self.own);
            let stubs = (first..first + 10).filter_map(|n| {
                key.record(nobody(n, own), now(), Vec::new(), all_topics(u32::MAX))
            });
            let stubs: Vec<_> = stubs.collect();
            tally.done();
            self.state(stubs).await?;
        }
        self.listen(Duration::from_millis(500)).await?;
        let invented = Subject::Node(NodeId([0x78; 64]));
        let forged = self.key.record(invented, now(), Vec::new(), all_topics(1));
        tally.done();
        self.state(forged).await?;
        // Earlier packets are checked first, at the node's pace.
        self.listen(Duration::from_secs(20)).await
    }

    /// Claims to have links to all nodes.
    pub(super) async fn stand_between(
        &mut self,
        members: &[NodeId],
        tally: &Tally,
    ) -> io::Result<()> {
        self.settle_in(keys(members), Vec::new()).await?;
        tally.done();
        self.stay().await
    }

    /// Sends nodes behind the liar with certificates of its own agency and with many topics. They
    /// could also have subscribers to the topics of others and never answer: an agency may have any
    /// nodes.
    pub(super) async fn populate(&mut self, field: &Field, tally: &Tally) -> io::Result<()> {
        let mut links = keys(&field.members);
        let others: Vec<Key> = field.others.iter().cloned().map(Key).collect();
        for other in &others {
            links.push(RoutingKey::from(&other.id()?));
        }
        self.settle_in(links, Vec::new()).await?;
        let own = RoutingKey::from(&self.own);
        for (node, other) in others.iter().enumerate() {
            let subject = Subject::Node(other.id()?);
            let topics = many_topics(node).into_iter().take(100).collect();
            let record = other.record(subject, now(), vec![own], topics);
            tally.done();
            self.state(record).await?;
        }
        self.stay().await
    }

    /// Sends as many nodes with as many topics as it can sign.
    pub(super) async fn fill(&mut self, field: &Field, tally: &Tally) -> io::Result<()> {
        let own = RoutingKey::from(&self.own);
        let others: Vec<Key> = field.others.iter().cloned().map(Key).collect();
        let mut links = keys(&field.members);
        for other in &others {
            links.push(RoutingKey::from(&other.id()?));
        }
        self.settle_in(links, Vec::new()).await?;
        for (node, key) in others.iter().enumerate() {
            let record = key.record(
                Subject::Node(key.id()?),
                now(),
                vec![own],
                many_topics(node),
            );
            tally.done();
            self.state(record).await?;
        }
        for node in 0..200 {
            let topics = many_topics(node as usize);
            let record = self
                .key
                .record(nobody(node, self.own), now(), Vec::new(), topics);
            tally.done();
            self.state(record).await?;
        }
        self.listen(Duration::from_millis(100)).await
    }
}

fn many_topics(node: usize) -> Vec<(Bytes, u32)> {
    (0..2000)
        .map(|n| (Bytes::from(format!("{node:0>100}-{n:0>100}")), 1))
        .collect()
}
