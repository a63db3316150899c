//! The traits that make a type a topic.

use std::marker::PhantomData;

use amop_proto::{TopicError, TopicName, channel::PrivateName};

use crate::Codec;

/// A message type that belongs to a topic.
///
/// Do not implement it by hand: `#[amop::topic("hello")]` and `#[derive(AmopTopic)]` implement it
/// and add the inherent functions (`publish_unicast`, `subscribe`, ...) that programs use.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic whose messages are sent unsealed",
    label = "this sends or takes plain messages",
    note = "declare the type with `#[amop::topic(\"name\")]`",
    note = "messages of a sealed topic are published with `client.seal_for::<{Self}>(...)`, and \
            `{Self}::subscribe_sealed(...)` subscribes to them"
)]
pub trait Topic: Sized + Send + 'static {
    /// The topic that messages of this type are published to by default, and that is subscribed to.
    ///
    /// The macros check it at compile time: 1 to 254 bytes, no tab.
    const TOPIC: &'static str;

    /// Whether only subscribers with granted keys get its messages: `private` in the macros.
    /// [`TOPIC`](Self::TOPIC) then has 1 to 185 bytes.
    const PRIVATE: bool = false;

    /// Whether its unicasts are requests, answered with a typed reply: `reply = ...` in the macros. If a
    /// subscriber takes one without replying, a publisher that asked for a reply gets an error; see
    /// [`Delivery`](crate::Delivery).
    const REQUEST: bool = false;

    /// The codec that turns messages into bytes and back. There is no envelope: the payload is only
    /// the codec's bytes, so programs in other languages can read it.
    type Codec: Codec<Self>;
}

/// A topic whose unicasts are answered with a typed reply: `reply = ...` in the macros.
pub trait Request: Topic {
    /// The type of a subscriber's reply.
    type Reply: Send + 'static;

    /// The codec that turns replies into bytes and back.
    type ReplyCodec: Codec<Self::Reply>;
}

/// Returns the topic on the wire for messages of `T` to the topic `name`.
pub(crate) fn wire_topic<T: Topic>(name: &str) -> Result<TopicName, TopicError> {
    if T::PRIVATE {
        Ok(PrivateName::new(name)?.topic().clone())
    } else {
        TopicName::new(name)
    }
}

/// Marks a type with a message type that it does not own.
pub(crate) type Of<T> = PhantomData<fn() -> T>;
