//! One state of the network, and what a step makes of it.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, code},
    node::{Action, Event, Notice, PeerId, PeerIdentity, SessionId, SessionIdentity},
    p2p::{PeerFrame, mesh, protocol},
};

use crate::{
    digest::digest,
    host::{Host, id_of},
    links::{Conn, End, Link},
    scenario::{Break, Sabotage, Scenario},
    sdks::{Message, Sdk, TOPIC, answer_of, frame_of, seq_of, subscription, who_answered},
};

/// All SDKs have one certificate.
fn opened(session: SessionId) -> Event {
    let identity = SessionIdentity::default();
    Event::SessionOpened { session, identity }
}

/// Where time starts.
static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A timer that is at most this far off fires when nothing is under way.
const SOON: Duration = Duration::from_millis(200);

/// One that is at most this far off may fire early, while something is under way.
const EARLY: Duration = Duration::from_secs(2);

/// A message crosses wires at most this often, copies and answers included.
const MAX_CROSSINGS: u16 = 40;

/// So many frames are never under way at once.
const MAX_FRAMES: usize = 300;

/// The dialling end may dial so often before all is quiet.
const DIALS: u8 = 2;

/// The publisher's session, on node 0.
pub(crate) const PUBLISHER: SessionId = SessionId(0);

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The first frame under way from one end of a connection arrives at the other.
    Deliver {
        /// Which link.
        link: usize,
        /// Which of its connections.
        conn: usize,
        /// From which end.
        from: usize,
    },
    /// TLS is complete at one end.
    Open {
        /// Which link.
        link: usize,
        /// Which of its connections.
        conn: usize,
        /// Which end.
        end: usize,
    },
    /// One end is told that the connection is gone.
    Lose {
        /// Which link.
        link: usize,
        /// Which of its connections.
        conn: usize,
        /// Which end.
        end: usize,
    },
    /// The first link fails.
    Break,
    /// Its dialling end makes a connection again.
    Dial,
    /// A subscriber comes or goes.
    Turn(usize),
    /// What a subscriber has sent first arrives.
    FromSubscriber(usize),
    /// The publisher sends a message.
    Publish(usize),
    /// Time passes until the next timer.
    Tick,
}

/// A state of the network.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) now: Duration,
    pub(crate) hosts: [Arc<Host>; 3],
    pub(crate) links: Vec<Link>,
    pub(crate) sdks: Vec<Sdk>,
    pub(crate) messages: Vec<Message>,
    /// How often time may still pass while something is under way.
    early: u8,
    /// Nothing about links has changed since all was quiet.
    calm: bool,
    /// The network stands, and sabotage may begin.
    started: bool,
    /// A unicast has left the publisher's node.
    sent_once: bool,
    /// What went wrong first.
    pub(crate) wrong: Option<String>,
}

impl State {
    /// The network of a scenario, all links up and nothing under way.
    pub fn new(scenario: &Scenario) -> Self {
        let mut state = Self {
            hosts: std::array::from_fn(|host| Arc::new(Host::new(host, scenario))),
            links: scenario.links.iter().copied().map(Link::new).collect(),
            sdks: Vec::new(),
            messages: Vec::new(),
            early: scenario.early,
            now: Duration::ZERO,
            calm: true,
            started: false,
            sent_once: false,
            wrong: None,
            scenario: Arc::new(scenario.clone()),
        };
        for link in 0..state.links.len() {
            state.dial(link);
        }
        state.tell(0, opened(PUBLISHER));
        for subscriber in &scenario.subscribers {
            state.sdks.push(Sdk {
                host: subscriber.host,
                changes: subscriber.changes,
                session: None,
                came: 0,
                sent: VecDeque::new(),
                got: BTreeSet::new(),
                subscribed: false,
            });
            if subscriber.present {
                state.come(state.sdks.len() - 1);
            }
        }
        state.run_dry();
        for &unicast in scenario.unicasts {
            state.messages.push(Message {
                unicast,
                ..Message::default()
            });
        }
        state.links[0].dials = if scenario.breaks == Break::Never {
            0
        } else {
            DIALS
        };
        state.early = scenario.early;
        state.started = true;
        state.refresh(true);
        state
    }

