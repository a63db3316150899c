//! The machine's side of a gateway: to the machine, the chain is one peer. This file does what
//! `amop-node/src/gateway/machine.rs` does.

use std::time::Duration;

use amop_proto::{
    gateway::{
        GatewayCodec,
        bridge::{GatewayBridge, GatewayBridgeConfig},
    },
    node::{Lane, NodeEvent, PeerCloseReason, PeerId, PeerIdentity},
    p2p::{PeerFrame, packet, protocol},
};
use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Carrying, Gateway, chain_id};
use crate::{
    Sabotage,
    ledger::number_of,
    net::At,
    violation::Invariant,
    world::{Event, World},
};

/// The pause before the machine gets a new peer after it closed the last one.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the machine's frames wait while a connection has much to write.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the connections are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// How often it is checked which node carries the chain's messages.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// The messages that enter a chain again on purpose, and how often.
const ECHOED: u64 = 8;
const ECHOES: usize = 4;

/// An answer to the machine is this much earlier than the time after which the machine asks another
/// subscriber.
const EARLIER: Duration = Duration::from_secs(2);

impl World {
    /// Starts the gateway of a host, if the host is one of the chain's nodes.
    pub(in crate::world) fn start_gateway(&mut self, host: usize) {
        if !self.gateways.is_member(host) {
            return;
        }
        let mut rng = StdRng::from_seed(self.rng.random());
        let seconds = self.clock() / 1_000_000;
        let own = self.gateway_address(host);
        let config = GatewayBridgeConfig::new(own, seconds as u32, rng.random());
        let config = config.with(|config| {
            // Version 0 cannot carry unicasts.
            config.max_version = rng.random_range(1..=3);
            config.answer = self.config.timeouts.peer_answer.saturating_sub(EARLIER);
            if self.config.profile.slows() {
                config.limits.connection.queued_bytes = 64 << 10;
            }
        });
        self.hosts[host].gateway = Some(Gateway {
            bridge: GatewayBridge::new(config),
            codec: GatewayCodec::default().with_compression(rng.random_bool(0.5)),
            ends: Default::default(),
            numbers: Default::default(),
            peer: None,
            closed: false,
            again_at: At::ZERO,
            outbox: Default::default(),
            queued: 0,
            longest: 0,
            untold: Vec::new(),
            congested_since: None,
            look_at: At::ZERO,
            connected: false,
            armed: None,
            carry_at: None,
            unsent: 0,
            blamed: false,
        });
    }

    /// Handles that a host crashes.
    pub(in crate::world) fn drop_gateway(&mut self, host: usize) {
        self.hosts[host].gateway = None;
        self.carried_until_now(host);
    }

    fn carried_until_now(&mut self, host: usize) {
        let now = self.now;
        let mut carried = self.gateways.carried.iter_mut();
        if let Some(time) = carried.find(|time| time.host == host && time.until.is_none()) {
            time.until = Some(now);
        }
    }

    /// Handles a frame that the machine wrote to the peer that stands for the chain.
    pub(in crate::world) fn write_chain(
        &mut self,
        host: usize,
        (peer, lane): (PeerId, Lane),
        frame: PeerFrame,
    ) {
        let limit = self.config.limits.peer_queue;
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.peer != Some(peer) {
            return;
        }
        let len = frame.wire_len();
        gateway.queued += len;
        gateway.longest = gateway.longest.max(len);
        gateway.outbox.push_back((lane, frame));
        let untold: usize = gateway.untold.iter().map(|(_, len)| len).sum();
        let waiting = gateway.queued + untold;
        let most = 2 * gateway.longest.max(limit);
        if waiting > most {
            let text = format!("{waiting} bytes wait for the chain, the bound is {most}");
            self.violated(Invariant::BoundedMemory, text);
        }
        self.plan_carry(host, self.now);
    }

