//! Why a message of a sealed topic is not delivered.

use amop_proto::{channel::Seq, client::MessageKind};
use amop_seal::OpenError;

use super::DecodeError;

/// Why a message of a sealed topic is not delivered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SealedDeliveryError {
    /// It is not proven to be a message from a named publisher to this subscriber, or it is a copy.
    #[error(
        "a {} to the sealed topic {topic:?} (seq {seq}) is refused",
        match kind { MessageKind::Unicast => "unicast", MessageKind::Multicast => "multicast" }
    )]
    Refused {
        /// The topic.
        topic: String,
        /// The message's seq.
        seq: Seq,
        /// Whether it is a unicast or a multicast.
        kind: MessageKind,
        /// Why.
        source: OpenError,
    },
    /// It comes from its publisher, but the topic's codec could not decode it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
