//! Multicasts, from where they come in to all subscribers.

use std::{ops::Range, time::Instant};

use bytes::Bytes;

use crate::{
    channel::{NO_ACK, result_code},
    node::{
        HashedFrame,
        router::{Router, ends::Origin, multicasts::Audience, outbound::peer_len},
        shares::Resource,
    },
};

impl Router {
    pub(in crate::node::router) fn multicast(
        &mut self,
        now: Instant,
        origin: Origin,
        message: HashedFrame,
        topic: Option<Range<usize>>,
    ) {
        if !self.is_first_copy(now, origin, &message) {
            return;
        }
        let mut audience = std::mem::take(&mut self.multicasts.audience);
        if let Some(topic) = topic {
            let topic = &message.frame.body[topic];
            self.find_audience(origin, topic, &mut audience);
            if self.multicasts.stranded.has_absent() {
                self.multicasts
                    .add_absent(&self.mesh, origin, topic, &mut audience.nodes);
            }
        }
        self.multicast_to(now, origin, message, &mut audience);
        audience.clear();
        self.multicasts.audience = audience;
    }

    pub(in crate::node::router) fn multicast_to(
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
        let native = matches!(origin, Origin::Session(publisher) if self.out.is_native(publisher));
        let quiet = native && message.frame.result == NO_ACK;
        if quiet {
            // The flag concerns only the client and this node: all others get a plain multicast.
            message = message.with_result(result_code::SUCCESS);
        }
        self.out.queue_apart(&mut message.frame);
        let frame = &message.frame;
        // Over the limit, no subscriber gets it, not even the node's own sessions (channel-v2
        // section 7.3).
        if let Origin::Session(publisher) = origin {
            // A neighbour gets one copy for all the nodes behind it.
            let copies = (nodes.len() + peers.len()).min(self.out.links.peers.len());
            let len = peer_len(frame).saturating_mul(copies);
            if !self.out.bandwidth.take(now, len) {
                self.out.counters.over_bandwidth += 1;
                let refusal = frame.respond(result_code::OVER_LIMIT, Bytes::new());
                return self.out.send_session(publisher, refusal);
            }
        }
        self.out.counters.multicasts += 1;
        // Native clients detect repeats themselves.
        let others = !sessions.is_empty()
            && self.out.links.sessions.len() > self.multicasts.repeats.dropping;
        if !(others && self.may_repeat(origin)) || self.multicasts.repeats.is_first(now, &message) {
            self.multicasts
                .multicast_to_sessions(&mut self.out, now, origin, sessions, frame);
        }
        if !nodes.is_empty() {
            self.spread_from_here(now, origin, nodes, &message);
        }
        if !peers.is_empty() {
            self.leave_unserved(now, origin, &message, peers);
            let body = message.frame.to_parts();
            self.out
                .multicast_to_peers(&self.mesh, now, origin, peers, body);
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
            self.out.send_session(publisher, acknowledgement);
        }
    }

    /// Returns whether a multicast may come to this node more than once: its SDK may have sent it to
    /// other nodes, or be connected to this one twice, under two of its names. One that this node gave
    /// its seq comes once.
    fn may_repeat(&self, origin: Origin) -> bool {
        let links = &self.out.links;
        if !links.peers.is_empty() {
            return !links.has_new_seqs(origin);
        }
        let Origin::Session(publisher) = origin else {
            return false;
        };
        links.sessions.get(&publisher).is_some_and(|link| {
            !link.drops_repeats && links.shares.used_by(link.holder, Resource::Sessions) > 1
        })
    }
}
