//! The conditions that must hold in the end: starting from a state in which nothing more happens by
//! itself, as time passes.

use std::{collections::BTreeMap, time::Duration};

use amop_proto::channel::result_code;

use crate::{scenario::Break, sdks::Message, state::State, steps::Step};

/// After this time all nodes know the true network. A link that failed silently is detected after 3
/// s.
const CONVERGENCE: Duration = Duration::from_secs(10);

/// After this time every message has an outcome: the timeout of a unicast, and a little more.
const OUTCOME: Duration = Duration::from_secs(65);

/// A message that is sent when nothing else happens has its outcome within this time.
const PROMPT: Duration = Duration::from_secs(1);

/// A node that lost a connection dials again at the earliest after this time.
const REDIAL: Duration = Duration::from_secs(1);

impl State {
    /// Returns whether nothing more happens except that time passes.
    pub fn is_end(&self) -> bool {
        self.wrong.is_none() && self.steps().is_empty()
    }

    /// Lets time pass and checks the end state.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong.
    pub fn ends_well(&self) -> Result<(), String> {
        let mut end = self.clone();
        if end.hostile.is_some() {
            // Messages have their outcome whether the liar leaves or not.
            end.wait_until(OUTCOME, |end| end.open_message())?;
            end.liar_leaves();
        }
        end.wait_until(CONVERGENCE, |end| end.untrue())?;
        end.wait_until(OUTCOME, |end| end.open_message())?;
        end.check_multicasts()?;
        end.wait_until(OUTCOME, |end| end.left_over())?;
        end.probe()?;
        if end.hostile.is_some() {
            end.liar_returns();
            end.wait_until(CONVERGENCE, |end| end.untrue())?;
            end.probe()?;
        }
        Ok(())
    }

    /// Lets time pass until `wrong` finds nothing.
    fn wait_until(
        &mut self,
        patience: Duration,
        wrong: impl Fn(&Self) -> Option<String>,
    ) -> Result<(), String> {
        let until = self.now + patience;
        let mut dials_from = self.now;
        loop {
            self.run_dry();
            if self.now >= dials_from && self.heal() {
                dials_from = self.now + REDIAL;
                continue;
            }
            if let Some(wrong) = self.wrong.take() {
                return Err(wrong);
            }
            let Some(found) = wrong(self) else {
                return Ok(());
            };
            if self.next_timer().is_none_or(|at| at > until) {
                return Err(format!("after {patience:?}: {found}"));
            }
            self.take(Step::Tick);
        }
    }

    /// Lets the failed link come back if it can.
    fn heal(&mut self) -> bool {
        let heals = self.scenario.breaks != Break::Never && self.links[0].may_dial();
        if heals {
            self.dial(0);
        }
        heals
    }

    /// Returns the first thing that a node knows wrongly.
    fn untrue(&self) -> Option<String> {
        let mut topics = [0_u32; 3];
        for sdk in self.sdks.iter().filter(|sdk| sdk.session.is_some()) {
            topics[sdk.host] += 1;
        }
        (0..3).find_map(|host| {
            let router = self.hosts[host].node.router();
            let distances = self.distances(host);
            let reached = distances.iter().flatten().count() - 1;
            if router.reachable() != reached {
                let seen = router.reachable();
                return Some(format!("node {host} reaches {seen} nodes, true: {reached}"));
            }
            (0..3).find_map(|other| {
                let id = crate::host::id_of(other);
                let held = if other == host {
                    router.local_topics().collect()
                } else {
                    if router.distance(&id) != distances[other] {
                        let seen = router.distance(&id);
                        let truth = distances[other];
                        return Some(format!(
                            "node {host} is {seen:?} links from node {other}, true: {truth:?}"
                        ));
                    }
                    router.node_topics(&id).collect::<BTreeMap<_, _>>()
                };
                let seen = held.values().sum::<u32>();
                let truth = distances[other].map_or(0, |_| topics[other]);
                (seen != truth).then(|| {
                    format!("node {host} sees {seen} subscribers at node {other}, true: {truth}")
                })
            })
        })
    }

    /// Returns the distance of each node from `from`, in links.
    fn distances(&self, from: usize) -> [Option<u32>; 3] {
        let mut distances = [None; 3];
        distances[from] = Some(0);
        for step in 1..3 {
            let known = distances;
            for link in self.links.iter().filter(|link| link.is_live()) {
                for (near, far) in [(0, 1), (1, 0)].map(|(a, b)| (link.ends[a], link.ends[b])) {
                    if known[near] == Some(step - 1) {
                        distances[far].get_or_insert(step);
                    }
                }
            }
        }
        distances
    }

    fn open_message(&self) -> Option<String> {
        let open = |message: &Message| message.sent && message.outcome.is_none();
        let index = self.messages.iter().position(open)?;
        Some(format!("message {index} has no outcome"))
    }

    fn check_multicasts(&self) -> Result<(), String> {
        for (index, message) in self.messages.iter().enumerate() {
            if message.unicast {
                continue;
            }
            if message.outcome != Some(result_code::SUCCESS) {
                return Err(format!(
                    "multicast {index} ended with {:?}",
                    message.outcome
                ));
            }
            if let Some(missed) = message.sure.difference(&message.got).next() {
                return Err(format!(
                    "multicast {index} did not reach subscriber {missed}"
                ));
            }
        }
        Ok(())
    }

    fn left_over(&self) -> Option<String> {
        let held = |host: &usize| self.hosts[*host].node.router().in_flight() > 0;
        let host = (0..3).find(held)?;
        Some(format!("node {host} still holds a unicast"))
    }

    /// Checks that a new unicast and a new multicast arrive where they should.
    fn probe(&mut self) -> Result<(), String> {
        let first = self.messages.len();
        for unicast in [true, false] {
            self.messages.push(Message {
                unicast,
                ..Message::default()
            });
            let index = self.messages.len() - 1;
            self.take(Step::Publish(index));
            self.messages[index].sure = self.present();
        }
        self.wait_until(PROMPT, |end| end.open_message())?;
        self.run_dry();
        self.check_multicasts()?;
        let (probe, present) = (&self.messages[first], self.present());
        let expected = if present.is_empty() {
            result_code::NO_SUBSCRIBER
        } else {
            result_code::SUCCESS
        };
        if probe.outcome != Some(expected) {
            let outcome = probe.outcome;
            return Err(format!(
                "in the end a unicast to subscribers {present:?} ends with {outcome:?}"
            ));
        }
        Ok(())
    }

    /// Returns the subscribers that are connected and can be reached.
    fn present(&self) -> std::collections::BTreeSet<usize> {
        let distances = self.distances(0);
        let there = |index: &usize| {
            let sdk = &self.sdks[*index];
            sdk.session.is_some() && distances[sdk.host].is_some()
        };
        (0..self.sdks.len()).filter(there).collect()
    }
}
