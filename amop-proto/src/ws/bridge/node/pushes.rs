//! The unicasts that were passed to the client and not answered.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{channel::Seq, hash::HashMap, ws::WsSeq};

/// How long an answer is expected: longer than the session waits for it.
const KEEP: Duration = Duration::from_secs(40);

#[derive(Debug)]
struct OpenPush {
    /// The seq to which the node wants the answer.
    newest: WsSeq,
    /// Its key in the order by age.
    age: (Instant, u64),
}

/// Unicasts by the seq under which the client has them. A second copy of a message has the seq of the
/// first one, so that the client recognises it.
#[derive(Debug, Default)]
pub(super) struct OpenPushes {
    by_seq: HashMap<Seq, OpenPush>,
    by_ws: HashMap<WsSeq, Seq>,
    /// By age; the number tells apart those of the same time.
    order: BTreeMap<(Instant, u64), Seq>,
    count: u64,
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
        self.count += 1;
        let age = (now, self.count);
        let open = OpenPush {
            newest: seq.clone(),
            age,
        };
        if let Some(earlier) = self.by_seq.insert(shown, open) {
            self.order.remove(&earlier.age);
        }
        self.by_ws.insert(seq.clone(), shown);
        self.order.insert(age, shown);
        shown
    }

    /// Forgets a unicast, because it is answered. Returns the seq for the answer.
    pub(super) fn answer(&mut self, seq: &Seq) -> Option<WsSeq> {
        let open = self.by_seq.remove(seq)?;
        self.by_ws.remove(&open.newest);
        self.order.remove(&open.age);
        Some(open.newest)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.order.first_entry()
            && oldest.key().0 + KEEP <= now
        {
            let seq = oldest.remove();
            self.answer(&seq);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_seq
            .len()
            .max(self.by_ws.len())
            .max(self.order.len())
    }
}
