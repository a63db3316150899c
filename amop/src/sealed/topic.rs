//! What makes a type a sealed topic.

use crate::Codec;

/// A message type that belongs to a sealed topic.
///
/// Do not implement it by hand: `#[amop::topic("settlement", sealed)]` does, and adds the inherent
/// functions (`publish_unicast`, `subscribe_sealed`, ...) that programs use.
///
/// It is no [`Topic`](crate::Topic), on purpose: nothing that takes a `Topic` can send its messages as
/// they are, or take messages for its that nobody signed.
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
    /// The topic messages of this type are published to and subscribed from by default.
    ///
    /// The macros check it while compiling: 1 to 254 bytes, no tab.
    const TOPIC: &'static str;

    /// How messages become bytes and back. These bytes are what is sealed.
    type Codec: Codec<Self>;
}

/// A sealed topic whose unicasts are answered with a typed reply: `reply = ...` in the macros. The reply
/// is sealed to the publisher.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sealed topic with a typed reply",
    note = "declare it with `#[amop::topic(\"name\", sealed, reply = YourReply)]`"
)]
pub trait SealedRequest: SealedTopic {
    /// What a subscriber answers.
    type Reply: Send + 'static;

    /// How replies become bytes and back.
    type ReplyCodec: Codec<Self::Reply>;
}
