//! Handshakes in which this side does not send its own messages. Recorded handshakes need this,
//! since the signatures and encryptions of others cannot be computed again and later messages
//! depend on them. Tests of peers that violate the protocol need it, too.

use std::collections::VecDeque;

type Alter = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send + Sync>;

/// The messages that one side sends instead of its own.
#[derive(Default)]
pub(crate) struct Replay {
    recorded: VecDeque<Vec<u8>>,
    alter: Option<Alter>,
    /// The messages that this side would have sent.
    pub(crate) own: Vec<Vec<u8>>,
    /// The premaster secret, if it cannot be computed from the known keys.
    pub(crate) premaster: Option<[u8; 48]>,
}

impl Replay {
    /// Sends recorded messages from the first one on; after the last one this side sends its own.
    pub(crate) fn new(recorded: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            recorded: recorded.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Sends each message as changed by `alter`.
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
