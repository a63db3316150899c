//! The traits that make a type a sealed topic.

use crate::Codec;

/// A message type that belongs to a sealed topic.
///
/// Do not implement it by hand: `#[amop::topic("settlement", sealed)]` implements it and adds the
/// inherent functions (`publish_unicast`, `subscribe_sealed`, ...) that programs use.
///
/// It is not a [`Topic`](crate::Topic), on purpose: functions for a `Topic` cannot send its
/// messages unencrypted, and cannot accept unsigned messages as messages of this type.
///
/// ```compile_fail
/// #[amop::topic("settlement", sealed)]
/// struct Settlement {
///     amount: u64,
/// }
///
/// async fn plain(client: &amop::Client) {
///     let _ = client.publish_multicast(&Settlement { amount: 100 }).await;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sealed topic",
    label = "only sealed topics are sealed and opened",
    note = "declare it with `#[amop::topic(\"name\", sealed)]`"
)]
pub trait SealedTopic: Sized + Send + 'static {
    /// The topic that messages of this type are published to by default, and that is subscribed to.
    ///
    /// The macros check it at compile time: 1 to 254 bytes, no tab.
    const TOPIC: &'static str;

    /// The codec that turns messages into bytes and back. These bytes are sealed.
    type Codec: Codec<Self>;
}

/// A sealed topic whose unicasts are answered with a typed reply: `reply = ...` in the macros. The reply
/// is sealed to the publisher.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sealed topic with a typed reply",
    note = "declare it with `#[amop::topic(\"name\", sealed, reply = YourReply)]`"
)]
pub trait SealedRequest: SealedTopic {
    /// The type of a subscriber's reply.
    type Reply: Send + 'static;

    /// The codec that turns replies into bytes and back.
    type ReplyCodec: Codec<Self::Reply>;
}