    pub(crate) fn instant(&self) -> Instant {
        *BASE + self.now
    }

    /// What went wrong on the way here.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.wrong.get_or_insert(text);
    }

    /// All that may happen next.
    pub fn steps(&self) -> Vec<Step> {
        if self.wrong.is_some() {
            return Vec::new();
        }
        let mut steps = self.under_way();
        let idle = steps.is_empty();
        for (index, sdk) in self.sdks.iter().enumerate() {
            if sdk.changes > 0 {
                steps.push(Step::Turn(index));
            }
        }
        for (index, message) in self.messages.iter().enumerate() {
            if !message.sent {
                steps.push(Step::Publish(index));
            }
        }
        let link = &self.links[0];
        if !link.broken && self.scenario.breaks != Break::Never {
            steps.push(Step::Break);
        }
        if link.dials > 0 && link.may_dial() {
            steps.push(Step::Dial);
        }
        let within = match (idle, self.early) {
            (true, _) => SOON,
            (false, 0) => return steps,
            (false, _) => EARLY,
        };
        if self.next_timer().is_some_and(|at| at <= self.now + within) {
            steps.push(Step::Tick);
        }
        steps
    }

    /// The steps that need nobody to do anything.
    fn under_way(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (link, held) in self.links.iter().enumerate() {
            self.link_steps(link, held, &mut steps);
        }
        for (index, sdk) in self.sdks.iter().enumerate() {
            if !sdk.sent.is_empty() {
                steps.push(Step::FromSubscriber(index));
            }
        }
        steps
    }

    fn link_steps(&self, link: usize, held: &Link, steps: &mut Vec<Step>) {
        let told = self.scenario.breaks == Break::Known;
        for (conn, held) in held.conns.iter().enumerate() {
            for end in 0..2 {
                let lost = (held.cut && told) || held.ends[1 - end] == End::Gone;
                match held.ends[end] {
                    End::Opening => steps.push(Step::Open { link, conn, end }),
                    End::Open if lost => steps.push(Step::Lose { link, conn, end }),
                    _ => {}
                }
                if held.ends[1 - end] == End::Open && !held.wires[end].is_empty() {
                    let from = end;
                    steps.push(Step::Deliver { link, conn, from });
                }
            }
        }
    }

    pub(crate) fn next_timer(&self) -> Option<Duration> {
        let timers = self
            .hosts
            .iter()
            .filter_map(|host| host.node.next_timeout());
        let next = timers.min()?;
        Some(next.saturating_duration_since(*BASE).max(self.now))
    }

    /// The state after a step.
    #[must_use]
    pub fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        next.take(step);
        next.refresh(step == Step::Tick);
        next
    }

    /// Makes a step. The fingerprints are old then.
    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Deliver { link, conn, from } => self.deliver(link, conn, from),
            Step::Open { link, conn, end } => self.open(link, conn, end),
            Step::Lose { link, conn, end } => self.lose(link, conn, end),
            Step::Break => self.break_link(),
            Step::Dial => {
                self.links[0].dials -= 1;
                self.calm = false;
                self.dial(0);
            }
            Step::Turn(sdk) => {
                self.sdks[sdk].changes -= 1;
                match self.sdks[sdk].session {
                    Some(session) => self.go(sdk, session),
                    None => self.come(sdk),
                }
            }
            Step::FromSubscriber(sdk) => self.subscriber_speaks(sdk),
            Step::Publish(message) => self.publish(message),
            Step::Tick => {
                self.early -= u8::from(!self.under_way().is_empty());
                self.tick();
            }
        }
        self.calm = self.calm || self.is_calm();
        self.check();
    }

    /// Whether everybody knows all there is to know.
    fn is_calm(&self) -> bool {
        let soon = self.now + SOON;
        self.under_way().is_empty()
            && self.links.iter().all(Link::is_settled)
            && self.next_timer().is_none_or(|at| at > soon)
    }

    /// Lets all that is under way arrive, and timers fire that are due soon.
    pub(crate) fn run_dry(&mut self) {
        for _ in 0..10_000 {
            let steps = self.steps();
            let moves = |step: &&Step| {
                !matches!(
                    step,
                    Step::Turn(_) | Step::Publish(_) | Step::Break | Step::Dial
                )
            };
            let Some(&step) = steps.iter().find(moves) else {
                return;
            };
            self.take(step);
        }
        self.fail("it never comes to rest".into());
    }

    pub(crate) fn tick(&mut self) {
        let Some(next) = self.next_timer() else {
            return;
        };
        self.now = next;
        let now = self.instant();
        for host in 0..self.hosts.len() {
            // Long work is cut into slices, each a timer that is due at once.
            for _ in 0..1000 {
                let due = self.hosts[host].node.next_timeout();
                if due.is_none_or(|due| due > now) {
                    break;
                }
                self.tell(host, Event::Timeout);
            }
            let due = self.hosts[host].node.next_timeout();
            if due.is_some_and(|due| due <= now) {
                self.fail(format!("the timer of node {host} fires again and again"));
            }
        }
    }

    // Links.

    pub(crate) fn dial(&mut self, link: usize) {
        // A name of its own for every connection, whatever else happened before.
        let held = &mut self.links[link];
        held.conns.retain(|conn| !conn.is_over());
        held.made += 1;
        held.conns
            .push(Conn::new(100 * (link as u64 + 1) + held.made));
    }

    fn break_link(&mut self) {
        let silent = self.scenario.breaks == Break::Silent;
        self.calm = false;
        let link = &mut self.links[0];
        link.broken = true;
        for conn in &mut link.conns {
            conn.cut = true;
            if silent {
                conn.wires.iter_mut().for_each(VecDeque::clear);
            }
        }
        // A multicast is sent once, so what was under way may be lost; so may a unicast's answer, and
        // that cannot be sent again where there is no other way.
        let hosts: Vec<usize> = self.sdks.iter().map(|sdk| sdk.host).collect();
        let whole = self.whole_from(0);
        for message in &mut self.messages {
            let Message { unicast, got, .. } = &*message;
            let (unicast, got) = (*unicast, got.clone());
            message.sure.retain(|sdk| {
                let host = hosts[*sdk];
                host == 0
                    || if unicast {
                        whole[host]
                    } else {
                        got.contains(sdk)
                    }
            });
        }
    }

    /// The nodes that are joined to one by links that never failed.
    fn whole_from(&self, start: usize) -> [bool; 3] {
        let mut whole = [false; 3];
        whole[start] = true;
        for _ in 0..2 {
            for link in self.links.iter().filter(|link| !link.broken) {
                let [a, b] = link.ends;
                whole[a] |= whole[b];
                whole[b] |= whole[a];
            }
        }
        whole
    }

    fn open(&mut self, link: usize, conn: usize, end: usize) {
        let held = &mut self.links[link];
        let ends = held.ends;
        let conn = &mut held.conns[conn];
        if conn.cut || conn.ends[1 - end] == End::Gone {
            conn.ends[end] = End::Gone;
            return;
        }
        conn.ends[end] = End::Open;
        let (peer, other) = (PeerId(conn.id), ends[1 - end]);
        let identity = PeerIdentity {
            node: id_of(other),
            name: format!("node{other}"),
            agency: "agency".into(),
            address: format!("node{other}"),
        };
        let dialled = end == 0;
        let event = Event::PeerOpened {
            peer,
            identity,
            dialled,
        };
        self.tell(ends[end], event);
    }

    fn lose(&mut self, link: usize, conn: usize, end: usize) {
        let held = &mut self.links[link];
        let host = held.ends[end];
        let conn = &mut held.conns[conn];
        conn.ends[end] = End::Gone;
        conn.wires[1 - end].clear();
        let peer = PeerId(conn.id);
        self.tell(host, Event::PeerClosed(peer));
    }

    fn deliver(&mut self, link: usize, conn: usize, from: usize) {
        let held = &mut self.links[link];
        let host = held.ends[1 - from];
        let conn = &mut held.conns[conn];
        let peer = PeerId(conn.id);
        let wire = &mut conn.wires[from];
        if let Some(frame) = wire.pop_front() {
            self.tell(host, Host::checker().event(peer, frame));
        }
    }

    // SDKs.

    fn come(&mut self, index: usize) {
        let sdk = &mut self.sdks[index];
        sdk.came += 1;
        let session = SessionId(100 * (index as u64 + 1) + sdk.came);
        sdk.session = Some(session);
        sdk.got.clear();
        sdk.subscribed = false;
        sdk.sent.clear();
        let host = sdk.host;
        self.tell(host, opened(session));
        for frame in subscription(br#"["t"]"#) {
            self.tell(host, Event::session_frame(session, frame));
            if self.scenario.does(Sabotage::EarlyBarrier) {
                self.subscribed(index);
            }
        }
    }

    fn go(&mut self, index: usize, session: SessionId) {
        let sdk = &mut self.sdks[index];
        sdk.session = None;
        sdk.sent.clear();
        let host = sdk.host;
        for message in &mut self.messages {
            message.sure.remove(&index);
        }
        self.tell(host, Event::SessionClosed(session));
    }

    fn subscriber_speaks(&mut self, index: usize) {
        let sdk = &mut self.sdks[index];
        let host = sdk.host;
        if let (Some(session), Some(frame)) = (sdk.session, sdk.sent.pop_front()) {
            self.tell(host, Event::session_frame(session, frame));
        }
    }

    fn publish(&mut self, index: usize) {
        let unicast = self.messages[index].unicast;
        let whole = self.whole_from(0);
        let sure: BTreeSet<usize> = (0..self.sdks.len())
            .filter(|&sdk| {
                let held = &self.sdks[sdk];
                let known = self.hosts[0].knows(held.host == 0, held.host, TOPIC);
                let way = if unicast { whole[held.host] } else { self.calm };
                held.session.is_some() && known && way
            })
            .collect();
        let message = &mut self.messages[index];
        message.sent = true;
        message.sure = sure;
        let frame = frame_of(index, unicast);
        if self.scenario.does(Sabotage::FalseAnswer) {
            self.outcome(&answer_of(index, 0));
        }
        self.tell(0, Event::session_frame(PUBLISHER, frame));
    }

    // What nodes do.

    /// Feeds an event to a node and carries out what comes of it.
    pub(crate) fn tell(&mut self, host: usize, event: Event) {
        let now = self.instant();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let node = &mut Arc::make_mut(&mut self.hosts[host]).node;
            node.handle(now, event);
            let actions: Vec<Action> = std::iter::from_fn(|| node.poll_action()).collect();
            Arc::make_mut(&mut self.hosts[host]).digest = 0;
            for action in actions {
                self.act(host, action, &mut events);
            }
        }
    }

    fn act(&mut self, host: usize, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                events.push_back(Event::PeerWritten(peer, lane, message.wire_len()));
                let frame = message.joined();
                self.write(host, peer, frame);
            }
            Action::SendSession { session, frame } => {
                events.push_back(Event::SessionWritten(session, frame.wire_len()));
                self.reach_sdk(session, &frame);
            }
            Action::ClosePeer { peer, .. } => self.closed(host, peer),
            Action::CloseSession { session, reason } => {
                self.fail(format!("node {host} closes session {session:?}: {reason}"));
            }
            Action::Answer { session, question } => {
                let reply = self.hosts[host].node.answer(&question);
                events.push_back(Event::SessionReply(session, reply));
            }
            Action::Notice(Notice::BadPeerMessage { what, .. }) => {
                self.fail(format!(
                    "node {host} finds {what} in what an honest node sent"
                ));
            }
            Action::PauseSession { .. }
            | Action::ResumeSession { .. }
            | Action::CoalesceSession { .. }
            | Action::FragmentPeer { .. }
            | Action::Notice(_) => {}
        }
    }

    fn closed(&mut self, host: usize, peer: PeerId) {
        for link in &mut self.links {
            let Some(end) = link.ends.iter().position(|&end| end == host) else {
                continue;
            };
            for conn in link.conns.iter_mut().filter(|conn| conn.id == peer.0) {
                conn.ends[end] = End::Gone;
                conn.wires[1 - end].clear();
            }
        }
    }

    fn write(&mut self, host: usize, peer: PeerId, frame: PeerFrame) {
        let times = self.times(host, &frame);
        for _ in 0..times {
            self.count_crossing(&frame);
        }
        for link in &mut self.links {
            let Some(end) = link.ends.iter().position(|&end| end == host) else {
                continue;
            };
            let repeated = link.broken;
            for conn in link.conns.iter_mut().filter(|conn| conn.id == peer.0) {
                if conn.cut || conn.ends[1 - end] == End::Gone {
                    continue;
                }
                let known = frame.packet == mesh::packet::KNOWN && is_extension(&frame);
                if known && repeated && self.scenario.does(Sabotage::LoseKnown) {
                    continue;
                }
                for _ in 0..times {
                    conn.wires[end].push_back(frame.clone());
                }
            }
        }
    }

    /// How often a frame is really written.
    fn times(&mut self, host: usize, frame: &PeerFrame) -> usize {
        if !is_extension(frame) {
            return 1;
        }
        let does = |sabotage| self.scenario.does(sabotage) && self.started;
        match frame.packet {
            mesh::packet::RECORDS if host == 1 && does(Sabotage::LoseRecords) => 0,
            mesh::packet::UNICAST | mesh::packet::RELAYED_UNICAST if does(Sabotage::Loop) => 50,
            mesh::packet::UNICAST | mesh::packet::RELAYED_UNICAST
                if host == 0 && does(Sabotage::LoseRepeats) =>
            {
                usize::from(!std::mem::replace(&mut self.sent_once, true))
            }
            _ => 1,
        }
    }

    fn count_crossing(&mut self, frame: &PeerFrame) {
        if !is_message(frame) {
            return;
        }
        for index in 0..self.messages.len() {
            let seq = seq_of(index).0;
            if self.messages[index].sent && frame.body.windows(seq.len()).any(|part| part == seq) {
                self.messages[index].crossings += 1;
            }
        }
    }

    fn reach_sdk(&mut self, session: SessionId, frame: &Frame) {
        if session == PUBLISHER {
            return self.outcome(frame);
        }
        let Some(index) = self
            .sdks
            .iter()
            .position(|sdk| sdk.session == Some(session))
        else {
            return;
        };
        match frame.kind {
            FrameType::HEARTBEAT => self.subscribed(index),
            FrameType::UNICAST | FrameType::MULTICAST => {
                let twice = frame.kind == FrameType::MULTICAST
                    && self.scenario.does(Sabotage::MulticastTwice);
                self.got(index, frame);
                if twice {
                    self.got(index, frame);
                }
            }
            _ => {}
        }
    }

    fn got(&mut self, index: usize, frame: &Frame) {
        let mut frame = frame.clone();
        if self.scenario.does(Sabotage::Alter) {
            frame.body = [&frame.body[..], b"!"].concat().into();
        }
        let sent = |message: &usize| {
            self.messages[*message].sent
                && frame == frame_of(*message, self.messages[*message].unicast)
        };
        let Some(message) = (0..self.messages.len()).find(sent) else {
            return self.fail(format!(
                "subscriber {index} got what nobody sent: {frame:?}"
            ));
        };
        if !self.sdks[index].got.insert(message) {
            return self.fail(format!("subscriber {index} got message {message} twice"));
        }
        self.messages[message].got.insert(index);
        if self.messages[message].unicast {
            let answer = answer_of(message, index);
            self.sdks[index].sent.push_back(answer);
        }
    }

    /// A subscriber is told that what it subscribed to is known.
    fn subscribed(&mut self, index: usize) {
        self.sdks[index].subscribed = true;
        let host = self.sdks[index].host;
        for link in 0..self.links.len() {
            let Link { ends, broken, .. } = self.links[link];
            let Some(end) = ends.iter().position(|&end| end == host) else {
                continue;
            };
            let other = ends[1 - end];
            if !broken && self.links[link].is_live() && !self.hosts[other].knows(false, host, TOPIC)
            {
                self.fail(format!(
                    "subscriber {index} was told that its topic is known, and node {other} does not \
                     know it"
                ));
            }
        }
    }

    fn outcome(&mut self, frame: &Frame) {
        let asked = |message: &usize| seq_of(*message) == frame.seq;
        let Some(index) = (0..self.messages.len()).find(asked) else {
            return self.fail(format!(
                "the publisher got what it never asked for: {frame:?}"
            ));
        };
        let message = &mut self.messages[index];
        if let Some(before) = message.outcome.replace(frame.result) {
            return self.fail(format!("message {index} ended with {before} and again"));
        }
        if !message.unicast {
            return;
        }
        if frame.result == code::SUCCESS {
            let by = who_answered(index, frame);
            if !by.is_some_and(|by| message.got.contains(&by)) {
                self.fail(format!(
                    "message {index} was answered by {by:?}, who never got it"
                ));
            }
        } else if let Some(&sure) = message.sure.first() {
            let result = frame.result;
            self.fail(format!(
                "message {index} ended with {result} though subscriber {sure} could be reached all \
                 the time"
            ));
        }
    }

    // Checks and fingerprints.

    fn check(&mut self) {
        let frames: usize = self
            .links
            .iter()
            .flat_map(|link| &link.conns)
            .flat_map(|conn| &conn.wires)
            .map(VecDeque::len)
            .sum();
        if frames > MAX_FRAMES {
            self.fail(format!("{frames} frames are under way"));
        }
        let round = |message: &Message| message.crossings > MAX_CROSSINGS;
        if let Some(index) = self.messages.iter().position(round) {
            self.fail(format!("message {index} goes round and round"));
        }
    }

    /// Makes the fingerprints of the nodes that changed, of all if time has passed.
    fn refresh(&mut self, all: bool) {
        let now = self.instant();
        for host in &mut self.hosts {
            if all || host.digest == 0 {
                let fresh = digest(&host.node, now).max(1);
                if fresh != host.digest {
                    Arc::make_mut(host).digest = fresh;
                }
            }
        }
    }
}

