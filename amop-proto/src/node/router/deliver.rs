//! The path of one message through the router: unicasts with their attempts, multicasts, answers.

use std::{
    collections::hash_map::Entry,
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Router,
    backlog::SLICE,
    credit::CreditOutcome,
    network::again_after,
    places::{agency_of, group_in, identity_of_node},
    transit::Audience,
    unicast::{AttemptState, DrawnTarget, Origin, TriedTargets, Unicast, UnicastId, UnicastTarget},
};
use crate::{
    channel::{AmopBodyError, Frame, FrameType, NO_ACK, result_code, topic_end},
    node::{
        Action, HashedFrame, Lane, NodeNotice, PeerId, SessionCloseReason, SessionId, after,
        shares::{HolderId, Permission, Resource},
    },
    p2p::{Body, PEER_HEADER_LEN, PeerFrame, PeerMessage, packet, protocol},
};

/// The pause between two parts of a search through very many subscribers, in which other work is
/// done.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(1);

impl Router {
    pub(super) fn unicast_or_multicast(
        &mut self,
        now: Instant,
        origin: Origin,
        message: HashedFrame,
    ) {
        let frame = &message.frame;
        let foreign = !matches!(origin, Origin::Session(_));
        if foreign && frame.wire_len() > self.limits.frame {
            self.counters.over_frame_limit += 1;
            self.notice(NodeNotice::OverFrameLimit {
                len: frame.wire_len(),
            });
            if frame.kind == FrameType::UNICAST {
                self.answer_error(origin, frame, result_code::NO_SESSION);
            }
            return;
        }
        let topic = match (topic_end(&frame.body), origin) {
            (Ok(end), _) => Some(1..end),
            (Err(AmopBodyError::Empty), Origin::Session(session)) => {
                return self.notice(NodeNotice::EmptyAmopBody { session });
            }
            (Err(error @ AmopBodyError::ZeroLength), Origin::Session(session)) => {
                let reason = SessionCloseReason::Malformed(error);
                return self.close(Action::CloseSession { session, reason });
            }
            (Err(AmopBodyError::Empty | AmopBodyError::ZeroLength), Origin::Fisco(peer, _)) => {
                return self.bad_message(peer, "an AMOP body without a topic");
            }
            (Err(AmopBodyError::Empty | AmopBodyError::ZeroLength), Origin::Node(..)) => return,
            // A FISCO node reads past the end of the body and finds no subscriber (channel-v2
            // section 3.5); this node finds none either, without reading. The message goes to no
            // subscriber at all, not even to a peer that announces an empty topic: that peer may
            // read past the end.
            (Err(AmopBodyError::BeyondBody { .. }), _) => None,
        };
        if frame.kind == FrameType::MULTICAST {
            self.multicast(now, origin, message, topic);
        } else {
            self.unicast(now, origin, message, topic);
        }
    }

    fn multicast(
        &mut self,
        now: Instant,
        origin: Origin,
        message: HashedFrame,
        topic: Option<Range<usize>>,
    ) {
        if !self.is_first_copy(now, origin, &message) {
            return;
        }
        let mut audience = std::mem::take(&mut self.audience);
        if let Some(topic) = topic {
            let topic = &message.frame.body[topic];
            self.find_audience(origin, topic, &mut audience);
            if self.stranded.has_absent() {
                self.add_absent(origin, topic, &mut audience.nodes);
            }
        }
        self.multicast_to(now, origin, message, &mut audience);
        audience.clear();
        self.audience = audience;
    }

