//! What is promised across connections between gateways of 3.x, and what cannot be promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use amop_proto::{client::MessageKind, gateway::IDLE};
use amop_testkit::topology::{Edge, distances};
use bytes::Bytes;

use crate::{
    checks::{ARRIVES, LATE, QUIET, TRAVEL},
    ledger::{Message, MessageId},
    net::{At, Severed},
    scenario::BOUND,
    violation::Invariant,
    world::{World, chain_id},
};

/// How long connections, topics and the gateways that carry messages must have been as they are
/// before a message may rely on a gateway: topics pass several nodes that ask each other for them.
const KNOWN: Duration = Duration::from_secs(12);

impl World {
    pub(crate) fn has_gateways(&self) -> bool {
        self.gateways.members().next().is_some()
    }

    /// Returns the longest time from now until all nodes know the truth. A silent cut between
    /// gateways is found after 60 s.
    pub(crate) fn bound(&self) -> Duration {
        let gateways = self.edges.iter().filter(|edge| edge.gateway);
        let conns = gateways.flat_map(|edge| &edge.conns);
        let found = conns
            .map(|id| &self.conns[id.0])
            .filter(|conn| conn.severed == Some(Severed::Silent) && conn.gone != [true; 2])
            .filter_map(|conn| conn.ended.map(|ended| ended + IDLE))
            .max();
        BOUND + found.map_or(Duration::ZERO, |found| found.saturating_sub(self.now))
    }

    /// Returns the host that carries the chain's messages for a part of the network, whose hosts
    /// have a distance.
    pub(crate) fn carrier_of(&self, part: &[Option<u32>]) -> Option<usize> {
        let members = self.gateways.members();
        members
            .filter(|&host| part[host].is_some() && !self.crossable_from(host).is_empty())
            .min_by_key(|&host| self.hosts[host].id)
    }

    /// Returns the hosts with which a host has a connection of its gateway.
    fn crossable_from(&self, host: usize) -> Vec<usize> {
        let gateways = self.edges.iter();
        gateways
            .filter(|edge| edge.gateway && edge.ends.contains(&host))
            .filter(|edge| edge.conns.iter().any(|id| self.conns[id.0].is_live()))
            .map(|edge| edge.ends[usize::from(edge.ends[0] == host)])
            .collect()
    }

    /// Returns the first thing about the chain that a node knows wrongly.
    pub(crate) fn chain_untrue(
        &self,
        edges: &[Edge],
        topics: &[BTreeMap<Bytes, u32>],
    ) -> Option<String> {
        let nodes = self.hosts.len();
        let parts: Vec<_> = (0..nodes).map(|at| distances(nodes, edges, at)).collect();
        for (at, host) in self.hosts.iter().enumerate() {
            let Some(node) = &host.node else {
                continue;
            };
            let carrier = self.carrier_of(&parts[at]);
            let borders = node.router().borders_of(&chain_id());
            let expected: Vec<_> = carrier
                .filter(|&carrier| carrier != at)
                .into_iter()
                .collect();
            let expected: Vec<_> = expected.iter().map(|&host| self.hosts[host].id).collect();
            if borders != expected {
                let (seen, truth) = (borders.len(), expected.len());
                return Some(format!(
                    "node {at} sees {seen} other nodes that carry the chain's messages, true: {truth}"
                ));
            }
            let peer = host.gateway.as_ref().and_then(|gateway| gateway.peer);
            if peer.is_some() != (carrier == Some(at)) {
                return Some(format!("node {at} carries messages, true: {carrier:?}"));
            }
            let Some(peer) = peer else {
                continue;
            };
            let seen: BTreeSet<Bytes> = node.router().peer_topic_names(peer).cloned().collect();
            let truth = self.topics_beyond(at, &parts, topics);
            if seen != truth {
                return Some(format!(
                    "node {at} has {seen:?} of the chain, true: {truth:?}"
                ));
            }
        }
        None
    }

    /// Returns the topics of the parts of the network that a host's gateway reaches.
    fn topics_beyond(
        &self,
        at: usize,
        parts: &[Vec<Option<u32>>],
        topics: &[BTreeMap<Bytes, u32>],
    ) -> BTreeSet<Bytes> {
        let mut found = BTreeSet::new();
        for other in self.crossable_from(at) {
            let part = &parts[other];
            if part[at].is_none() && self.carrier_of(part) == Some(other) {
                let hosts = (0..part.len()).filter(|&host| part[host].is_some());
                found.extend(hosts.flat_map(|host| topics[host].keys().cloned()));
            }
        }
        found
    }

