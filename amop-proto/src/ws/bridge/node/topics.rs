//! The client's set of topics, and what of it a node of 3.x can have.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    MAX_TOPIC_LEN, PrivateName,
    channel::{SetTopics, Shortage},
    ws::{WsTopic, client::WsClientSession},
};

/// How many refused topics are named in an answer.
const MAX_NAMED: usize = 64;

/// How long after a list that lacks a topic it is sent once more. An overlay node keeps a topic that was
/// in another list less than half a second before, because the SDKs of 3.x send lists in any order.
const REPEAT: Duration = Duration::from_secs(1);

/// The topics of the session, as the client set them last.
#[derive(Debug, Default)]
pub(super) struct BridgedTopics {
    held: BTreeSet<String>,
    shortage: Shortage,
    /// When the list is sent once more.
    repeat: Option<Instant>,
}

impl BridgedTopics {
    /// Applies a set of the client.
    pub(super) fn apply<T>(&mut self, now: Instant, session: &mut WsClientSession<T>, body: &[u8]) {
        let names: BTreeSet<String> = match SetTopics::parse(body) {
            SetTopics::Replace(names) => names.into_iter().collect(),
            SetTopics::Keep => {
                self.shortage = Shortage {
                    kept: true,
                    ..Shortage::default()
                };
                return;
            }
        };
        // First, because the list has a limit.
        for gone in self.held.difference(&names) {
            if let Ok(topic) = WsTopic::new(gone) {
                session.unsubscribe(&topic);
            }
        }
        if !self.held.is_subset(&names) {
            self.repeat = Some(now + REPEAT);
        }
        let mut shortage = Shortage {
            read: names.len(),
            ..Shortage::default()
        };
        self.held.clear();
        for (place, name) in names.into_iter().enumerate() {
            let topic = usable(name.as_bytes());
            if topic.is_some_and(|topic| session.subscribe(&topic).is_ok()) {
                self.held.insert(name);
                continue;
            }
            shortage.missing.insert(place);
            if shortage.refused.len() < MAX_NAMED {
                shortage.refused.push(name);
            }
        }
        self.shortage = shortage;
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.repeat
    }

    /// Repeats the list if that is due.
    pub(super) fn handle_timeout<T>(&mut self, now: Instant, session: &mut WsClientSession<T>) {
        if self.repeat.take_if(|at| *at <= now).is_some() {
            session.repeat_topics();
        }
    }

    /// Returns the topics of the last set that the session does not have.
    pub(super) fn shortage(&self) -> &Shortage {
        &self.shortage
    }
}

/// Returns the topic of 3.x with this name; `None` for private topics and their routes, because nodes
/// of 3.x would give the messages to everybody.
pub(super) fn usable(name: &[u8]) -> Option<WsTopic> {
    let name = std::str::from_utf8(name).ok()?;
    if name.len() > MAX_TOPIC_LEN || PrivateName::concerns(name) {
        return None;
    }
    WsTopic::new(name).ok()
}
