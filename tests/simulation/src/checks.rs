//! Checks for each message, made at the end of a run.

use std::{collections::BTreeMap, time::Duration};

use amop_proto::client::MessageKind;
use amop_testkit::topology::distances;

use crate::{
    ledger::{Message, MessageId, Verdict},
    net::{At, Conn, ConnId, Owner},
    violation::Invariant,
    world::{Behaviour, World},
};

/// How long connections and topics must exist before a message may rely on them.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// A subscriber that never answers is given up by its own node after 5 s. Another node, which
/// cannot tell whether the link between them still works, gives it up after this time.
pub(crate) const LATE: Duration = Duration::from_secs(6);

/// How long a message may travel in addition to the time that its subscribers take.
pub(crate) const TRAVEL: Duration = Duration::from_millis(500);

/// A silent cut is found within 3 s and a tick, and all nodes know the consequences a moment later.
pub(crate) const QUIET: Duration = Duration::from_secs(5);

/// How long a multicast may take: links that failed too often may be suppressed for a while.
pub(crate) const ARRIVES: Duration = Duration::from_secs(15);

/// A message crosses at most this many links; this is the limit of the node-node protocol.
const MAX_HOPS: u32 = 32;

/// A version of a record crosses a connection at most this often in each direction: when it is
/// flooded, when a new connection is synchronised, when a connection replaces another, and when the
/// neighbour asks for it because it missed an earlier version, again while the answer is in
/// transit.
pub(crate) const MAX_CROSSINGS: u32 = 8;

impl World {
    /// Checks all messages. Every publisher must have left, or have had enough time.
    pub(crate) fn check_messages(&mut self) {
        let mut found = Vec::new();
        for (id, message) in self.ledger.messages() {
            found.extend(self.check_message(id, message));
        }
        // A rogue SDK publishes copies of messages in its own name.
        if self.rogues.is_empty() {
            found.extend(self.check_copies());
            found.extend(self.check_handed());
            found.extend(self.check_crossings());
        }
        // A hostile node repeats statements of others as often as it likes. An SDK can make a node
        // state so much that others ask for all of it again and again. The cost of this is limited
        // by other checks.
        if !self.has_hostile() {
            found.extend(self.check_trips());
            found.extend(self.check_records());
        }
        for (invariant, text) in found {
            self.violated(invariant, text);
        }
    }

    fn check_message(&self, id: MessageId, message: &Message) -> Option<(Invariant, String)> {
        let number = id.0;
        let Some((done, verdict)) = message.done else {
            return Some((
                Invariant::OneOutcome,
                format!("message {number} has no outcome"),
            ));
        };
        if verdict == Verdict::Left {
            return None;
        }
        match message.kind {
            MessageKind::Unicast => {
                if let Verdict::Answered(by) = verdict {
                    let true_answer = message
                        .got
                        .iter()
                        .any(|&(client, at)| Some(client as u32) == by && at <= done);
                    return (!true_answer).then(|| {
                        let text =
                            format!("message {number} was answered by {by:?}, who never got it");
                        (Invariant::TrueAnswers, text)
                    });
                }
                let to = self.unicast_had_a_way(id, message, done);
                let to = to.or_else(|| self.unicast_had_a_crossing(id, message, done))?;
                let text = format!(
                    "message {number} of client {} sent at {:?} ended with {verdict:?} at {done:?} \
                     though client {to} could be reached all the time",
                    message.publisher, message.sent
                );
                Some((Invariant::UnicastsArrive, text))
            }
            MessageKind::Multicast => {
                let missed = self.multicast_missed(message);
                let missed = missed.or_else(|| self.multicast_missed_beyond(message))?;
                let text = format!(
                    "multicast {number} of client {} sent at {:?} ended with {verdict:?} and did \
                     not reach client {missed}",
                    message.publisher, message.sent
                );
                Some((Invariant::MulticastsArrive, text))
            }
        }
    }

    /// Returns the host that a client is connected to by a connection.
    pub(crate) fn host_behind(conn: &Conn) -> Option<usize> {
        conn.owners.iter().find_map(|owner| match owner {
            Owner::Session { host, .. } => Some(*host),
            _ => None,
        })
    }

