//! What is sent: the packets of a connection, and the messages of its owner.

use std::time::Instant;

use bytes::Bytes;

use super::GatewayPeer;
use crate::gateway::{
    event::{GatewaySendError, RefusedUnicast, ReplyAddress},
    id::{GatewayAddress, GatewayId},
    message::{GatewayMessage, GatewayMessageKind},
    packet::{GatewayPacket, OutgoingPacket, PacketRoute, PacketType, ext},
};

/// What distinguishes a packet from others of the same connection.
struct Parts {
    kind: PacketType,
    seq: u32,
    ext: u16,
    head: Bytes,
    tail: Bytes,
}

impl<T> GatewayPeer<T> {
    /// Sends a unicast to a node that has the topic. `body` is the AMOPRequest body (ws-v3 section
    /// 10.2); it must be well-formed, because malformed ones do harm to FISCO nodes. Returns the
    /// number of the unicast; [`GatewayEvent::Finished`](super::super::GatewayEvent::Finished)
    /// returns the token, at the latest at the deadline.
    ///
    /// # Errors
    ///
    /// [`RefusedUnicast`] with the token if the unicast cannot be sent.
    pub fn unicast(
        &mut self,
        now: Instant,
        to: GatewayId,
        body: Bytes,
        deadline: Instant,
        token: T,
    ) -> Result<u32, RefusedUnicast<T>> {
        match self.try_unicast(now, to, body) {
            Ok(seq) => {
                self.requests.insert(seq, to, deadline, token);
                Ok(seq)
            }
            Err(why) => Err(RefusedUnicast { token, why }),
        }
    }

    fn try_unicast(
        &mut self,
        now: Instant,
        to: GatewayId,
        body: Bytes,
    ) -> Result<u32, GatewaySendError> {
        let max = self.config.limits.in_flight;
        let address = self.reachable(to)?;
        if self.version.unwrap_or(0) == 0 {
            return Err(GatewaySendError::NoAnswers);
        }
        if self.requests.len() >= max {
            return Err(GatewaySendError::TooManyInFlight { max });
        }
        let mut seq = self.config.seqs.next_unicast();
        while self.requests.contains(seq) {
            seq = self.config.seqs.next_unicast();
        }
        let parts = Parts::message(GatewayMessageKind::UNICAST, seq, body);
        self.put(now, Some(&address), parts)?;
        Ok(seq)
    }

    /// Stops waiting for the answer to a unicast, and returns its token; `None` if it has ended. An
    /// answer that still arrives is a stray one.
    pub fn cancel(&mut self, seq: u32) -> Option<T> {
        self.requests.take(seq)
    }

    /// Sends a multicast to one node, which delivers it to all its subscribers. Nobody confirms it.
    /// `body` is as for [`unicast`](Self::unicast). The owner sends it once to each node that has
    /// the topic (gateway-v3 section 7.2).
    ///
    /// # Errors
    ///
    /// [`GatewaySendError`] if it cannot be sent.
    pub fn multicast(
        &mut self,
        now: Instant,
        to: GatewayId,
        body: Bytes,
    ) -> Result<(), GatewaySendError> {
        let address = self.reachable(to)?;
        let seq = self.config.seqs.next();
        let parts = Parts::message(GatewayMessageKind::MULTICAST, seq, body);
        self.put(now, Some(&address), parts)
    }

    /// Answers a unicast with a subscriber's answer: a WebSocket message (ws-v3 section 5) of type
    /// 0x0113.
    ///
    /// # Errors
    ///
    /// [`GatewaySendError`] if it cannot be sent.
    pub fn reply(
        &mut self,
        now: Instant,
        to: &ReplyAddress,
        message: Bytes,
    ) -> Result<(), GatewaySendError> {
        let parts = Parts {
            kind: PacketType::REPLY,
            seq: to.seq,
            ext: ext::RESPONSE,
            head: message,
            tail: Bytes::new(),
        };
        self.put(now, Some(&to.to), parts)
    }

    /// Answers a unicast with an error, such as [`status`](super::super::status)`::NO_SUBSCRIBER`.
    ///
    /// # Errors
    ///
    /// [`GatewaySendError`] if it cannot be sent.
    pub fn refuse(
        &mut self,
        now: Instant,
        to: &ReplyAddress,
        status: i16,
        text: Bytes,
    ) -> Result<(), GatewaySendError> {
        let message = GatewayMessage {
            kind: GatewayMessageKind::MULTICAST,
            status,
            data: text,
        };
        let parts = Parts {
            kind: PacketType::AMOP,
            seq: to.seq,
            ext: ext::RESPONSE,
            head: message.header(),
            tail: message.data,
        };
        self.put(now, Some(&to.to), parts)
    }