    fn multicast_to(
        &mut self,
        now: Instant,
        origin: Origin,
        mut message: HashedFrame,
        audience: &mut Audience,
    ) {
        let Audience {
            sessions,
            nodes,
            peers,
        } = audience;
        let native = matches!(origin, Origin::Session(publisher) if self.is_native(publisher));
        let quiet = native && message.frame.result == NO_ACK;
        if quiet {
            // The flag concerns only the client and this node: all others get a plain multicast.
            message = message.with_result(result_code::SUCCESS);
        }
        self.queue_apart(&mut message.frame);
        let frame = &message.frame;
        // Over the limit, no subscriber gets it, not even the node's own sessions (channel-v2
        // section 7.3).
        if let Origin::Session(publisher) = origin {
            // A neighbour gets one copy for all the nodes behind it.
            let copies = (nodes.len() + peers.len()).min(self.links.peers.len());
            let len = peer_len(frame).saturating_mul(copies);
            if !self.bandwidth.take(now, len) {
                self.counters.over_bandwidth += 1;
                let refusal = frame.respond(result_code::OVER_LIMIT, Bytes::new());
                return self.send_session(publisher, refusal);
            }
        }
        self.counters.multicasts += 1;
        // Native clients detect repeats themselves.
        let others = !sessions.is_empty() && self.links.sessions.len() > self.repeats.native;
        if !(others && self.may_repeat(origin)) || self.repeats.is_first(now, frame) {
            self.multicast_to_sessions(now, origin, sessions, frame);
        }
        if !nodes.is_empty() {
            self.spread_from_here(now, origin, nodes, &message);
        }
        if !peers.is_empty() {
            self.leave_unserved(now, origin, &message, peers);
            let body = message.frame.to_parts();
            self.multicast_to_peers(now, origin, peers, body);
        }
        if let Origin::Session(publisher) = origin
            && !quiet
        {
            let body = if native {
                Bytes::new()
            } else {
                frame.body.clone()
            };
            let acknowledgement = frame.respond(result_code::SUCCESS, body);
            self.send_session(publisher, acknowledgement);
        }
    }

    /// Returns whether a multicast may come to this node more than once: its SDK may have sent it to
    /// other nodes, or be connected to this one twice, under two of its names.
    fn may_repeat(&self, origin: Origin) -> bool {
        let links = &self.links;
        if !links.peers.is_empty() {
            return true;
        }
        let Origin::Session(publisher) = origin else {
            return false;
        };
        links.sessions.get(&publisher).is_some_and(|link| {
            !link.native && links.shares.used_by(link.holder, Resource::Sessions) > 1
        })
    }

    /// Returns whether a session's client is a native client.
    fn is_native(&self, session: SessionId) -> bool {
        let link = self.links.sessions.get(&session);
        link.is_some_and(|link| link.native)
    }