    /// Handles that the machine closes the peer that stands for the chain.
    pub(in crate::world) fn chain_closed(
        &mut self,
        host: usize,
        peer: PeerId,
        reason: &PeerCloseReason,
    ) {
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.peer == Some(peer) {
            gateway.closed = true;
            let what = format_args!("node {host} closes the chain: {reason}");
            self.log.step(self.now, what, &[]);
            self.plan_carry(host, self.now);
        }
    }

    pub(super) fn plan_carry(&mut self, host: usize, at: At) {
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.carry_at.is_none_or(|planned| at < planned) {
            gateway.carry_at = Some(at);
            self.plan(at, Event::Carry(host));
        }
    }

    /// Lets a gateway carry what waits, and begin or stop to carry messages.
    pub(in crate::world) fn carry(&mut self, host: usize) {
        let now = self.now;
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.carry_at != Some(now) {
            return;
        }
        gateway.carry_at = None;
        let connected = gateway.bridge.is_connected();
        let closed = std::mem::take(&mut gateway.closed);
        let (look, again) = (gateway.look_at <= now, gateway.again_at <= now);
        if look {
            gateway.look_at = now + LOOK_AROUND;
        }
        let peer = gateway.peer;
        match peer {
            None if connected && again && !self.is_carried_elsewhere(host) => self.open_chain(host),
            None => {}
            Some(_) => {
                self.hand_over(host);
                let forgets = self.does(Sabotage::ForgetsToClose);
                let gone = !connected && !forgets;
                if gone || closed || (look && self.is_carried_elsewhere(host)) {
                    self.close_chain(host);
                }
                if let (true, Some(gateway)) = (closed, &mut self.hosts[host].gateway) {
                    gateway.again_at = now + AGAIN;
                }
            }
        }
        let next = self.hosts[host].gateway.as_ref().map(|gateway| {
            let next = match gateway.congested_since {
                Some(_) => now + LOOK,
                None => gateway.look_at.max(now + LOOK),
            };
            (next, connected)
        });
        if let Some((next, true)) = next {
            self.plan_carry(host, next);
        }
    }

    /// Returns whether another node that can be reached carries the chain's messages.
    fn is_carried_elsewhere(&self, host: usize) -> bool {
        if self.does(Sabotage::BothCarry) {
            return false;
        }
        let Some(node) = &self.hosts[host].node else {
            return false;
        };
        let borders = node.router().borders_of(&chain_id());
        borders.iter().any(|border| *border < self.hosts[host].id)
    }

    fn open_chain(&mut self, host: usize) {
        let (now, life) = (self.instant(), self.hosts[host].life);
        let peer = PeerId(self.fresh_id());
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        gateway.peer = Some(peer);
        self.check_accepted(host);
        self.gateways.carried.push(Carrying {
            host,
            from: self.now,
            until: None,
        });
        let what = format_args!("gateway {host} begins to carry");
        self.log.step(self.now, what, &[]);
        let identity = PeerIdentity {
            node: chain_id(),
            name: "3.x chain".into(),
            agency: "chain".into(),
            authority: [0xc3; 32],
            address: "gateway".into(),
            new_seqs: true,
        };
        let opened = NodeEvent::PeerOpened {
            peer,
            identity,
            dialled: true,
        };
        self.tell_host(host, life, opened);
        if let Some(gateway) = &mut self.hosts[host].gateway {
            gateway.bridge.open_machine(now);
        }
        self.after_bridge(host);
    }

    /// Checks that another gateway has taken a connection of one that begins to carry messages.
    fn check_accepted(&mut self, host: usize) {
        let Some(gateway) = &self.hosts[host].gateway else {
            return;
        };
        let mut ends = gateway.ends.values();
        if !ends.any(|&(conn, side)| self.gateways.taken.contains(&(conn, 1 - side))) {
            let text = format!("the gateway of node {host} carries messages, and nobody took it");
            self.violated(Invariant::Convergence, text);
        }
    }

