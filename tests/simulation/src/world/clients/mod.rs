//! SDKs: the machines of the client, and the small programs behind them.

mod program;
mod publish;
mod sessions;

use std::{collections::BTreeMap, time::Duration};

use amop_proto::{
    channel::Seq,
    client::{DedupWindow, EndpointPool, PoolConfig, WindowConfig},
};
use bytes::BytesMut;
use rand::{RngExt, SeedableRng, rngs::StdRng};

pub(crate) use self::{program::Behaviour, publish::PATIENCE};
use self::{publish::Publishing, sessions::Link};
use super::{Event, World};
use crate::{
    ledger::Verdict,
    net::{At, ConnId, Line},
};

/// An SDK and its program.
#[derive(Debug)]
pub(crate) struct Client {
    /// The nodes that it connects to.
    pub(crate) endpoints: Vec<usize>,
    /// For each of them, whether they speak 3.x with each other.
    v3: Vec<bool>,
    pub(crate) topics: Vec<usize>,
    pub(crate) behaviour: Behaviour,
    pool: EndpointPool,
    window: DedupWindow<u64>,
    links: Vec<Option<Link>>,
    publishing: BTreeMap<u64, Publishing>,
    /// Unicasts that the program will answer.
    taken: BTreeMap<u64, Vec<(usize, Seq)>>,
    /// Its connections, and when each became usable.
    pub(crate) spans: Vec<(ConnId, At)>,
    rng: StdRng,
    line: Line,
    next_link: u64,
    armed: Option<At>,
    left: bool,
}

impl World {
    /// Adds an SDK. It connects at once.
    pub(crate) fn add_client(
        &mut self,
        endpoints: &[usize],
        topics: &[usize],
        behaviour: Behaviour,
    ) -> usize {
        let mut rng = StdRng::from_seed(self.rng.random());
        let mut config = PoolConfig::new(endpoints.len());
        config.first_pause = Duration::from_millis(100);
        config.max_pause = Duration::from_secs(2);
        let slow = self.config.profile.slows() && self.rng.random_bool(0.2);
        let share = self.config.share_of_v3;
        let v3 = endpoints
            .iter()
            .map(|_| share > 0.0 && self.generations.random_bool(share))
            .collect();
        let client = Client {
            endpoints: endpoints.to_vec(),
            v3,
            topics: topics.to_vec(),
            behaviour,
            pool: EndpointPool::new(config, endpoints.len(), rng.random(), self.instant()),
            window: DedupWindow::new(WindowConfig::default()),
            links: endpoints.iter().map(|_| None).collect(),
            publishing: BTreeMap::new(),
            taken: BTreeMap::new(),
            spans: Vec::new(),
            line: Line {
                latency: self.random_time(50, 5_000),
                jitter: self.random_time(0, 500),
                rate: slow.then(|| self.rng.random_range(10_000..100_000)),
            },
            rng,
            next_link: 0,
            armed: None,
            left: false,
        };
        self.clients.push(client);
        let index = self.clients.len() - 1;
        self.settle(index);
        index
    }

    pub(super) fn client_timer(&mut self, client: usize) {
        if self.clients[client].armed != Some(self.now) {
            return;
        }
        self.clients[client].armed = None;
        let now = self.instant();
        for endpoint in 0..self.clients[client].links.len() {
            if let Some(link) = &mut self.clients[client].links[endpoint]
                && let Some(session) = &mut link.session
                && session.next_timeout().is_some_and(|at| at <= now)
            {
                session.handle_timeout(now);
                self.drain(client, endpoint);
            }
        }
        let at = self.now;
        let due = self.clients[client].publishing.iter();
        let due: Vec<u64> = due
            .filter(|(_, message)| !message.active)
            .filter(|(_, message)| {
                message.deadline <= at || message.retry_at.is_some_and(|retry| retry <= at)
            })
            .map(|(&number, _)| number)
            .collect();
        for number in due {
            self.advance(client, number);
        }
        self.settle(client);
    }

    /// Writes what must be written, dials where necessary, and sets the timer.
    fn settle(&mut self, client: usize) {
        let now = self.instant();
        for endpoint in 0..self.clients[client].links.len() {
            self.drain(client, endpoint);
            if let Some(link) = &mut self.clients[client].links[endpoint]
                && let Some(session) = &mut link.session
            {
                let conn = link.conn;
                let mut written = BytesMut::new();
                if session.poll_transmit(now, &mut written) {
                    self.output(conn, 0).extend_from_slice(&written);
                    self.flush(conn, 0);
                }
            }
        }
        while !self.clients[client].left
            && let Some(endpoint) = self.clients[client].pool.take_due(now)
        {
            self.dial_node(client, endpoint);
        }
        self.arm_client(client);
    }

    fn arm_client(&mut self, client: usize) {
        let state = &self.clients[client];
        let sessions = state.links.iter().flatten();
        let sessions = sessions.filter_map(|link| link.session.as_ref()?.next_timeout());
        let pool = state.pool.next_timeout().filter(|_| !state.left);
        let machines = sessions.chain(pool).min().map(|next| self.at(next));
        let messages = state.publishing.values().filter(|message| !message.active);
        let messages = messages.map(|message| {
            let retry = message.retry_at.unwrap_or(message.deadline);
            retry.min(message.deadline)
        });
        let Some(at) = messages.chain(machines).min() else {
            return;
        };
        if state.armed.is_none_or(|armed| at < armed) {
            self.clients[client].armed = Some(at);
            self.plan(at, Event::ClientTimer(client));
        }
    }

    /// Stops a client, whatever it is doing.
    pub(crate) fn leave(&mut self, client: usize) {
        self.clients[client].left = true;
        for endpoint in 0..self.clients[client].links.len() {
            let now = self.instant();
            match &mut self.clients[client].links[endpoint] {
                Some(Link {
                    session: Some(session),
                    conn,
                    ..
                }) => {
                    session.close();
                    let conn = *conn;
                    let mut written = BytesMut::new();
                    session.poll_transmit(now, &mut written);
                    self.output(conn, 0).extend_from_slice(&written);
                    self.drain(client, endpoint);
                }
                Some(Link { conn, .. }) => {
                    let conn = *conn;
                    self.clients[client].links[endpoint] = None;
                    self.close_end(conn, 0);
                }
                None => {}
            }
        }
        let left: Vec<u64> = self.clients[client].publishing.keys().copied().collect();
        for number in left {
            self.finish(client, number, Verdict::Left);
        }
    }

    pub(super) fn stall_client(&mut self, client: usize, time: Duration) {
        let conns = self.clients[client].links.iter().flatten();
        let conns: Vec<ConnId> = conns.map(|link| link.conn).collect();
        for conn in conns {
            self.stall(conn, time);
        }
    }

    pub(crate) fn has_left(&self, client: usize) -> bool {
        self.clients[client].left
    }
}