    pub(super) fn multicast_to_session(&mut self, session: SessionId, frame: &Frame) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        if link.is_open(&self.links.shares) {
            self.counters.delivered += 1;
            let level = link.push(&mut self.links.shares, frame.wire_len());
            let queued = link.queue.queued();
            self.queued(session, frame.clone(), (level, queued));
        } else {
            link.queue.count_dropped();
            self.counters.dropped += 1;
        }
    }

    pub(super) fn multicast_to_peers(
        &mut self,
        now: Instant,
        origin: Origin,
        peers: &[PeerId],
        body: Body,
    ) {
        let message = amop_message(packet::MULTICAST, self.peer_seq(), body);
        let (lane, len) = (origin.lane(), message.wire_len());
        for &peer in peers {
            let (links, mesh) = (&self.links, &self.mesh);
            let group = |from| group_in(links, mesh, from);
            if links.peer_takes(peer, lane, len, group) {
                self.send_of(now, origin, peer, message.clone());
            } else if let Some(link) = self.links.peers.get_mut(&peer) {
                link.queue.count_dropped();
                self.counters.dropped += 1;
            }
        }
    }

    fn unicast(
        &mut self,
        now: Instant,
        origin: Origin,
        message: HashedFrame,
        topic: Option<Range<usize>>,
    ) {
        let HashedFrame { mut frame, digest } = message;
        let Some((holder, is_repeated)) = self.look_up(origin, &frame) else {
            return;
        };
        if is_repeated {
            self.counters.repeated += 1;
            return;
        }
        self.counters.unicasts += 1;
        let Some(topic) = topic else {
            return self.answer_error(origin, &frame, result_code::NO_SUBSCRIBER);
        };
        if !self.make_room(holder, &frame) {
            self.counters.over_limit += 1;
            return self.answer_error(origin, &frame, result_code::OVER_LIMIT);
        }
        self.keep_apart(&mut frame);
        let id = self.next_unicast;
        match origin {
            Origin::Session(session) => {
                if let Some(link) = self.links.sessions.get_mut(&session) {
                    let bytes = link.in_flight_bytes.saturating_add(frame.wire_len());
                    if link.in_flight >= self.limits.session_in_flight
                        || bytes > self.limits.session_in_flight_bytes
                    {
                        self.counters.over_session_limit += 1;
                        return self.answer_error(origin, &frame, result_code::OVER_LIMIT);
                    }
                    link.asking.insert(frame.seq, id);
                    link.in_flight += 1;
                    link.in_flight_bytes = bytes;
                }
            }
            Origin::Node(source, target, theirs) => {
                self.links.asking_nodes.insert((source, target, theirs), id);
            }
            Origin::Fisco(..) => {}
        }
        self.next_unicast += 1;
        // The asking node waits no longer than this for this node's answer.
        let patience = match origin {
            Origin::Session(_) => self.timeouts.unicast,
            Origin::Fisco(..) | Origin::Node(..) => {
                self.timeouts.unicast.min(self.timeouts.peer_answer)
            }
        };
        let deadline = after(now, patience);
        let before = self.links.shares.used_by(holder, Resource::InFlight);
        let unicasts = &self.unicasts;
        let lives = |id| unicasts.contains_key(&id);
        self.newest.push(holder, id, before, lives);
        let amounts = in_flight(&frame);
        self.links.shares.take_each(holder, amounts);
        let unicast = Box::new(Unicast {
            origin,
            holder,
            frame,
            digest,
            topic,
            at: None,
            joined: Vec::new(),
            tried: TriedTargets::default(),
            walk: None,
            refused: false,
            deadline,
            timer: None,
        });
        self.advance(now, id, unicast);
    }

    /// Returns the holder that a unicast counts for, and whether it is already in flight, so that
    /// its answer is on the way; `None` if its sender is gone.
    fn look_up(&mut self, origin: Origin, frame: &Frame) -> Option<(HolderId, bool)> {
        let links = &mut self.links;
        match origin {
            Origin::Session(session) => {
                let link = links.sessions.get(&session)?;
                let held = link.asking.get(&frame.seq);
                let held = held.and_then(|id| self.unicasts.get(id));
                // A session may reuse a seq for another message; that is not a repeat.
                let is_repeated = held.is_some_and(|unicast| unicast.frame == *frame);
                Some((link.holder, is_repeated))
            }
            Origin::Node(source, target, id) => {
                let is_repeated = links.asking_nodes.contains_key(&(source, target, id));
                let identity = identity_of_node(links, &self.mesh, source);
                Some((links.shares.holder(identity), is_repeated))
            }
            // FISCO nodes never send twice, and answer each message (p2p-v2 section 7).
            Origin::Fisco(peer, _) => {
                let identity = links.peers.get(&peer)?.identity;
                Some((links.shares.holder(identity), false))
            }
        }
    }

    /// Returns whether a unicast may be in flight for a holder. If there are too many, ends
    /// unicasts of holders that have more than their fair share.
    fn make_room(&mut self, holder: HolderId, frame: &Frame) -> bool {
        for (pool, amount) in in_flight(frame) {
            match self.links.shares.may(holder, pool, amount) {
                Permission::Take => {}
                Permission::TakeFromOthers if self.end_some(holder, pool, amount) => {}
                Permission::TakeFromOthers | Permission::Not => return false,
            }
        }
        true
    }

    /// Ends unicasts of holders that have more than their fair share, the newest first, until
    /// `holder` may take the amount.
    fn end_some(&mut self, holder: HolderId, pool: Resource, amount: usize) -> bool {
        /// The number of unicasts that end at most.
        const ENDS: usize = 32;
        for _ in 0..ENDS {
            let over = |&other: &HolderId| {
                other != holder && self.links.shares.excess(other, pool, Some(holder)) > 0
            };
            let greedy = self.greedy.filter(over);
            let greedy = greedy.or_else(|| self.links.shares.most_over(pool, Some(holder)));
            let Some(other) = greedy.filter(|&other| other != holder) else {
                return false;
            };
            self.greedy = Some(other);
            let unicasts = &self.unicasts;
            let lives = |id| unicasts.get(&id).is_some_and(|one| one.holder == other);
            let Some(id) = self.newest.pop(other, lives) else {
                self.greedy = None;
                return false;
            };
            self.counters.over_share += 1;
            self.finish(id, Err(result_code::OVER_LIMIT));
            if self.links.shares.may(holder, pool, amount) == Permission::Take {
                return true;
            }
        }
        false
    }

    /// Sends a unicast that is not in the table of those in flight to the next subscriber and puts
    /// it into the table, or ends it if there is no subscriber.
    pub(super) fn advance(&mut self, now: Instant, id: UnicastId, mut unicast: Box<Unicast>) {
        loop {
            let drawn = self
                .draw_evenly(now, &mut unicast)
                .unwrap_or(DrawnTarget::Nobody {
                    busy: false,
                    asked: None,
                });
            let target = match drawn {
                DrawnTarget::Target(target) => target,
                DrawnTarget::Nobody { busy, asked } => {
                    if let Some(other) = self.other_copy(&unicast, asked) {
                        return self.join(id, unicast, other);
                    }
                    let result = if unicast.refused || busy {
                        result_code::NO_SESSION
                    } else {
                        self.unfound |= matches!(unicast.origin, Origin::Session(_));
                        result_code::NO_SUBSCRIBER
                    };
                    return self.end(id, &mut unicast, Err(result));
                }
                DrawnTarget::Later => {
                    self.set_timer(id, &mut unicast, now + LOOK_PAUSE);
                    self.unicasts.insert(id, unicast);
                    return;
                }
            };
            unicast.tried.insert(target);
            let elsewhere = !matches!(target, UnicastTarget::Session(_));
            if elsewhere && matches!(unicast.origin, Origin::Session(_)) {
                let len = peer_len(&unicast.frame);
                if !self.bandwidth.take(now, len) {
                    self.counters.over_bandwidth += 1;
                    return self.end(id, &mut unicast, Err(result_code::OVER_LIMIT));
                }
            }
            if self.attempt(now, id, &mut unicast, target) {
                self.unicasts.insert(id, unicast);
                return;
            }
            self.forget_attempt(id, &mut unicast, CreditOutcome::Ended);
            unicast.refused = true;
        }
    }

    /// Returns another copy of a unicast that one of this node's sessions has and has not answered:
    /// it checks `asked` and the first few subscribers.
    fn other_copy(&self, unicast: &Unicast, asked: Option<SessionId>) -> Option<UnicastId> {
        /// The number of subscribers checked.
        const LOOKS: usize = 64;
        let sessions = &self.table.get(unicast.topic())?.sessions;
        sessions
            .iter()
            .take(LOOKS)
            .copied()
            .chain(asked)
            .find_map(|session| {
                let link = self.links.sessions.get(&session)?;
                let &other = link.asked.get(&unicast.frame.seq)?;
                (self.unicasts.get(&other)?.frame == unicast.frame).then_some(other)
            })
    }

    /// Lets a unicast wait for the answer to another copy of it.
    fn join(&mut self, id: UnicastId, mut unicast: Box<Unicast>, other: UnicastId) {
        if let Some(other) = self.unicasts.get_mut(&other) {
            other.joined.push(id);
        }
        unicast.at = Some(AttemptState::Joined(other));
        let deadline = unicast.deadline;
        self.set_timer(id, &mut unicast, deadline);
        self.unicasts.insert(id, unicast);
    }

    /// Sends a unicast to a subscriber; returns `false` if it cannot be sent there.
    fn attempt(
        &mut self,
        now: Instant,
        id: UnicastId,
        unicast: &mut Unicast,
        target: UnicastTarget,
    ) -> bool {
        match target {
            UnicastTarget::Session(session) => {
                let Some(link) = self.links.sessions.get_mut(&session) else {
                    return false;
                };
                link.asked.insert(unicast.frame.seq, id);
                unicast.at = Some(AttemptState::Session(session));
                self.set_timer(id, unicast, after(now, self.timeouts.session_answer));
                self.send_session(session, unicast.frame.clone());
                true
            }
            UnicastTarget::Fisco(peer) => {
                let Some(link) = self.links.peers.get_mut(&peer) else {
                    return false;
                };
                let seq = next_peer_seq(&mut self.next_peer_seq);
                link.asked.insert(seq, id);
                unicast.at = Some(AttemptState::Fisco(peer, seq));
                self.set_timer(id, unicast, after(now, self.timeouts.peer_answer));
                let message = amop_message(packet::UNICAST, seq, unicast.frame.to_parts());
                self.send_of(now, unicast.origin, peer, message);
                true
            }
            UnicastTarget::Node(node) => {
                let until = after(now, self.timeouts.peer_answer);
                let again = again_after(unicast.frame.wire_len());
                let owner = self.mesh.owner(node);
                let agency = || agency_of(&self.links, &self.mesh, owner);
                let given = self.credits.give(owner, agency);
                unicast.at = Some(AttemptState::Node {
                    node,
                    given,
                    until,
                    again,
                    changes: self.mesh.changes(),
                });
                self.links.asked_nodes.insert((node, id));
                self.set_timer(id, unicast, until.min(now + again));
                self.send_with_header(now, id, unicast) || self.mesh.is_suspended(node)
            }
        }
    }

    /// Sets when a unicast is looked at next, but not after its deadline.
    pub(super) fn set_timer(&mut self, id: UnicastId, unicast: &mut Unicast, at: Instant) {
        let at = at.min(unicast.deadline);
        if let Some(before) = unicast.timer.replace(at) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((at, id));
    }

    fn peer_seq(&mut self) -> u32 {
        next_peer_seq(&mut self.next_peer_seq)
    }

    /// Ends an attempt because the subscriber did not take the unicast, and tries the next one at
    /// once.
    pub(super) fn attempt_failed(&mut self, now: Instant, id: UnicastId, refused: bool) {
        self.attempt_ended(now, id, refused, CreditOutcome::Failed(now));
    }

    /// Ends an attempt because the subscriber can no longer answer, and tries the next one at once.
    pub(super) fn attempt_ended(
        &mut self,
        now: Instant,
        id: UnicastId,
        refused: bool,
        outcome: CreditOutcome,
    ) {
        self.counters.failed_attempts += 1;
        if let Some(mut unicast) = self.unicasts.remove(&id) {
            self.forget_attempt(id, &mut unicast, outcome);
            unicast.refused |= refused;
            self.advance(now, id, unicast);
        }
    }

    pub(super) fn forget_attempt(
        &mut self,
        id: UnicastId,
        unicast: &mut Unicast,
        outcome: CreditOutcome,
    ) {
        match unicast.at.take() {
            Some(AttemptState::Session(session)) => {
                if let Some(link) = self.links.sessions.get_mut(&session) {
                    link.asked.remove(&unicast.frame.seq);
                }
            }
            Some(AttemptState::Fisco(peer, seq)) => {
                if let Some(link) = self.links.peers.get_mut(&peer) {
                    link.asked.remove(&seq);
                }
            }
            Some(AttemptState::Node { node, given, .. }) => {
                self.credits.take(given, outcome);
                self.links.asked_nodes.remove(&(node, id));
            }
            Some(AttemptState::Joined(other)) => {
                if let Some(other) = self.unicasts.get_mut(&other) {
                    other.joined.retain(|&joined| joined != id);
                }
            }
            None => {}
        }
    }

    /// Ends a unicast, and copies that wait for it, with a subscriber's answer or an error.
    pub(super) fn finish(&mut self, id: UnicastId, outcome: Result<HashedFrame, i32>) {
        if let Some(mut unicast) = self.unicasts.remove(&id) {
            self.end(id, &mut unicast, outcome);
        }
    }

    /// Like [`finish`](Self::finish), for a unicast that is no longer in the table of those in
    /// flight.
    fn end(&mut self, id: UnicastId, unicast: &mut Unicast, outcome: Result<HashedFrame, i32>) {
        let mut joined = std::mem::take(&mut unicast.joined);
        if joined.is_empty() {
            return self.end_one(id, unicast, outcome);
        }
        self.end_one(id, unicast, outcome.clone());
        while let Some(id) = joined.pop() {
            if let Some(mut unicast) = self.unicasts.remove(&id) {
                joined.append(&mut unicast.joined);
                self.end_one(id, &mut unicast, outcome.clone());
            }
        }
    }

    fn end_one(&mut self, id: UnicastId, unicast: &mut Unicast, outcome: Result<HashedFrame, i32>) {
        let lane = unicast.at.and_then(AttemptState::lane);
        let ended = match outcome {
            Ok(_) => CreditOutcome::Answered,
            Err(_) => CreditOutcome::Ended,
        };
        self.forget_attempt(id, unicast, ended);
        if let Some(at) = unicast.timer {
            self.timers.remove(&(at, id));
        }
        let amounts = in_flight(&unicast.frame);
        self.links.shares.give_each(unicast.holder, amounts);
        match unicast.origin {
            Origin::Session(session) => {
                if let Some(link) = self.links.sessions.get_mut(&session) {
                    link.in_flight -= 1;
                    link.in_flight_bytes -= unicast.frame.wire_len();
                    if let Entry::Occupied(latest) = link.asking.entry(unicast.frame.seq)
                        && *latest.get() == id
                    {
                        latest.remove();
                    }
                }
            }
            Origin::Node(source, target, id) => {
                self.links.asking_nodes.remove(&(source, target, id));
            }
            Origin::Fisco(..) => {}
        }
        match outcome {
            Ok(answer) => {
                self.counters.answered += 1;
                let lane = lane.unwrap_or_else(|| unicast.origin.lane());
                self.answer(unicast.origin, answer, lane);
            }
            Err(result) => self.answer_error(unicast.origin, &unicast.frame, result),
        }
    }

    fn answer_error(&mut self, origin: Origin, request: &Frame, result: i32) {
        self.counters.errors += 1;
        let answer = match (origin, result) {
            // The body of a 104 is the request's, of all other errors empty (channel-v2 section
            // 10). A native client does not read it, and its queue should not fill with messages
            // that it could not send.
            (Origin::Session(session), result_code::NO_SESSION) if !self.is_native(session) => {
                request.respond(result, request.body.clone())
            }
            (Origin::Session(_), _) => request.respond(result, Bytes::new()),
            // Between nodes there is no other error (p2p-v2 section 7.2).
            (Origin::Fisco(..), _) => {
                request.respond(result_code::NO_SESSION, request.body.clone())
            }
            // The asking node still has the request.
            (Origin::Node(..), _) => request.respond(result_code::NO_SESSION, Bytes::new()),
        };
        self.answer(origin, answer.into(), origin.lane());
    }

    /// Refuses a message of a peer that is not an overlay node, because there was no room for it.
    pub(in crate::node) fn refuse_peer(&mut self, peer: PeerId, seq: u32, request: &Frame) {
        if request.kind == FrameType::UNICAST {
            self.answer_error(Origin::Fisco(peer, seq), request, result_code::NO_SESSION);
        }
    }

    /// Sends an answer. `lane` is the lane of the node or session that answers.
    fn answer(&mut self, origin: Origin, mut answer: HashedFrame, lane: Lane) {
        match origin {
            Origin::Session(session) => {
                self.queue_apart(&mut answer.frame);
                self.send_session(session, answer.frame);
            }
            Origin::Fisco(peer, seq) => {
                let mut message = amop_message(packet::UNICAST, seq, answer.frame.to_parts());
                message.frame.protocol = -protocol::AMOP;
                self.send_in(peer, lane, message);
            }
            Origin::Node(source, target, id) => {
                self.answer_node(source, target, id, &answer, lane);
            }
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        if self.backlog.timers_may(now) {
            self.timers_due(now);
        }
        self.end_pauses(now);
    }

    /// Handles unicasts whose timers are due, a limited number at once.
    fn timers_due(&mut self, now: Instant) {
        let mut left = SLICE;
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            if left == 0 {
                return self.backlog.timers_wait(now);
            }
            left -= 1;
            self.timers.pop_first();
            let Some(unicast) = self.unicasts.get(&id) else {
                continue;
            };
            if unicast.deadline <= now {
                self.counters.failed_attempts += 1;
                if let Some(mut unicast) = self.unicasts.remove(&id) {
                    self.forget_attempt(id, &mut unicast, CreditOutcome::Failed(now));
                    self.end(id, &mut unicast, Err(result_code::TIMEOUT));
                }
                continue;
            }
            match &unicast.at {
                Some(AttemptState::Node { until, .. }) if now < *until => {
                    self.node_is_late(now, id)
                }
                None => {
                    // The search through very many subscribers continues.
                    if let Some(unicast) = self.unicasts.remove(&id) {
                        self.advance(now, id, unicast);
                    }
                }
                at => {
                    let asked_session = matches!(at, Some(AttemptState::Session(_)));
                    self.attempt_failed(now, id, asked_session);
                }
            }
        }
    }

    fn end_pauses(&mut self, now: Instant) {
        let stuck: Vec<PeerId> = self
            .pauses
            .iter()
            .filter(|&(_, &at)| at <= now)
            .map(|(&peer, _)| peer)
            .collect();
        for peer in stuck {
            self.pauses.remove(&peer);
            if let Some(link) = self.links.peers.get_mut(&peer) {
                link.stuck = true;
                let paused = std::mem::take(&mut link.paused);
                self.resume(paused);
            }
        }
    }
}

/// Builds a message for a peer that is not an overlay node.
fn amop_message(packet: u16, seq: u32, body: Body) -> PeerMessage {
    PeerMessage {
        frame: PeerFrame {
            protocol: protocol::AMOP,
            packet,
            seq,
            body: body.head,
        },
        tail: body.tail,
    }
}

/// Returns the amounts that a unicast uses while it is in flight.
fn in_flight(frame: &Frame) -> [(Resource, usize); 2] {
    let bytes = frame.wire_len();
    [(Resource::InFlight, 1), (Resource::InFlightBytes, bytes)]
}

/// Returns the length of a session's frame on its way to another node.
fn peer_len(frame: &Frame) -> usize {
    PEER_HEADER_LEN + frame.wire_len()
}

fn next_peer_seq(next: &mut u32) -> u32 {
    let seq = *next;
    *next = next.wrapping_add(1);
    seq
}
