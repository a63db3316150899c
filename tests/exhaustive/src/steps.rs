//! The possible next steps, and the effect of each.

use std::time::Duration;

use amop_proto::node::NodeEvent;

use crate::{
    links::{End, Link},
    scenario::Break,
    state::{BASE, State},
};

/// A timer that is at most this far off fires when nothing is under way.
const SOON: Duration = Duration::from_millis(200);

/// A timer that is at most this far off may fire early, while something is in transit.
const EARLY: Duration = Duration::from_secs(2);

/// The next thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The first frame in transit from one end of a connection arrives at the other.
    Deliver {
        /// The link.
        link: usize,
        /// Its connection.
        conn: usize,
        /// The end that sent it.
        from: usize,
    },
    /// TLS is complete at one end.
    Open {
        /// The link.
        link: usize,
        /// Its connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// One end learns that the connection ended.
    Lose {
        /// The link.
        link: usize,
        /// Its connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// The first link fails.
    Break,
    /// Its dialling end makes a connection again.
    Dial,
    /// A subscriber connects or disconnects.
    Turn(usize),
    /// The first frame that a subscriber has sent arrives.
    FromSubscriber(usize),
    /// The publisher sends a message.
    Publish(usize),
    /// The hostile node uses one of the scenario's wiles.
    Lie(usize),
    /// Time passes until the next timer.
    Tick,
}

impl State {
    /// Returns all possible next steps.
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
        steps.extend(self.wiles().into_iter().map(Step::Lie));
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

    /// Returns the steps that happen without any action of an SDK or a link.
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

    /// Makes a step. Afterwards the fingerprints are out of date.
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
            Step::Lie(wile) => self.lie(wile),
            Step::Tick => {
                self.early -= u8::from(!self.under_way().is_empty());
                self.tick();
            }
        }
        self.calm = self.calm || self.is_calm();
        self.check();
    }

    /// Returns whether every node knows everything.
    fn is_calm(&self) -> bool {
        let soon = self.now + SOON;
        self.under_way().is_empty()
            && self.links.iter().all(Link::is_settled)
            && self.next_timer().is_none_or(|at| at > soon)
    }

    /// Lets everything in transit arrive, and lets timers fire that are due soon.
    pub(crate) fn run_dry(&mut self) {
        for _ in 0..10_000 {
            let steps = self.steps();
            let moves = |step: &&Step| {
                !matches!(
                    step,
                    Step::Turn(_) | Step::Publish(_) | Step::Lie(_) | Step::Break | Step::Dial
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
            // Long work is cut into slices; each is a timer that is due at once.
            for _ in 0..1000 {
                let due = self.hosts[host].node.next_timeout();
                if due.is_none_or(|due| due > now) {
                    break;
                }
                self.tell(host, NodeEvent::Timeout);
            }
            let due = self.hosts[host].node.next_timeout();
            if due.is_some_and(|due| due <= now) {
                self.fail(format!("the timer of node {host} fires again and again"));
            }
        }
    }
}
