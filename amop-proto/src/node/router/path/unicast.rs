//! Unicasts that come in: whether there is room for one more.

use std::{ops::Range, time::Instant};

use crate::{
    channel::{Frame, result_code},
    node::{
        HashedFrame, after,
        router::{
            Router,
            ends::Origin,
            in_flight::{TriedTargets, Unicast, amounts_of},
            outbound::{identity_of_node, keep_in_flight},
        },
        shares::{HolderId, Permission, Resource},
    },
};

impl Router {
    pub(in crate::node::router) fn unicast(
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
            self.out.counters.repeated += 1;
            return;
        }
        self.out.counters.unicasts += 1;
        let Some(topic) = topic else {
            return self.answer_error(origin, &frame, result_code::NO_SUBSCRIBER);
        };
        if !self.make_room(holder, &frame) {
            self.out.counters.over_limit += 1;
            return self.answer_error(origin, &frame, result_code::OVER_LIMIT);
        }
        let used = self.out.links.shares.used(Resource::InFlightBytes);
        let limit = self.limits.in_flight_bytes;
        keep_in_flight(&mut frame, (used, limit), self.in_flight.len());
        let mut asking = None;
        if let Origin::Session(session) = origin
            && let Some(link) = self.out.links.sessions.get_mut(&session)
        {
            let bytes = link.in_flight_bytes.saturating_add(frame.wire_len());
            if link.in_flight >= self.limits.session_in_flight
                || bytes > self.limits.session_in_flight_bytes
            {
                self.out.counters.over_session_limit += 1;
                return self.answer_error(origin, &frame, result_code::OVER_LIMIT);
            }
            link.in_flight += 1;
            link.in_flight_bytes = bytes;
            asking = Some(link);
        }
        let id = self.in_flight.number();
        if let Some(link) = asking {
            link.asking.insert(frame.seq, id);
        }
        // The asking node waits no longer than this for this node's answer.
        let patience = match origin {
            Origin::Session(_) => self.timeouts.unicast,
            Origin::Fisco(..) | Origin::Node(..) => {
                self.timeouts.unicast.min(self.timeouts.peer_answer)
            }
        };
        let deadline = after(now, patience);
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
        self.in_flight.begin(&mut self.out.links, id, &unicast);
        self.advance(now, id, unicast);
    }

    /// Returns the holder that a unicast counts for, and whether it is already in flight, so that
    /// its answer is on the way; `None` if its sender is gone.
    fn look_up(&mut self, origin: Origin, frame: &Frame) -> Option<(HolderId, bool)> {
        let links = &mut self.out.links;
        match origin {
            Origin::Session(session) => {
                let link = links.sessions.get(&session)?;
                let held = link.asking.get(&frame.seq);
                let held = held.and_then(|&id| self.in_flight.get(id));
                // A session may reuse a seq for another message; that is not a repeat.
                let is_repeated = held.is_some_and(|unicast| unicast.frame == *frame);
                Some((link.holder, is_repeated))
            }
            Origin::Node(source, target, id) => {
                let is_repeated = self.in_flight.of_node(source, target, id).is_some();
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
        for (pool, amount) in amounts_of(frame) {
            match self.out.links.shares.may(holder, pool, amount) {
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
            let shares = &self.out.links.shares;
            let newest = self.in_flight.newest_over_share(shares, pool, holder);
            let Some(id) = newest else {
                return false;
            };
            self.out.counters.over_share += 1;
            self.finish(id, Err(result_code::OVER_LIMIT));
            if self.out.links.shares.may(holder, pool, amount) == Permission::Take {
                return true;
            }
        }
        false
    }
}
