//! SDKs that come and go, the frames they send, and the frames they get.

use std::collections::BTreeSet;

use amop_proto::{
    channel::{Frame, FrameType, result_code},
    node::{NodeEvent, SessionId, SessionIdentity},
};

use crate::{
    links::Link,
    scenario::Sabotage,
    sdks::{TOPIC, answer_of, frame_of, seq_of, subscription, who_answered},
    state::{PUBLISHER, State},
};

/// All SDKs have one certificate.
pub(crate) fn opened(session: SessionId) -> NodeEvent {
    let identity = SessionIdentity::default();
    NodeEvent::SessionOpened { session, identity }
}

impl State {
    pub(crate) fn come(&mut self, index: usize) {
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
            self.tell(host, NodeEvent::session_frame(session, frame));
            if self.scenario.does(Sabotage::EarlyBarrier) {
                self.subscribed(index);
            }
        }
    }

    pub(crate) fn go(&mut self, index: usize, session: SessionId) {
        let sdk = &mut self.sdks[index];
        sdk.session = None;
        sdk.sent.clear();
        let host = sdk.host;
        for message in &mut self.messages {
            message.sure.remove(&index);
        }
        self.tell(host, NodeEvent::SessionClosed(session));
    }

    pub(crate) fn subscriber_speaks(&mut self, index: usize) {
        let sdk = &mut self.sdks[index];
        let host = sdk.host;
        if let (Some(session), Some(frame)) = (sdk.session, sdk.sent.pop_front()) {
            self.tell(host, NodeEvent::session_frame(session, frame));
        }
    }

    pub(crate) fn publish(&mut self, index: usize) {
        let unicast = self.messages[index].unicast;
        let whole = self.whole_from(0);
        let sure: BTreeSet<usize> = (0..self.sdks.len())
            .filter(|&sdk| {
                let held = &self.sdks[sdk];
                let known = self.hosts[0].knows(held.host == 0, held.host, TOPIC)
                    || (held.subscribed && self.is_next_to(0, held.host));
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
        self.tell(0, NodeEvent::session_frame(PUBLISHER, frame));
    }

    pub(crate) fn reach_sdk(&mut self, session: SessionId, frame: &Frame) {
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
                "subscriber {index} got a frame that was never sent: {frame:?}"
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

    /// Handles that a subscriber is told that its topic is known.
    fn subscribed(&mut self, index: usize) {
        self.sdks[index].subscribed = true;
        let host = self.sdks[index].host;
        for link in 0..self.links.len() {
            let Link { ends, broken, .. } = self.links[link];
            let Some(end) = ends.iter().position(|&end| end == host) else {
                continue;
            };
            let other = ends[1 - end];
            let honest = !self.is_liar(other) && !self.is_liar(host);
            if !broken
                && honest
                && self.links[link].is_live()
                && !self.hosts[other].knows(false, host, TOPIC)
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
        if frame.result == result_code::SUCCESS {
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

    /// Returns whether a link that never failed joins two honest nodes.
    fn is_next_to(&self, one: usize, other: usize) -> bool {
        let mut links = self.links.iter().filter(|link| self.is_whole(link));
        links.any(|link| link.ends.contains(&one) && link.ends.contains(&other))
    }
}
