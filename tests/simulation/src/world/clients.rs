//! SDKs: the machines of the client, and the small programs behind them.

use std::{collections::BTreeMap, time::Duration};

use amop_proto::{
    channel::{Frame, Seq, code},
    client::{
        Arrival, Attempt, Attempts, ClientConfig, ClientSession, Event as ClientEvent, Kind, Next,
        Outcome, Pool, PoolConfig, Push, Window, WindowConfig,
    },
    node::SessionId,
};
use bytes::{BufMut, Bytes, BytesMut};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Event, World};
use crate::{
    Sabotage,
    ledger::{MessageId, Verdict, number_in},
    net::{At, Conn, ConnId, Line, Owner},
    violation::Invariant,
};

/// How long a publisher waits for the outcome of a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Time between a client's heartbeats. It takes a node for dead after twice that.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// What a program does with a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It answers at once.
    Prompt,
    /// It answers after a while.
    Late(Duration),
    /// It takes it and never answers.
    Never,
    /// It does not take it.
    Refuses,
}

/// A connection to one endpoint.
#[derive(Debug)]
struct Link {
    number: u64,
    conn: ConnId,
    /// Once TLS is complete.
    session: Option<ClientSession<u64>>,
    /// The node has the topics.
    up: bool,
    wanted: u64,
}

/// A message whose outcome is open.
#[derive(Debug)]
struct Publishing {
    kind: Kind,
    topic: usize,
    seq: Seq,
    payload: Bytes,
    deadline: At,
    attempts: Attempts,
    /// A session has it.
    active: bool,
    retry_at: Option<At>,
    verdict: Verdict,
}

/// An SDK and its program.
#[derive(Debug)]
pub(crate) struct Client {
    /// The nodes it connects to.
    pub(crate) endpoints: Vec<usize>,
    pub(crate) topics: Vec<usize>,
    pub(crate) behaviour: Behaviour,
    pool: Pool,
    window: Window<u64>,
    links: Vec<Option<Link>>,
    publishing: BTreeMap<u64, Publishing>,
    /// Unicasts the program will answer.
    taken: BTreeMap<u64, (usize, Seq)>,
    /// Its connections, and when each could be used.
    pub(crate) spans: Vec<(ConnId, At)>,
    rng: StdRng,
    line: Line,
    next_link: u64,
    armed: Option<At>,
    left: bool,
}

