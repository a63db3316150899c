//! Typed publish/subscribe over AMOP, the messenger of FISCO BCOS.
#![forbid(unsafe_code)]

mod builder;
mod certificates;
mod client;
pub mod codec;
mod connection;
mod delivery;
mod dial;
mod error;
mod queue;
mod quiet;
mod routes;
mod subscription;
#[cfg(test)]
mod tests;
mod topic;

pub use amop_derive::{AmopTopic, topic};
pub use amop_proto::{
    MAX_TOPIC_LEN, TopicError, TopicName,
    channel::code,
    client::{CloseReason, Kind},
};
pub use amop_tls::{HandshakeFailure, Identity, PublicKey, TlsError};
pub use builder::ClientBuilder;
pub use certificates::find_certificates;
pub use client::{Client, Reply};
pub use codec::{Codec, CodecError};
pub use delivery::Delivery;
pub use error::{
    CertificatesNotFound, ConnectError, DecodeError, PublishError, ReplyError, Stage,
    SubscribeError,
};
pub use subscription::{DecodeErrors, Deliveries, RawSubscription, Subscription};
pub use topic::{Request, Topic};

/// What the macros' expansions name. Not for anybody else.
#[doc(hidden)]
pub mod __private {
    pub use bytes;
    pub use prost;
    pub use serde;
}