    fn reachable(&self, id: GatewayId) -> Result<GatewayAddress, GatewaySendError> {
        let address = self.nodes.address(id);
        address.cloned().ok_or(GatewaySendError::Unreachable { id })
    }

    pub(super) fn put_heartbeat(&mut self, now: Instant) {
        let parts = Parts {
            kind: PacketType::HEARTBEAT,
            seq: 0,
            ext: 0,
            head: Bytes::new(),
            tail: Bytes::new(),
        };
        let sent = self.put(now, None, parts);
        self.count_dropped(sent);
    }

    /// Sends the number of the router table, which only neighbours exchange: it has no ids.
    pub(super) fn put_neighbours_only(&mut self, now: Instant, number: Bytes) {
        self.put_control(now, PacketType::ROUTER_SEQ, None, number);
    }

    /// Sends a packet of the protocol itself; without an address it has no ids.
    pub(super) fn put_control(
        &mut self,
        now: Instant,
        kind: PacketType,
        to: Option<&GatewayAddress>,
        payload: Bytes,
    ) {
        let parts = Parts {
            kind,
            seq: self.config.seqs.next(),
            ext: 0,
            head: payload,
            tail: Bytes::new(),
        };
        let sent = self.put(now, to, parts);
        self.count_dropped(sent);
    }

    /// Sends a message about topics. Returns whether there was room for it.
    pub(super) fn put_message(
        &mut self,
        now: Instant,
        to: &GatewayAddress,
        kind: GatewayMessageKind,
        data: Bytes,
    ) -> bool {
        let seq = self.config.seqs.next();
        let sent = self.put(now, Some(to), Parts::message(kind, seq, data));
        self.count_dropped(sent)
    }

    fn count_dropped(&mut self, sent: Result<(), GatewaySendError>) -> bool {
        self.counters.dropped += u64::from(sent.is_err());
        sent.is_ok()
    }

    /// Announces the topic sequence number to every node that is known, except those that another
    /// connection tells ([`set_reached_elsewhere`](Self::set_reached_elsewhere)), each by a packet of its own
    /// (gateway-v3 section 7.1): only then do nodes behind the neighbour learn this node's topics.
    pub(super) fn put_topic_seqs(&mut self, now: Instant) {
        self.topic_seq_announced(now);
        let nodes: Vec<GatewayAddress> = self.nodes.announced().cloned().collect();
        for node in &nodes {
            self.put_topic_seq(now, node);
        }
    }

    pub(super) fn put_topic_seq(&mut self, now: Instant, to: &GatewayAddress) {
        if self.version.unwrap_or(0) == 0 && to.id() != self.neighbour.id() {
            return;
        }
        let number = self.topics.seq().to_string().into();
        self.put_message(now, to, GatewayMessageKind::TOPIC_SEQ, number);
    }

    /// Queues a packet. Its version is the negotiated one, except for heartbeats and handshakes
    /// (gateway-v3 section 3).
    fn put(
        &mut self,
        now: Instant,
        to: Option<&GatewayAddress>,
        parts: Parts,
    ) -> Result<(), GatewaySendError> {
        if self.is_closed {
            return Err(GatewaySendError::Closed);
        }
        let version = match parts.kind {
            PacketType::HEARTBEAT | PacketType::HANDSHAKE => 0,
            _ => self.version.unwrap_or(0),
        };
        let mut route = PacketRoute::default();
        if let Some(to) = to {
            if version == 0 && to.id() != self.neighbour.id() {
                return Err(GatewaySendError::Unreachable { id: to.id() });
            }
            route.src = self.config.own.written(version);
            route.dst = to.written(version);
        }
        let packet = GatewayPacket {
            version,
            kind: parts.kind,
            seq: parts.seq,
            ext: parts.ext,
            route,
            payload: parts.head,
        };
        let tail = parts.tail;
        let packet = OutgoingPacket { packet, tail };
        self.outbox.push(now, &self.config.limits, packet)
    }
}

impl Parts {
    fn message(kind: GatewayMessageKind, seq: u32, data: Bytes) -> Self {
        let status = 0;
        let message = GatewayMessage { kind, status, data };
        Self {
            kind: PacketType::AMOP,
            seq,
            ext: 0,
            head: message.header(),
            tail: message.data,
        }
    }
}