impl World {
    /// A new SDK. It connects at once.
    pub(crate) fn add_client(
        &mut self,
        endpoints: &[usize],
        topics: &[usize],
        behaviour: Behaviour,
    ) -> usize {
        let mut rng = StdRng::from_seed(self.rng.random());
        let config = PoolConfig {
            target: endpoints.len(),
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(2),
            retries: None,
        };
        let slow = self.config.profile.slows() && self.rng.random_bool(0.2);
        let client = Client {
            endpoints: endpoints.to_vec(),
            topics: topics.to_vec(),
            behaviour,
            pool: Pool::new(config, endpoints.len(), rng.random(), self.instant()),
            window: Window::new(WindowConfig::default()),
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

    /// A program publishes a message.
    pub(crate) fn publish(&mut self, client: usize, unicast: bool, topic: usize) -> MessageId {
        let kind = if unicast {
            Kind::Unicast
        } else {
            Kind::Multicast
        };
        let deadline = self.now + PATIENCE;
        let id = self.ledger.publish(self.now, client, kind, topic, deadline);
        let mut payload = BytesMut::new();
        payload.put_u64(id.0);
        // Mostly short; some take a slow line a while.
        let padding = match self.rng.random_range(0..20) {
            0 if self.config.profile.slows() => 4000,
            _ if self.does(Sabotage::HideQueue) => 4000,
            _ => self.rng.random_range(0..100),
        };
        payload.put_bytes(0, padding);
        let state = &mut self.clients[client];
        let message = Publishing {
            kind,
            topic,
            seq: Seq::random(&mut state.rng),
            payload: payload.freeze(),
            deadline,
            attempts: Attempts::default(),
            active: false,
            retry_at: None,
            verdict: Verdict::Offline,
        };
        state.publishing.insert(id.0, message);
        self.advance(client, id.0);
        self.settle(client);
        id
    }

    /// Tries a message over the next connection, or sees what to wait for.
    fn advance(&mut self, client: usize, number: u64) {
        let (now, base) = (self.now, self.base);
        let topics = &self.topics;
        let Client {
            pool,
            links,
            publishing,
            ..
        } = &mut self.clients[client];
        let Some(message) = publishing.get_mut(&number) else {
            return;
        };
        if message.active {
            return;
        }
        message.retry_at = None;
        let end = loop {
            if message.deadline <= now {
                break Some(message.verdict);
            }
            let usable = links.iter().enumerate().filter_map(|(index, link)| {
                let link = link.as_ref().filter(|link| link.up)?;
                let usable = message.attempts.may_try(link.number);
                let session = link.session.as_ref()?;
                usable.then(|| (index, session.in_flight()))
            });
            let picked = pool.pick(usable);
            let picked = picked.and_then(|index| links[index].as_mut());
            if let Some(link) = picked {
                let Some(session) = &mut link.session else {
                    break None;
                };
                let sent = session.request_as(
                    message.seq,
                    message.kind,
                    &topics[message.topic],
                    &message.payload,
                    base + message.deadline,
                    number,
                );
                match sent {
                    Ok(()) => {
                        message.active = true;
                        self.ledger.sent(MessageId(number), link.conn);
                        break None;
                    }
                    Err(_) => message.attempts.ended(link.number, Attempt::NotSent),
                }
                continue;
            }
            let is_open = |number| {
                let mut up = links.iter().flatten().filter(|link| link.up);
                up.any(|link| link.number == number)
            };
            match message.attempts.when_exhausted(is_open) {
                Next::Wait => break None,
                Next::Pause(pause) => {
                    message.retry_at = Some(now + pause);
                    break None;
                }
                Next::Finish => break Some(message.verdict),
            }
        };
        if let Some(verdict) = end {
            self.finish(client, number, verdict);
        }
    }

    fn finish(&mut self, client: usize, number: u64, verdict: Verdict) {
        self.clients[client].publishing.remove(&number);
        self.log
            .step(self.now, format_args!("message {number}: {verdict:?}"), &[]);
        let times = if self.does(Sabotage::NoOutcome) {
            0
        } else if self.does_once(Sabotage::AnswerTwice) {
            2
        } else {
            1
        };
        for _ in 0..times {
            if let Err(text) = self.ledger.done(MessageId(number), self.now, verdict) {
                self.violated(Invariant::OneOutcome, text);
            }
        }
    }

    /// A request over one connection has ended.
    fn ended(&mut self, client: usize, number: u64, link: u64, outcome: &Outcome) {
        let Some(message) = self.clients[client].publishing.get_mut(&number) else {
            return;
        };
        message.active = false;
        let attempt = match outcome {
            Outcome::Answered(reply) => {
                let by = reply.first_chunk().map(|by| u32::from_be_bytes(*by));
                return self.finish(client, number, Verdict::Answered(by));
            }
            Outcome::NoSubscriber => {
                message.verdict = Verdict::NoSubscriber;
                Attempt::Turned
            }
            Outcome::Unanswered => {
                message.verdict = Verdict::Unanswered;
                Attempt::Turned
            }
            Outcome::Disconnected => {
                message.verdict = Verdict::Disconnected;
                Attempt::Lost
            }
            Outcome::OverLimit => return self.finish(client, number, Verdict::OverLimit),
            Outcome::TimedOut | Outcome::NodeTimedOut => {
                return self.finish(client, number, Verdict::TimedOut);
            }
            Outcome::Undecodable | Outcome::Rejected { .. } => {
                return self.finish(client, number, Verdict::Rejected);
            }
        };
        message.attempts.ended(link, attempt);
        self.advance(client, number);
    }

    fn dial_node(&mut self, client: usize, endpoint: usize) {
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
        self.conns.push(Conn::new(self.now, owners, line, None));
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

    /// The link of an endpoint, if this is still its connection.
    fn link(&mut self, client: usize, endpoint: usize, conn: ConnId) -> Option<&mut Link> {
        let link = self.clients[client].links[endpoint].as_mut();
        link.filter(|link| link.conn == conn)
    }

    pub(super) fn client_connected(&mut self, client: usize, endpoint: usize, conn: ConnId) {
        let now = self.instant();
        let config = ClientConfig {
            heartbeat: HEARTBEAT,
            ..ClientConfig::default()
        };
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

    pub(super) fn client_read(
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
            session.handle_alive(now);
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

    /// The node took bytes that may have waited.
    pub(super) fn client_wrote(&mut self, client: usize, endpoint: usize, conn: ConnId) {
        let now = self.instant();
        let waits = !self.conns[conn.0].pipes[0].out.is_empty();
        let severed = self.conns[conn.0].severed.is_some();
        if let Some(link) = self.link(client, endpoint, conn)
            && let Some(session) = &mut link.session
            && waits
            && !severed
        {
            session.handle_alive(now);
            self.settle(client);
        }
    }

    pub(super) fn client_lost(&mut self, client: usize, endpoint: usize, conn: ConnId) {
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

    /// Acts on what a session has to say.
    fn drain(&mut self, client: usize, endpoint: usize) {
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
                // Private topics play no part here.
                ClientEvent::Signed { .. } | ClientEvent::Challenged { .. } => {}
                ClientEvent::Ready { .. } if link.wanted == 0 => self.link_up(client, endpoint),
                ClientEvent::Ready { .. } => {}
                ClientEvent::TopicsSettled { version } => {
                    if version >= link.wanted && !link.up {
                        self.link_up(client, endpoint);
                    }
                }
                ClientEvent::Finished { token, outcome } => {
                    self.ended(client, token, number, &outcome);
                }
                ClientEvent::Push(push) => self.pushed(client, endpoint, number, &push),
                ClientEvent::Notice(_) => {}
                ClientEvent::Closed(reason) => {
                    let what = format_args!("client {client}: {reason}");
                    self.log.step(self.now, what, &[]);
                    let state = &mut self.clients[client];
                    state.links[endpoint] = None;
                    state.window.forget_way(&number);
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

    fn try_all(&mut self, client: usize) {
        let waiting = self.clients[client].publishing.iter();
        let waiting: Vec<u64> = waiting
            .filter(|(_, message)| !message.active)
            .map(|(&number, _)| number)
            .collect();
        for number in waiting {
            self.advance(client, number);
        }
    }

    /// The node delivers a message.
    fn pushed(&mut self, client: usize, endpoint: usize, way: u64, push: &Push) {
        let now = self.instant();
        let Some(number) = number_in(&push.payload) else {
            let text = format!("client {client} got a message nobody published");
            return self.violated(Invariant::NoDuplicate, text);
        };
        let state = &mut self.clients[client];
        let topic = state
            .topics
            .iter()
            .copied()
            .find(|&topic| self.topics[topic] == push.topic);
        let mut respond = |result, payload: &[u8]| {
            if let Some(link) = &mut state.links[endpoint]
                && let Some(session) = &mut link.session
            {
                session.respond(push.seq, &push.topic, result, payload);
            }
        };
        match (push.kind, state.behaviour) {
            (Kind::Multicast, _) => {
                if state.window.multicast(&push.topic, push.seq, now) {
                    self.delivered(client, number);
                }
            }
            (Kind::Unicast, Behaviour::Refuses) => respond(code::NO_SESSION, &[]),
            (Kind::Unicast, behaviour) => {
                match state.window.unicast(&push.topic, push.seq, &way, now) {
                    Arrival::New => {
                        state.window.taken(&push.topic, push.seq, way);
                        if let Some(topic) = topic {
                            state.taken.insert(number, (topic, push.seq));
                        }
                        self.delivered(client, number);
                        let message = MessageId(number);
                        match behaviour {
                            Behaviour::Prompt => self.answer(client, message),
                            Behaviour::Late(time) => {
                                self.plan_in(time, Event::Answer { client, message });
                            }
                            Behaviour::Never | Behaviour::Refuses => {}
                        }
                    }
                    Arrival::Pending => {}
                    Arrival::Answered { result, payload } => respond(result, &payload),
                }
            }
        }
    }

    fn delivered(&mut self, client: usize, number: u64) {
        let times = if self.does_once(Sabotage::ProgramTwice) {
            2
        } else {
            1
        };
        self.log
            .step(self.now, format_args!("{client} got {number}"), &[]);
        for _ in 0..times {
            let taken = self.ledger.delivered(MessageId(number), client, self.now);
            if let Err(text) = taken {
                self.violated(Invariant::NoDuplicate, text);
            }
        }
    }

    /// The program answers a unicast it has.
    pub(super) fn answer(&mut self, client: usize, message: MessageId) {
        let now = self.instant();
        let state = &mut self.clients[client];
        let Some((topic, seq)) = state.taken.remove(&message.0) else {
            return;
        };
        let topic = &self.topics[topic];
        let reply = Bytes::copy_from_slice(&(client as u32).to_be_bytes());
        let answer = (code::SUCCESS, reply.clone());
        for way in state.window.answered(topic, seq, answer, now) {
            let mut links = state.links.iter_mut().flatten();
            if let Some(link) = links.find(|link| link.number == way)
                && let Some(session) = &mut link.session
            {
                session.respond(seq, topic, code::SUCCESS, &reply);
            }
        }
        self.settle(client);
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

    /// Writes what is to be written, dials what is to be dialled, and sets the timer.
    fn settle(&mut self, client: usize) {
        let now = self.instant();
        for endpoint in 0..self.clients[client].links.len() {
            self.drain(client, endpoint);
            if let Some(link) = &mut self.clients[client].links[endpoint]
                && let Some(session) = &mut link.session
            {
                let conn = link.conn;
                if session.poll_transmit(now, &mut self.conns[conn.0].pipes[0].out) {
                    self.pump(conn, 0);
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

    /// A client stops, whatever it is at.
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
                    session.poll_transmit(now, &mut self.conns[conn.0].pipes[0].out);
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

    /// What a publisher was told of a message, if it was told.
    pub fn verdict(&self, id: MessageId) -> Option<Verdict> {
        self.ledger.get(id)?.done.map(|(_, verdict)| verdict)
    }

    /// How many of a client's connections can be used.
    pub(crate) fn links_up(&self, client: usize) -> usize {
        let links = self.clients[client].links.iter().flatten();
        links.filter(|link| link.up).count()
    }

    pub(crate) fn has_left(&self, client: usize) -> bool {
        self.clients[client].left
    }
}
