//! Messages that a codec could not read.

use std::sync::Arc;

use amop_proto::{channel::Seq, client::MessageKind};

use crate::CodecError;

/// A message that the topic's codec could not read.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "cannot decode a {} of {len} bytes to {topic:?} (seq {seq}); compare the topic's \
     type and codec with the publisher's",
    match kind { MessageKind::Unicast => "unicast", MessageKind::Multicast => "multicast" }
)]
pub struct DecodeError {
    pub(crate) topic: String,
    pub(crate) seq: Seq,
    pub(crate) kind: MessageKind,
    pub(crate) len: usize,
    pub(crate) source: Arc<CodecError>,
}

impl DecodeError {
    /// Returns the topic that it was published to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the message's seq.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns whether it is a unicast or a multicast. The publisher of a unicast got result 105.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the codec's error.
    pub fn codec_error(&self) -> &CodecError {
        &self.source
    }
}
