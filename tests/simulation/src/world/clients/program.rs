//! The programs of the SDKs, and how they handle messages.

use std::time::Duration;

use amop_proto::{
    channel::result_code,
    client::{MessageKind, Push, UnicastArrival},
};
use bytes::Bytes;

use super::World;
use crate::{
    Sabotage,
    hostile::{FORGED, OWN},
    ledger::{MessageId, number_in},
    violation::Invariant,
    world::Event,
};

/// How a program handles a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It answers at once.
    Prompt,
    /// It answers after a while.
    Late(Duration),
    /// It accepts the unicast and never answers.
    Never,
    /// It refuses the unicast.
    Refuses,
}

impl World {
    /// Handles a message that the node delivers.
    pub(super) fn pushed(&mut self, client: usize, endpoint: usize, way: u64, push: &Push) {
        let now = self.instant();
        let Some(number) = number_in(&push.payload) else {
            let text = format!("client {client} got a message that was never published");
            return self.violated(Invariant::NoDuplicate, text);
        };
        if number == FORGED {
            let text = format!("client {client} got a message that was forged");
            return self.violated(Invariant::NoForgery, text);
        }
        let own = number == OWN;
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
            (MessageKind::Multicast, _) => {
                if state.window.multicast(&push.topic, push.seq, now) && !own {
                    self.delivered(client, number);
                }
            }
            (MessageKind::Unicast, _) if own => respond(result_code::NO_SESSION, &[]),
            (MessageKind::Unicast, Behaviour::Refuses) => respond(result_code::NO_SESSION, &[]),
            (MessageKind::Unicast, behaviour) => {
                match state.window.unicast(&push.topic, push.seq, &way, now) {
                    UnicastArrival::New => {
                        state.window.taken(&push.topic, push.seq, way);
                        if let Some(topic) = topic {
                            state
                                .taken
                                .entry(number)
                                .or_default()
                                .push((topic, push.seq));
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
                    UnicastArrival::Pending => {}
                    UnicastArrival::Answered { result, payload } => respond(result, &payload),
                    UnicastArrival::CutOff { .. } => respond(result_code::NO_REPLY, b""),
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
            if let Err(text) = taken
                && !self.is_second_copy(MessageId(number), client)
                && !self.is_other_name(MessageId(number), client)
            {
                self.violated(Invariant::NoDuplicate, text);
            }
        }
    }

    /// Answers a unicast that the program has.
    pub(in crate::world) fn answer(&mut self, client: usize, message: MessageId) {
        let now = self.instant();
        let state = &mut self.clients[client];
        // A second copy over 3.x has another seq, and is answered, too.
        let Some((topic, seq)) = state.taken.get_mut(&message.0).and_then(Vec::pop) else {
            return;
        };
        let topic = &self.topics[topic];
        let reply = Bytes::copy_from_slice(&(client as u32).to_be_bytes());
        let answer = (result_code::SUCCESS, reply.clone());
        for way in state.window.answered(topic, seq, answer, now) {
            let mut links = state.links.iter_mut().flatten();
            if let Some(link) = links.find(|link| link.number == way)
                && let Some(session) = &mut link.session
            {
                session.respond(seq, topic, result_code::SUCCESS, &reply);
            }
        }
        self.settle(client);
    }
}