    /// Returns the hosts that a client was connected to, with its topics known, from before `from`
    /// until `until`.
    pub(crate) fn hosts_of(
        &self,
        client: usize,
        from: At,
        until: At,
    ) -> impl Iterator<Item = usize> {
        self.clients[client]
            .spans
            .iter()
            .filter(move |&&(_, up)| up <= from)
            .map(|(conn, _)| &self.conns[conn.0])
            .filter(move |conn| conn.is_undisturbed(from, until))
            .filter_map(Self::host_behind)
    }

    pub(crate) fn overloaded(&self, from: At, until: At) -> bool {
        self.overloads
            .iter()
            .any(|&at| from <= at + Duration::from_secs(10) && at <= until)
    }

    /// Returns whether subscribers that never answer may have used all of a unicast's time, because
    /// links failed meanwhile, or connections of subscribers stood still, ended or began.
    pub(crate) fn is_held_up(&self, message: &Message, from: At, done: At) -> bool {
        let mut disturbed = !self.is_still(from, done);
        let mut silent = 0;
        for client in &self.clients {
            if !client.topics.contains(&message.topic) {
                continue;
            }
            let mute = matches!(client.behaviour, Behaviour::Never);
            let spans = client.spans.iter().filter(|&&(_, up)| up <= done);
            let conns = spans.map(|(conn, _)| &self.conns[conn.0]);
            for conn in conns.filter(|conn| conn.ended.is_none_or(|at| at >= message.sent)) {
                let still = conn.stands_still(message.sent, done);
                silent += u32::from(mute || still);
                disturbed |= (mute || still) && !conn.is_undisturbed(message.sent, done);
            }
        }
        let longest = LATE * silent + TRAVEL;
        disturbed && silent > 0 && done.saturating_sub(message.sent) <= longest
    }

    /// Returns the subscribers of a topic that answer.
    pub(crate) fn answering(&self, topic: usize) -> impl Iterator<Item = usize> {
        let clients = self.clients.iter().enumerate();
        let answering = clients.filter(move |(_, client)| {
            client.topics.contains(&topic)
                && matches!(client.behaviour, Behaviour::Prompt | Behaviour::Late(_))
        });
        answering.map(|(index, _)| index)
    }

    /// Returns a subscriber that would have answered and could be reached all the time.
    fn unicast_had_a_way(&self, id: MessageId, message: &Message, done: At) -> Option<usize> {
        let from = message.sent.checked_sub(SETTLED)?;
        if self.overloaded(from, done)
            || self.is_held_up(message, from, done)
            || self.is_kept(id, done)
        {
            return None;
        }
        let edges = self.honest(self.edges_where(|conn| conn.is_undisturbed(from, done)));
        let ways: Vec<(usize, Vec<Option<u32>>)> = self
            .hosts_of(message.publisher, message.sent, done)
            .map(|host| (host, distances(self.hosts.len(), &edges, host)))
            .collect();
        self.answering(message.topic)
            .filter(|&index| index != message.publisher)
            .find(|&index| {
                self.hosts_of(index, from, done).any(|host| {
                    ways.iter().any(|(start, way)| {
                        way[host].is_some() && self.is_honest_way(&edges, *start, host)
                    })
                })
            })
    }

    /// Returns a subscriber that a multicast should have reached and did not.
    fn multicast_missed(&self, message: &Message) -> Option<usize> {
        // The connection that it was sent over; a multicast sent twice is not checked.
        let (first, &conn) = (message.sent, message.over.first()?);
        let (from, until) = (first.checked_sub(QUIET)?, first + ARRIVES);
        if message.over.len() > 1 || self.now < until || self.overloaded(from, until) {
            return None;
        }
        let conn = &self.conns[conn.0];
        if !conn.is_undisturbed(first, until) {
            return None;
        }
        let host = Self::host_behind(conn)?;
        let edges = self.honest(self.edges_where(|conn| conn.is_undisturbed(from, until)));
        let reached = distances(self.hosts.len(), &edges, host);
        let reached: Vec<bool> = (0..self.hosts.len())
            .map(|to| reached[to].is_some() && self.is_honest_way(&edges, host, to))
            .collect();
        // Nodes that lie confirm messages that they drop, and a node that crashes forgets messages
        // that it has confirmed.
        let crash = |&at: &At| from <= at && at <= until;
        let lies = self.has_hostile() && !self.is_quiet_around(&reached, from, until);
        // A node that is cut off from all others keeps them as well.
        let cut_off = self.is_node_cut_off(&reached, until);
        if lies || cut_off || self.crashes.iter().any(crash) {
            return None;
        }
        let settled = first.checked_sub(SETTLED)?;
        let subscribers = self.clients.iter().enumerate();
        subscribers
            .filter(|(_, client)| client.topics.contains(&message.topic))
            .map(|(index, _)| index)
            .filter(|&index| {
                self.hosts_of(index, settled, until)
                    .any(|host| reached[host])
            })
            .find(|&index| !message.got.iter().any(|&(client, _)| client == index))
    }