    fn close_chain(&mut self, host: usize) {
        let (now, life) = (self.instant(), self.hosts[host].life);
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        let Some(peer) = gateway.peer.take() else {
            return;
        };
        gateway.outbox.clear();
        gateway.untold.clear();
        gateway.queued = 0;
        gateway.congested_since = None;
        gateway.bridge.close_machine(now);
        self.carried_until_now(host);
        let what = format_args!("gateway {host} stops to carry");
        self.log.step(self.now, what, &[]);
        self.tell_host(host, life, NodeEvent::PeerClosed(peer));
        self.after_bridge(host);
    }

    /// Gives the bridge what the machine wrote.
    fn hand_over(&mut self, host: usize) {
        let (at, now) = (self.now, self.instant());
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.congested_since.is_none() {
            while let Some((lane, frame)) = gateway.outbox.pop_front() {
                gateway.untold.push((lane, frame.wire_len()));
                gateway.queued -= frame.wire_len();
                gateway.bridge.handle_frame(now, frame);
            }
            self.after_bridge(host);
        }
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.bridge.is_congested() {
            let since = *gateway.congested_since.get_or_insert(at);
            if at < since + PATIENCE {
                return;
            }
            gateway.bridge.note_behind(now);
        }
        gateway.congested_since = None;
        let (peer, written) = (gateway.peer, std::mem::take(&mut gateway.untold));
        let waits = !gateway.outbox.is_empty();
        let life = self.hosts[host].life;
        for (lane, len) in written {
            if let Some(peer) = peer {
                self.tell_host(host, life, NodeEvent::PeerWritten(peer, lane, len));
            }
        }
        if waits {
            self.plan_carry(host, at + LOOK);
        }
    }

    /// Gives the machine what the bridge has for it.
    pub(super) fn give_to_machine(&mut self, host: usize) {
        let life = self.hosts[host].life;
        let checker = self.hosts[host].checker.clone();
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        let frames: Vec<PeerFrame> = std::iter::from_fn(|| gateway.bridge.poll_frame()).collect();
        let Some(peer) = gateway.peer else {
            return;
        };
        for frame in frames {
            self.note_entry(host, &frame);
            self.tell_host(host, life, checker.event(peer, frame));
        }
    }

    /// Notes a message that a gateway gives to its machine.
    fn note_entry(&mut self, host: usize, frame: &PeerFrame) {
        let kinds = [packet::UNICAST, packet::MULTICAST];
        if frame.protocol != protocol::AMOP || !kinds.contains(&frame.packet) {
            return;
        }
        let Some(number) = message_number(&frame.body) else {
            return;
        };
        let at = self.now;
        let entries = self.gateways.entries.entry(number).or_default();
        entries.push(at);
        // Not all of them, so that there is room for the violations that are found at the end.
        let few = number < ECHOED && entries.len() < ECHOES;
        if few && self.does(Sabotage::EchoCrossing) {
            let now = self.instant();
            if let Some(gateway) = &mut self.hosts[host].gateway {
                gateway.bridge.handle_frame(now, frame.clone());
            }
        }
    }

    /// Plans the bridge's next timeout.
    pub(super) fn arm_gateway(&mut self, host: usize) {
        let next = self.hosts[host].gateway.as_ref();
        let next = next.and_then(|gateway| gateway.bridge.next_timeout());
        let Some(at) = next.map(|next| self.at(next)) else {
            return;
        };
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.armed.is_none_or(|armed| at < armed) {
            gateway.armed = Some(at);
            self.plan(at, Event::Gateway(host));
        }
    }

    pub(in crate::world) fn gateway_timer(&mut self, host: usize) {
        let (at, now) = (self.now, self.instant());
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        if gateway.armed != Some(at) {
            return;
        }
        gateway.armed = None;
        gateway.bridge.handle_timeout(now);
        self.after_bridge(host);
    }
}

/// Returns the number of the message in a frame of 2.x.
fn message_number(body: &Bytes) -> Option<u64> {
    let frame = amop_proto::channel::Frame::from_bytes(body.clone(), body.len()).ok()?;
    number_of(&frame)
}
