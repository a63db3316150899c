//! Unicasts whose timers are due.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    channel::result_code,
    node::{
        HashedFrame,
        router::{
            Router,
            ends::UnicastId,
            in_flight::{AttemptState, CreditOutcome, SLICE, Unicast},
        },
    },
};

impl Router {
    pub(in crate::node::router) fn unicasts_due(&mut self, now: Instant) {
        if self.in_flight.backlog.timers_may(now) {
            self.timers_due(now);
        }
        self.out.end_pauses(now);
    }

    /// Handles unicasts whose timers are due, a limited number at once.
    fn timers_due(&mut self, now: Instant) {
        let mut left = SLICE;
        while self.in_flight.has_due(now) {
            if left == 0 {
                return self.in_flight.backlog.timers_wait(now);
            }
            left -= 1;
            let Some(id) = self.in_flight.pop_timer() else {
                return;
            };
            let Some(unicast) = self.in_flight.get(id) else {
                continue;
            };
            if self.keeps(unicast) {
                self.answer_for_session(now, id, result_code::TIMEOUT);
                continue;
            }
            if unicast.deadline <= now {
                self.give_up(now, id, Err(result_code::TIMEOUT));
                continue;
            }
            match &unicast.at {
                Some(AttemptState::Node { until, .. }) if now < *until => {
                    self.node_is_late(now, id)
                }
                None => {
                    // The search through very many subscribers continues.
                    if let Some(unicast) = self.in_flight.take(id) {
                        self.advance(now, id, unicast);
                    }
                }
                at => {
                    let asked_session = matches!(at, Some(AttemptState::Session(_)));
                    self.attempt_failed(now, id, asked_session);
                }
            }
        }
    }

    /// Returns whether a session that does not give up its unicasts has this one.
    fn keeps(&self, unicast: &Unicast) -> bool {
        let Some(AttemptState::Session(session)) = unicast.at else {
            return false;
        };
        let link = self.out.links.sessions.get(&session);
        link.is_some_and(|link| link.keeps_unicasts)
    }

    /// Ends a unicast that a session has and keeps, as the session's bridge does: with an answer. After
    /// an error another node would ask the next subscriber.
    pub(in crate::node::router) fn answer_for_session(
        &mut self,
        now: Instant,
        id: UnicastId,
        result: i32,
    ) {
        if let Some(unicast) = self.in_flight.get(id) {
            let answer = unicast.frame.respond(result, Bytes::new());
            self.give_up(now, id, Ok(answer.into()));
        }
    }

    /// Ends a unicast although a subscriber may have it.
    fn give_up(&mut self, now: Instant, id: UnicastId, outcome: Result<HashedFrame, i32>) {
        self.out.counters.failed_attempts += 1;
        if let Some(mut unicast) = self.in_flight.take(id) {
            let attempt = CreditOutcome::Failed(now);
            self.in_flight
                .forget_attempt(&mut self.out.links, id, &mut unicast, attempt);
            self.end(id, &mut unicast, outcome);
        }
    }
}