pub(crate) fn is_extension(frame: &PeerFrame) -> bool {
    frame.protocol == protocol::EXTENSION
}

/// Whether a frame is a message or an answer, not one of the link-state protocol.
fn is_message(frame: &PeerFrame) -> bool {
    let messages = [
        mesh::packet::UNICAST,
        mesh::packet::ANSWER,
        mesh::packet::MULTICAST,
        mesh::packet::RELAYED_UNICAST,
        mesh::packet::RELAYED_ANSWER,
        mesh::packet::RELAYED_MULTICAST,
    ];
    is_extension(frame) && messages.contains(&frame.packet)
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let fingerprint = |state: &Self| {
            let mut hasher = std::hash::DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        fingerprint(self) == fingerprint(other)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for host in &self.hosts {
            state.write_u64(host.digest);
        }
        for link in &self.links {
            (link.broken, link.dials, link.made, link.conns.len()).hash(state);
            for conn in &link.conns {
                (conn.id, conn.ends, conn.cut).hash(state);
                for wire in &conn.wires {
                    wire.len().hash(state);
                    for frame in wire {
                        (frame.protocol, frame.packet, frame.seq).hash(state);
                        frame.body.hash(state);
                    }
                }
            }
        }
        for sdk in &self.sdks {
            (sdk.changes, sdk.session, sdk.came, &sdk.got, sdk.subscribed).hash(state);
            sdk.sent.len().hash(state);
            for frame in &sdk.sent {
                (frame.seq, &frame.body).hash(state);
            }
        }
        for message in &self.messages {
            (message.sent, message.outcome, &message.got, &message.sure).hash(state);
            message.crossings.hash(state);
        }
        (self.early, self.calm, self.sent_once).hash(state);
        self.wrong.hash(state);
    }
}