    /// Returns what gateways hold although all connections have ended.
    pub(crate) fn left_in_gateways(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, host) in self.hosts.iter().enumerate() {
            let Some(gateway) = &host.gateway else {
                continue;
            };
            let bridge = &gateway.bridge;
            let nodes = bridge.node_count();
            let waits = bridge.next_timeout().is_some();
            if bridge.is_connected() || bridge.has_machine() || nodes > 0 || waits {
                found.push(format!(
                    "the gateway of node {at} is connected: {}, has a machine: {}, holds {nodes} \
                     nodes, waits: {waits}",
                    bridge.is_connected(),
                    bridge.has_machine()
                ));
            }
        }
        found
    }

    /// Returns how many names a message may have for a program in addition to its own: a gateway
    /// gives each message of the chain a new one, so that the program does not recognise it. A
    /// program that is connected to several parts of the network, which only gateways join, may get
    /// it in each of them. If parts were joined or separated meanwhile, or the publisher sent the
    /// message again, each gateway that took it from the chain may have given it a name.
    pub(crate) fn other_names(&self, id: MessageId, client: usize) -> usize {
        let entries = self.gateways.entries_of(id).len();
        let Some(message) = self.ledger.get(id).filter(|_| entries > 0) else {
            return 0;
        };
        let from = message.sent.saturating_sub(QUIET);
        match message.over.len() > 1 || !self.is_still(from, self.now) {
            true => entries,
            false => entries.min(self.parts_of(client) - 1),
        }
    }

    /// Returns whether a program may get a multicast again, under another name.
    pub(crate) fn is_other_name(&self, id: MessageId, client: usize) -> bool {
        let Some(message) = self.ledger.get(id) else {
            return false;
        };
        let got = message.got.iter().filter(|&&(to, _)| to == client).count();
        message.kind == MessageKind::Multicast && got <= 1 + self.other_names(id, client)
    }

    /// Returns in how many parts of the network a client has nodes, at least 1.
    fn parts_of(&self, client: usize) -> usize {
        let edges = self.live_edges();
        let mut parts: Vec<Vec<Option<u32>>> = Vec::new();
        for &host in &self.clients[client].endpoints {
            if parts.iter().all(|part| part[host].is_none()) {
                parts.push(distances(self.hosts.len(), &edges, host));
            }
        }
        parts.len().max(1)
    }

    /// Returns whether a session may get a multicast more often than it was sent: parts of the
    /// network were joined or separated while gateways carried it.
    pub(crate) fn may_come_twice(&self, id: MessageId, copies: usize, sent: usize) -> bool {
        let (Some(message), entries) = (self.ledger.get(id), self.gateways.entries_of(id)) else {
            return false;
        };
        let Some(&last) = entries.last() else {
            return false;
        };
        let from = message.sent.saturating_sub(QUIET);
        !self.is_still(from, last + QUIET) && copies <= sent + entries.len()
    }

    /// Returns whether a node beyond a gateway has a unicast and may be unable to answer, because a
    /// connection between nodes changed on the way back, or another gateway began to carry
    /// messages. The node asks no other subscriber then.
    pub(crate) fn is_kept_beyond(&self, id: MessageId, done: At) -> bool {
        let crossings = self.gateways.crossings_of(id).iter();
        crossings
            .filter(|crossing| crossing.unicast)
            .any(|crossing| {
                !self.conns[crossing.conn.0].is_undisturbed(crossing.at, done)
                    || !self.is_still(crossing.at, done)
            })
    }

    /// Returns whether a unicast that entered the chain may have been taken back until a moment: the
    /// publisher's node asks the next subscriber if the nodes of the chain together take too long.
    pub(crate) fn is_taken_back(&self, id: MessageId, until: At) -> bool {
        let first = self.gateways.crossings_of(id).first();
        first.is_some_and(|first| first.at + LATE <= until + TRAVEL)
    }

    /// Returns the hosts that messages of a host reach through gateways that carried messages all
    /// this time, over connections that carried bytes without a break.
    fn beyond(&self, start: usize, from: At, until: At) -> Vec<usize> {
        let nodes = self.hosts.len();
        let edges = self.edges_where(|conn| conn.is_undisturbed(from, until));
        let near = distances(nodes, &edges, start);
        let carries = |host: usize| self.gateways.carries(host, from, until);
        let mut found = Vec::new();
        for edge in self.edges.iter().filter(|edge| edge.gateway) {
            let whole = |id: &crate::net::ConnId| self.conns[id.0].is_undisturbed(from, until);
            let [a, b] = edge.ends;
            if !carries(a) || !carries(b) || !edge.conns.iter().any(whole) {
                continue;
            }
            for (here, there) in [(a, b), (b, a)] {
                if near[here].is_some() && near[there].is_none() {
                    let far = distances(nodes, &edges, there);
                    found.extend((0..nodes).filter(|&host| far[host].is_some()));
                }
            }
        }
        found
    }

    /// Returns a subscriber that would have answered and could be reached through a gateway all the
    /// time.
    pub(crate) fn unicast_had_a_crossing(
        &self,
        id: MessageId,
        message: &Message,
        done: At,
    ) -> Option<usize> {
        let from = message.sent.checked_sub(KNOWN)?;
        if !self.has_gateways()
            || self.overloaded(from, done)
            || self.is_held_up(message, from, done)
            || self.is_kept(id, done)
        {
            return None;
        }
        let starts = self.hosts_of(message.publisher, message.sent, done);
        let hosts: BTreeSet<usize> = starts
            .flat_map(|host| self.beyond(host, from, done))
            .collect();
        self.answering(message.topic)
            .filter(|&client| client != message.publisher)
            .find(|&client| {
                self.hosts_of(client, from, done)
                    .any(|host| hosts.contains(&host))
            })
    }

    /// Returns a subscriber that a multicast should have reached through a gateway and did not.
    pub(crate) fn multicast_missed_beyond(&self, message: &Message) -> Option<usize> {
        let (first, &conn) = (message.sent, message.over.first()?);
        let (from, until) = (first.checked_sub(KNOWN)?, first + ARRIVES);
        let late = self.now < until || self.overloaded(from, until);
        if !self.has_gateways() || message.over.len() > 1 || late {
            return None;
        }
        let conn = &self.conns[conn.0];
        let crash = |&at: &At| from <= at && at <= until;
        if !conn.is_undisturbed(first, until) || self.crashes.iter().any(crash) {
            return None;
        }
        let hosts = self.beyond(Self::host_behind(conn)?, from, until);
        let subscribers = self.clients.iter().enumerate();
        subscribers
            .filter(|(_, client)| client.topics.contains(&message.topic))
            .map(|(index, _)| index)
            .filter(|&index| {
                self.hosts_of(index, from, until)
                    .any(|host| hosts.contains(&host))
            })
            .find(|&index| !message.got.iter().any(|&(client, _)| client == index))
    }

    /// Checks that no message enters the chain again, and that it enters it where its publisher is.
    pub(crate) fn check_crossings(&self) -> Vec<(Invariant, String)> {
        let mut found = Vec::new();
        for (&number, crossings) in &self.gateways.crossings {
            let Some(message) = self.ledger.get(MessageId(number)) else {
                continue;
            };
            let sent = message.over.len();
            let mut pairs: BTreeMap<_, usize> = BTreeMap::new();
            for crossing in crossings {
                // A machine takes the chain for another peer each time that its gateway begins to
                // carry messages, and may ask it again.
                let since = self.gateways.carrying_since(crossing.from, crossing.at);
                let since = since.filter(|_| crossing.unicast);
                let pair = (crossing.from, crossing.life, since, crossing.to);
                *pairs.entry(pair).or_default() += 1;
                if self.enters_elsewhere(message, crossing.from, crossing.at) {
                    let text = format!(
                        "message {number} entered the chain at node {}, where its publisher is not",
                        crossing.from
                    );
                    found.push((Invariant::NoLoop, text));
                }
            }
            let most = pairs.into_iter().max_by_key(|&(_, count)| count);
            if let Some(((from, .., to), count)) = most.filter(|&(_, count)| count > sent) {
                let text = format!(
                    "message {number}, sent {sent} times, crossed {count} times from the gateway of \
                     node {from} to that of node {to}"
                );
                found.push((Invariant::NoLoop, text));
            }
        }
        found
    }

    /// Returns whether a host is in another part of the network than the publisher of a message,
    /// although nothing changed.
    fn enters_elsewhere(&self, message: &Message, host: usize, at: At) -> bool {
        if !self.is_still(message.sent.saturating_sub(QUIET), at) {
            return false;
        }
        let edges = self.edges_where(|conn| conn.is_undisturbed(at, at));
        let part = distances(self.hosts.len(), &edges, host);
        let conns = message.over.iter().map(|conn| &self.conns[conn.0]);
        let mut starts = conns.filter_map(Self::host_behind);
        !starts.any(|start| part[start].is_some())
    }
}
