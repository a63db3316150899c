//! The unicasts of 3.x nodes that wait for the node machine.

use std::{collections::BTreeSet, time::Instant};

use super::event::GatewayConnectionId;
use crate::{gateway::event::ReplyAddress, hash::HashMap};

/// A unicast of a 3.x node that the machine has.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) connection: GatewayConnectionId,
    pub(super) reply: ReplyAddress,
    pub(super) deadline: Instant,
}

/// The unicasts of 3.x nodes that wait for the machine's answer, by the numbers of their frames.
#[derive(Debug, Default)]
pub(super) struct AskedMachine {
    by_seq: HashMap<u32, Asked>,
    by_deadline: BTreeSet<(Instant, u32)>,
    of_connection: HashMap<GatewayConnectionId, usize>,
}

impl AskedMachine {
    pub(super) fn insert(&mut self, seq: u32, asked: Asked) {
        self.by_deadline.insert((asked.deadline, seq));
        *self.of_connection.entry(asked.connection).or_default() += 1;
        self.by_seq.insert(seq, asked);
    }

    pub(super) fn take(&mut self, seq: u32) -> Option<Asked> {
        let asked = self.by_seq.remove(&seq)?;
        self.by_deadline.remove(&(asked.deadline, seq));
        if let Some(count) = self.of_connection.get_mut(&asked.connection) {
            *count -= 1;
            if *count == 0 {
                self.of_connection.remove(&asked.connection);
            }
        }
        Some(asked)
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// Returns the number of those that came over a connection.
    pub(super) fn of(&self, connection: GatewayConnectionId) -> usize {
        self.of_connection.get(&connection).copied().unwrap_or(0)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the unicast with the earliest deadline, if that has passed.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Asked> {
        let &(deadline, seq) = self.by_deadline.first()?;
        (deadline <= now).then(|| self.take(seq)).flatten()
    }

    /// Takes any unicast.
    pub(super) fn take_any(&mut self) -> Option<Asked> {
        let &(_, seq) = self.by_deadline.first()?;
        self.take(seq)
    }
}
