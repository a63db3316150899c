//! A client's connections: dialling, reading and writing, and how they end.

use std::time::Duration;

use amop_proto::{
    channel::Frame,
    client::{ClientConfig, ClientSession, SessionEvent},
    node::SessionId,
};
use rand::RngExt;

use super::World;
use crate::{
    net::{Conn, ConnId, Owner},
    world::Event,
};

/// The time between a client's heartbeats. It takes a node for dead after twice this time.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A connection to one endpoint.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) conn: ConnId,
    /// The session, once TLS is complete.
    pub(super) session: Option<ClientSession<u64>>,
    /// Whether the node has the topics.
    pub(super) up: bool,
    pub(super) wanted: u64,
}

impl World {
    pub(super) fn dial_node(&mut self, client: usize, endpoint: usize) {
        let host = self.clients[client].endpoints[endpoint];
        if self.hosts[host].node.is_none() {
            let now = self.instant();
            self.clients[client].pool.failed(endpoint, now);
            return;
        }
        let life = self.hosts[host].life;
        let session = SessionId(self.fresh_id());
        let owners = [
            Owner::Client { client, endpoint },
            Owner::Session {
                host,
                life,
                id: session,
            },
        ];
        let id = ConnId(self.conns.len());
        let line = self.clients[client].line;
        let v3 = self.clients[client].v3[endpoint];
        self.conns.push(Conn {
            v3,
            ..Conn::new(self.now, owners, line, None)
        });
        let state = &mut self.clients[client];
        state.next_link += 1;
        state.links[endpoint] = Some(Link {
            number: state.next_link,
            conn: id,
            session: None,
            up: false,
            wanted: 0,
        });
        for side in 0..2 {
            let handshake = line.latency * 3 + self.random_time(0, 5_000);
            self.plan_in(handshake, Event::Opened(id, side));
        }
    }

    /// Returns the link of an endpoint, if this is still its connection.
    fn link(&mut self, client: usize, endpoint: usize, conn: ConnId) -> Option<&mut Link> {
        let link = self.clients[client].links[endpoint].as_mut();
        link.filter(|link| link.conn == conn)
    }

    pub(in crate::world) fn client_connected(
        &mut self,
        client: usize,
        endpoint: usize,
        conn: ConnId,
    ) {
        let now = self.instant();
        let config = ClientConfig::default().with(|config| config.heartbeat = HEARTBEAT);
        let seed = self.clients[client].rng.random();
        let mut session = ClientSession::new(config, seed, now);
        let mut wanted = 0;
        for &topic in &self.clients[client].topics {
            wanted = session.subscribe(&self.topics[topic]);
        }
        if let Some(link) = self.link(client, endpoint, conn) {
            link.session = Some(session);
            link.wanted = wanted;
        }
        self.settle(client);
    }

    pub(in crate::world) fn client_read(
        &mut self,
        client: usize,
        endpoint: usize,
        conn: ConnId,
        frames: Vec<Frame>,
    ) {
        let now = self.instant();
        if let Some(link) = self.link(client, endpoint, conn)
            && let Some(session) = &mut link.session
        {
            session.note_activity(now);
        }
        for frame in frames {
            if let Some(link) = self.link(client, endpoint, conn)
                && let Some(session) = &mut link.session
            {
                session.handle_frame(now, frame);
                self.drain(client, endpoint);
            }
        }
        self.settle(client);
    }

    /// Handles that the node took bytes that may have waited.
    pub(in crate::world) fn client_wrote(&mut self, client: usize, endpoint: usize, conn: ConnId) {
        let now = self.instant();
        let out = &self.conns[conn.0].pipes[0].out;
        let waits = !out.is_empty() || self.bridges.waiting((conn, 0)) > 0;
        let severed = self.conns[conn.0].severed.is_some();
        if let Some(link) = self.link(client, endpoint, conn)
            && let Some(session) = &mut link.session
            && waits
            && !severed
        {
            session.note_activity(now);
            self.settle(client);
        }
    }

    pub(in crate::world) fn client_lost(&mut self, client: usize, endpoint: usize, conn: ConnId) {
        let now = self.instant();
        let Some(link) = self.link(client, endpoint, conn) else {
            return;
        };
        if let Some(session) = &mut link.session {
            session.handle_eof();
            self.drain(client, endpoint);
        } else {
            self.clients[client].links[endpoint] = None;
            self.clients[client].pool.failed(endpoint, now);
        }
        self.settle(client);
    }

    /// Handles the events of a session.
    pub(super) fn drain(&mut self, client: usize, endpoint: usize) {
        let now = self.instant();
        loop {
            let Some(link) = &mut self.clients[client].links[endpoint] else {
                return;
            };
            let (number, conn) = (link.number, link.conn);
            let Some(event) = link.session.as_mut().and_then(ClientSession::poll_event) else {
                return;
            };
            match event {
                // Private topics are not simulated.
                SessionEvent::Signed { .. } | SessionEvent::Challenged { .. } => {}
                SessionEvent::Ready { .. } if link.wanted == 0 => self.link_up(client, endpoint),
                SessionEvent::Ready { .. } => {}
                // No client of the simulation wants more topics than a node has room for.
                SessionEvent::TopicsRefused { .. } => {}
                SessionEvent::TopicsSettled { version } => {
                    if version >= link.wanted && !link.up {
                        self.link_up(client, endpoint);
                    }
                }
                SessionEvent::Finished { token, outcome } => {
                    self.check_read(conn, token, &outcome);
                    self.ended(client, token, number, &outcome);
                }
                SessionEvent::Push(push) => self.pushed(client, endpoint, number, &push),
                SessionEvent::Notice(_) => {}
                SessionEvent::Closed(reason) => {
                    let what = format_args!("client {client}: {reason}");
                    self.log.step(self.now, what, &[]);
                    let state = &mut self.clients[client];
                    state.links[endpoint] = None;
                    state.window.forget_way(&number, None);
                    state.pool.failed(endpoint, now);
                    self.close_end(conn, 0);
                    self.try_all(client);
                    return;
                }
            }
        }
    }

    fn link_up(&mut self, client: usize, endpoint: usize) {
        let (at, now) = (self.now, self.instant());
        let state = &mut self.clients[client];
        if let Some(link) = &mut state.links[endpoint] {
            link.up = true;
            state.spans.push((link.conn, at));
        }
        state.pool.up(endpoint, now);
        self.try_all(client);
    }

    /// Returns how many of a client's connections can be used.
    pub(crate) fn links_up(&self, client: usize) -> usize {
        let links = self.clients[client].links.iter().flatten();
        links.filter(|link| link.up).count()
    }
}
