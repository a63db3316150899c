//! The topic lists that FISCO nodes ask for. A long list is written a little at a time, so that
//! messages do not wait for it, and only once for each sequence number.

use std::{collections::BTreeMap, time::Instant};

use bytes::{Bytes, BytesMut};

use crate::node::PeerId;

/// The lists that were asked for last: one for each FISCO node that takes part in the overlay, and
/// one for all others.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerTopicLists {
    pub(super) of: BTreeMap<Option<PeerId>, PeerTopicList>,
    /// The list that was written last: the lists take turns.
    pub(super) last: Option<PeerId>,
    pub(super) resume: Option<Instant>,
}

/// A list, for the peers that asked for it.
#[derive(Debug, Clone)]
pub(super) struct PeerTopicList {
    /// The topic sequence number that the list is written for.
    pub(super) number: u32,
    pub(super) body: ListBody,
    /// The peers that asked, each with the seq of its question and the sequence number at that
    /// time.
    pub(super) asked: Vec<(PeerId, u32, u32)>,
}

/// The text of a list.
#[derive(Debug, Clone)]
pub(super) enum ListBody {
    /// The text written so far, and the last topic in it.
    Begun(BytesMut, Option<Bytes>),
    Whole(Bytes),
}

impl PeerTopicList {
    pub(super) fn begin(number: u32) -> Self {
        let text = BytesMut::from(number.to_string().as_bytes());
        Self {
            number,
            body: ListBody::Begun(text, None),
            asked: Vec::new(),
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        matches!(self.body, ListBody::Begun(..))
    }
}

impl PeerTopicLists {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        self.of.remove(&Some(peer));
        for list in self.of.values_mut() {
            list.asked.retain(|&(asked, ..)| asked != peer);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
