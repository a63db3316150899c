//! The saved state of a window, as bytes.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::{KeyId, MessageId};

const MAGIC: [u8; 4] = *b"AMPR";
const VERSION: u8 = 1;
const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const SUM: usize = 32;

/// Why a saved state is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the saved state of the replay guard {problem}; stop publishers whose clocks are ahead or wait for \
     clock_tolerance (5 s), then delete it: messages stamped before the next start are refused"
)]
pub struct StateError {
    problem: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowState {
    pub(crate) floor: u64,
    /// While a reader runs: no later message was accepted. After it ended: the time of the latest
    /// accepted message.
    pub(crate) mark: u64,
    /// `None` while a reader runs.
    pub(crate) publishers: Option<Vec<PublisherState>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublisherState {
    pub(crate) key: KeyId,
    pub(crate) floor: u64,
    pub(crate) messages: BTreeSet<(u64, MessageId)>,
}

impl WindowState {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        bytes.push(if self.publishers.is_some() {
            CLOSED
        } else {
            OPEN
        });
        bytes.extend(self.floor.to_be_bytes());
        bytes.extend(self.mark.to_be_bytes());
        for publisher in self.publishers.iter().flatten() {
            bytes.extend(publisher.key.as_bytes());
            bytes.extend(publisher.floor.to_be_bytes());
            bytes.extend((publisher.messages.len() as u64).to_be_bytes());
            for (time, id) in &publisher.messages {
                bytes.extend(time.to_be_bytes());
                bytes.extend(id);
            }
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend(sum);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let error = |problem| StateError { problem };
        let Some((bytes, sum)) = bytes.split_last_chunk::<SUM>() else {
            return Err(error("is cut off"));
        };
        if Sha256::digest(bytes)[..] != sum[..] {
            return Err(error("is damaged"));
        }
        let mut rest = Rest(bytes);
        Self::read(&mut rest).ok_or(error("is of another version"))
    }

    fn read(rest: &mut Rest<'_>) -> Option<Self> {
        if rest.take::<4>()? != MAGIC {
            return None;
        }
        let [version, kind] = rest.take::<2>()?;
        if version != VERSION || !matches!(kind, OPEN | CLOSED) {
            return None;
        }
        let (floor, mark) = (rest.number()?, rest.number()?);
        let mut publishers = Vec::new();
        while !rest.0.is_empty() {
            let key = KeyId::from_bytes(rest.take()?);
            let floor = rest.number()?;
            let count = rest.number()?;
            let mut messages = BTreeSet::new();
            for _ in 0..count {
                messages.insert((rest.number()?, rest.take()?));
            }
            publishers.push(PublisherState {
                key,
                floor,
                messages,
            });
        }
        Some(Self {
            floor,
            mark,
            publishers: (kind == CLOSED).then_some(publishers),
        })
    }
}

/// Bytes still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}
