//! What SDKs of 3.x are promised, and what they cannot be promised.

use amop_proto::client::{MessageKind, RequestOutcome};

use crate::{
    checks::QUIET,
    ledger::{Message, MessageId},
    net::{At, ConnId, Owner},
    violation::Invariant,
    world::{Behaviour, Handing, World},
};

impl World {
    /// Checks that a multicast which a publisher of 3.x takes for published was read by its node.
    pub(crate) fn check_read(&mut self, conn: ConnId, number: u64, outcome: &RequestOutcome) {
        let multicast = self.ledger.get(MessageId(number));
        let multicast = multicast.is_some_and(|message| message.kind == MessageKind::Multicast);
        let answered = matches!(outcome, RequestOutcome::Answered(_));
        let read = self.bridges.read.contains_key(&(conn, number));
        if self.conns[conn.0].v3 && multicast && answered && !read {
            let text = format!("multicast {number} was confirmed before its node read it");
            self.violated(Invariant::TrueAnswers, text);
        }
    }

    /// Returns the SDK that a message was given to.
    fn sdk_of(&self, handing: &Handing) -> Option<usize> {
        let owners = &self.conns[handing.conn.0].owners;
        owners.iter().find_map(|owner| match owner {
            Owner::Client { client, .. } => Some(*client),
            _ => None,
        })
    }

    fn handings(&self, id: MessageId) -> &[Handing] {
        self.bridges.handed.get(&id.0).map_or(&[], Vec::as_slice)
    }

    /// Returns whether a program may have a unicast a second time. A unicast has another seq each
    /// time that it is given to an SDK of 3.x, which therefore does not recognise it.
    pub(crate) fn is_second_copy(&self, id: MessageId, client: usize) -> bool {
        let Some(message) = self.ledger.get(id) else {
            return false;
        };
        let own = self.handings(id).iter();
        let (v3, v2): (Vec<_>, Vec<_>) = own
            .filter(|handing| self.sdk_of(handing) == Some(client))
            .partition(|handing| handing.v3);
        let got = message.got.iter().filter(|&&(to, _)| to == client).count();
        let v2 = v2.len().min(1 + self.other_names(id, client));
        message.kind == MessageKind::Unicast && got <= v3.len() + v2
    }

    /// Returns whether an SDK of 3.x has a unicast, did not refuse it, and may be unable to answer: its
    /// program never does, its connection broke or stood still, or links changed on the way back.
    /// The node asks no other subscriber then. The same holds for a node beyond a gateway.
    pub(crate) fn is_kept(&self, id: MessageId, done: At) -> bool {
        self.handings(id)
            .iter()
            .filter(|handing| handing.v3 && !handing.refused)
            .any(|handing| {
                let sdk = self.sdk_of(handing).map(|client| &self.clients[client]);
                sdk.is_none_or(|sdk| sdk.behaviour == Behaviour::Never)
                    || !self.conns[handing.conn.0].is_undisturbed(handing.at, done)
                    || !self.is_still(handing.at, done)
            })
            || self.is_kept_beyond(id, done)
    }

    /// Checks that a unicast is given to no other SDK after one of 3.x that did not refuse it.
    pub(crate) fn check_handed(&self) -> Vec<(Invariant, String)> {
        let messages = self.ledger.messages();
        messages
            .filter_map(|(id, message)| self.check_handings(id, message))
            .collect()
    }

    fn check_handings(&self, id: MessageId, message: &Message) -> Option<(Invariant, String)> {
        let handings = self.handings(id);
        let last = handings.last()?.at;
        let from = message.sent.saturating_sub(QUIET);
        // A node that hears nothing from another one asks the next subscriber.
        if !self.is_still(from, last) || self.overloaded(from, last) || self.is_taken_back(id, last)
        {
            return None;
        }
        // Each time that the publisher sends it, it ends at the first one.
        let keep = |handing: &&Handing| handing.v3 && !handing.refused;
        let kept = handings.iter().filter(keep).count();
        let first = handings.iter().position(|handing| keep(&handing))?;
        let after = handings.len() - 1 - first;
        let sent = message.over.len();
        (kept > sent || sent == 1 && after > 0).then(|| {
            let text = format!(
                "unicast {}, sent {sent} times, was given to {after} more SDKs after one of 3.x \
                 had it, and {kept} of 3.x did not refuse it",
                id.0
            );
            (Invariant::HandedOnce, text)
        })
    }
}
