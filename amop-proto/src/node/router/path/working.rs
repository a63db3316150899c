//! Works off what concerns many unicasts at once, a part of it for each event.

use std::time::Instant;

use crate::{
    channel::result_code,
    node::router::{
        Router,
        ends::{UnicastId, UnicastTarget},
        in_flight::{CreditOutcome, FailedAttempt, JobKind, SLICE},
    },
    p2p::mesh::RoutingKey,
};

impl Router {
    /// Fails the attempts of these unicasts, because their target is gone.
    pub(in crate::node::router) fn attempts_failed(
        &mut self,
        now: Instant,
        at: UnicastTarget,
        refused: bool,
        ids: impl IntoIterator<Item = UnicastId>,
    ) {
        let failed = ids.into_iter().map(|id| FailedAttempt {
            id,
            at,
            refused,
            ends: None,
        });
        self.in_flight.backlog.push_failed(failed);
        self.work_off(now);
    }

    /// Ends unicasts that a session has and will not answer any more; nobody else gets them.
    pub(in crate::node::router) fn unicasts_lost(
        &mut self,
        now: Instant,
        at: UnicastTarget,
        ids: impl IntoIterator<Item = UnicastId>,
    ) {
        let failed = ids.into_iter().map(|id| FailedAttempt {
            id,
            at,
            refused: false,
            ends: Some(result_code::DISCONNECTED),
        });
        self.in_flight.backlog.push_failed(failed);
        self.work_off(now);
    }

    /// Fails the attempts at a node that can no longer be reached.
    pub(in crate::node::router) fn node_lost(&mut self, now: Instant, node: RoutingKey) {
        self.in_flight.plan(node, JobKind::Lost);
        self.work_off(now);
    }

    /// Sends again the unicasts that have not been answered and may be lost: those sent to a node
    /// for which `shaken` is true before this many changes of the network and one more, or so long
    /// ago that it is unknown which path they or their answers took. A node takes each once, and
    /// answers it again.
    pub(in crate::node::router) fn send_again(
        &mut self,
        now: Instant,
        changes: u64,
        mut shaken: impl FnMut(&mut Self, RoutingKey) -> bool,
    ) {
        let mut next = self.in_flight.next_asked(None);
        while let Some(node) = next {
            let shaken = shaken(self, node);
            self.in_flight
                .plan(node, JobKind::Again { changes, shaken });
            next = self.in_flight.next_asked(Some(node));
        }
        self.work_off(now);
    }

    /// Continues work that was too much at once, when it is due.
    pub(in crate::node::router) fn go_on_working(&mut self, now: Instant) {
        if self.in_flight.backlog.is_due(now) {
            self.work_off(now);
        }
    }

    fn work_off(&mut self, now: Instant) {
        let mut left = SLICE;
        while left > 0
            && let Some(failed) = self.in_flight.backlog.pop_failed()
        {
            left -= 1;
            let FailedAttempt { id, at, .. } = failed;
            let attempt = self.in_flight.get(id).and_then(|unicast| unicast.at);
            if attempt.and_then(|attempt| attempt.target()) == Some(at) {
                match failed.ends {
                    Some(result) => self.answer_for_session(now, id, result),
                    None => self.attempt_failed(now, id, failed.refused),
                }
            }
        }
        while left > 0
            && let Some((ids, kind)) = self.in_flight.take_work(left)
        {
            left -= ids.len();
            for id in ids {
                self.carry_on(now, id, kind);
            }
        }
        self.in_flight.backlog.pause(now);
    }

    fn carry_on(&mut self, now: Instant, id: UnicastId, kind: JobKind) {
        match kind {
            JobKind::Lost => self.attempt_ended(now, id, false, CreditOutcome::Ended),
            JobKind::Again { changes, shaken } => {
                let Some(unicast) = self.in_flight.get(id) else {
                    return;
                };
                let lost = |sent| sent < changes || (shaken && sent == changes);
                let (sent, len) = (unicast.sent_at(), unicast.frame.wire_len());
                // If there is no path at the moment, the timer tries again.
                if sent.is_some_and(lost)
                    && self.in_flight.backlog.may_send_again(now, len)
                    && let Some(mut unicast) = self.in_flight.take(id)
                {
                    self.send_with_header(now, id, &mut unicast);
                    self.in_flight.put(id, unicast);
                }
            }
        }
    }
}