    /// Returns whether a node that could pass messages on, and is not one of `reached`, has no link
    /// any more at `at`.
    fn is_node_cut_off(&self, reached: &[bool], at: At) -> bool {
        let is_linked = |conn: &ConnId| self.conns[conn.0].is_undisturbed(at, at);
        (0..self.hosts.len())
            .filter(|&host| !reached[host])
            .any(|host| {
                let edges = self.edges.iter().filter(|edge| edge.ends.contains(&host));
                let links: Vec<bool> = edges.map(|edge| edge.conns.iter().any(is_linked)).collect();
                links.len() > 1 && !links.contains(&true)
            })
    }

    /// Checks that no session got a multicast more often than it was sent.
    fn check_copies(&self) -> Vec<(Invariant, String)> {
        let mut found = Vec::new();
        for (&(conn, number), &copies) in &self.copies {
            let sent = self
                .ledger
                .get(MessageId(number))
                .map_or(0, |message| message.over.len());
            if copies as usize > sent
                && !self.may_come_twice(MessageId(number), copies as usize, sent)
            {
                let text = format!(
                    "connection {} got multicast {number} {copies} times, sent {sent} times",
                    conn.0
                );
                found.push((Invariant::NoDuplicate, text));
            }
        }
        found
    }

    /// Checks that no message went in a circle, and that it took a shortest path if nothing
    /// changed.
    fn check_trips(&self) -> Vec<(Invariant, String)> {
        let trips: BTreeMap<_, _> = self.traffic.trips.iter().collect();
        let mut found = Vec::new();
        for (name, trip) in trips {
            let all = vec![true; self.hosts.len()];
            let from = trip.first.saturating_sub(QUIET);
            let quiet = self.is_quiet_around(&all, from, trip.last);
            let most = if quiet {
                let live = self.edges_where(|conn| conn.is_undisturbed(trip.first, trip.last));
                distances(self.hosts.len(), &live, trip.from)[trip.to].unwrap_or(MAX_HOPS)
            } else {
                MAX_HOPS
            };
            if trip.hops > most * trip.copies {
                let text = format!(
                    "{:?} copies of a message (packet {}) from node {} to node {} crossed {} links, \
                     at most {most} each",
                    trip.copies, name.0, trip.from, trip.to, trip.hops
                );
                found.push((Invariant::NoLoop, text));
            }
        }
        found
    }

    /// Checks that flooding ends: no record crosses a connection again and again.
    fn check_records(&self) -> Vec<(Invariant, String)> {
        let crossings = self.traffic.records.iter().flatten();
        crossings
            .filter(|&(_, &times)| times > MAX_CROSSINGS)
            .map(|((conn, side, key, version), times)| {
                let text = format!(
                    "version {version} of the record of {key:?} went over connection {} from side \
                     {side} {times} times",
                    conn.0
                );
                (Invariant::NoLoop, text)
            })
            .collect()
    }

    /// Returns links crossed divided by the fewest possible, for unicasts sent while nothing
    /// changed: mean and maximum.
    pub(crate) fn stretch(&self) -> Option<(f64, f64)> {
        let live = self.live_edges();
        let mut ways: BTreeMap<usize, Vec<Option<u32>>> = BTreeMap::new();
        let (mut sum, mut most, mut count) = (0.0, 0.0_f64, 0.0);
        for trip in self.traffic.trips.values() {
            let way = ways
                .entry(trip.from)
                .or_insert_with(|| distances(self.hosts.len(), &live, trip.from));
            if let Some(fewest) = way[trip.to].filter(|&fewest| fewest > 0) {
                let stretch = f64::from(trip.hops) / f64::from(trip.copies.max(1) * fewest);
                sum += stretch;
                most = most.max(stretch);
                count += 1.0;
            }
        }
        (count > 0.0).then(|| (sum / count, most))
    }
}
