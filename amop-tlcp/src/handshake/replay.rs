//! Handshakes in which this side does not send what it would: recorded ones, since signatures and encryptions of
//! others cannot be made again and what follows depends on them, and those of peers that break the rules.

use std::collections::VecDeque;

type Alter = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send + Sync>;

/// What one side sends in place of its own messages.
#[derive(Default)]
pub(crate) struct Replay {
    recorded: VecDeque<Vec<u8>>,
    alter: Option<Alter>,
    /// What this side would have sent.
    pub(crate) own: Vec<Vec<u8>>,
    /// Where it cannot be computed from what is known.
    pub(crate) premaster: Option<[u8; 48]>,
}

impl Replay {
    /// Messages from the first one on; those behind the last one are its own.
    pub(crate) fn new(recorded: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            recorded: recorded.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Each message as `alter` makes it.
    pub(crate) fn altering(alter: impl FnMut(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            alter: Some(Box::new(alter)),
            ..Self::default()
        }
    }

    pub(crate) fn instead_of(&mut self, own: Vec<u8>) -> Vec<u8> {
        self.own.push(own.clone());
        match (&mut self.alter, self.recorded.pop_front()) {
            (Some(alter), _) => alter(own),
            (None, Some(recorded)) => recorded,
            (None, None) => own,
        }
    }
}
