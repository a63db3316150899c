//! The unicasts that were passed to the client and not answered.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{channel::Seq, hash::HashMap, ws::WsSeq};

/// How long an answer is expected: longer than the session waits for it.
const KEEP: Duration = Duration::from_secs(40);

#[derive(Debug)]
struct OpenPush {
    /// The seq to which the node wants the answer.
    newest: WsSeq,
    at: Instant,
}

/// Unicasts by the seq under which the client has them. A second copy of a message has the seq of the
/// first one, so that the client recognises it.
#[derive(Debug, Default)]
pub(super) struct OpenPushes {
    by_seq: HashMap<Seq, OpenPush>,
    by_ws: HashMap<WsSeq, Seq>,
    /// By age, with those that were answered meanwhile.
    order: VecDeque<(Instant, Seq)>,
}

impl OpenPushes {
    /// Records a unicast of the node. Returns the seq under which the client gets it; `random` makes
    /// one if the node's cannot be used.
    pub(super) fn push(
        &mut self,
        now: Instant,
        seq: &WsSeq,
        repeats: Option<&WsSeq>,
        random: impl FnOnce() -> Seq,
    ) -> Seq {
        self.expire(now);
        let first = repeats.and_then(|first| self.by_ws.remove(first));
        let shown = first.unwrap_or_else(|| match seq.as_seq() {
            Some(own) if !self.by_seq.contains_key(&own) => own,
            _ => random(),
        });
        let open = OpenPush {
            newest: seq.clone(),
            at: now,
        };
        self.by_seq.insert(shown, open);
        self.by_ws.insert(seq.clone(), shown);
        self.order.push_back((now, shown));
        shown
    }

    /// Forgets a unicast, because it is answered. Returns the seq for the answer.
    pub(super) fn answer(&mut self, seq: &Seq) -> Option<WsSeq> {
        let open = self.by_seq.remove(seq)?;
        self.by_ws.remove(&open.newest);
        Some(open.newest)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(at, seq)) = self.order.front()
            && at + KEEP <= now
        {
            self.order.pop_front();
            // A newer one may have the same seq.
            if self.by_seq.get(&seq).is_some_and(|open| open.at == at) {
                self.answer(&seq);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_seq.len().max(self.by_ws.len())
    }
}
