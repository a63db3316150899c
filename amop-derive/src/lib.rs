//! The procedural macros of the `amop` crate: `#[amop::topic]` and `#[derive(AmopTopic)]`.
//!
//! Use them from there: the code they write refers to `amop`.
#![forbid(unsafe_code)]

mod derives;
mod errors;
mod expand;
mod format;
mod item;
mod options;
mod shapes;
mod suggest;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes a struct the message type of a topic.
///
/// ```
/// #[amop::topic("hello")]
/// struct Hello {
///     text: String,
/// }
///
/// async fn greet(client: &amop::Client) -> Result<(), amop::PublishError> {
///     let hello = Hello { text: "world".to_owned() };
///     hello.publish_unicast(client).await
/// }
///
/// assert_eq!(Hello::TOPIC, "hello");
/// ```
///
/// The topic comes first, as a string literal of 1 to 254 bytes without a tab. Options follow it:
///
/// | option | meaning | default |
/// | --- | --- | --- |
/// | `codec = "..."` | how messages become payloads | by the struct, see below |
/// | `reply = QuoteReply` | the type of typed replies; a string with a type is fine, too | none |
/// | `reply_codec = "..."` | how replies become payloads | the topic's codec |
/// | `private` | only subscribers with granted keys get the messages, see below | for everybody |
/// | `sealed` | messages are encrypted to chosen keys and signed, see below | as they are |
/// | `crate = "path"` | where the `amop` crate is, if it was renamed or re-exported | `"::amop"` |
///
/// # Codecs
///
/// | codec | payload | for |
/// | --- | --- | --- |
/// | `"text"` | the string itself | structs with one field, a `String`: the default for them |
/// | `"json"` | JSON by serde | all that serde can do: the default for all other structs |
/// | `"protobuf"` | Protocol Buffers by prost | prost messages |
/// | `"bytes"` | the bytes themselves | structs with one field, a `Vec<u8>` or `Bytes` |
///
/// There is never an envelope: programs in other languages read `Hello` above as the text that it
/// holds, and send it as such. Fields are recognised by the name of their type; an alias of
/// `String` does not count as a `String`. A struct with `#[prost(...)]` fields must name its codec. Fields that `#[cfg(...)]` leaves
/// out are not counted, so features may decide on the default: name the codec if they should not.
///
/// With `"json"` the macro derives serde's `Serialize` and `Deserialize`, unless they are derived
/// below it, and no dependency on serde is needed. Attributes of serde work, and like all derives
/// have their place **below** `#[amop::topic]`:
///
/// ```
/// #[amop::topic("quotes", reply = QuoteReply)]
/// #[derive(Clone, Debug)]
/// #[serde(rename_all = "camelCase")]
/// struct Quote {
///     bond_code: String,
///     price: u64,
/// }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct QuoteReply {
///     accepted: bool,
/// }
///
/// async fn ask(client: &amop::Client, quote: &Quote) -> Result<bool, amop::PublishError> {
///     let reply: QuoteReply = quote.request(client).await?;
///     Ok(reply.accepted)
/// }
/// ```
///
/// A reply must suit its codec: with `"text"` it is a `String`, for instance. To answer a
/// one-`String` topic with a struct, say `reply_codec = "json"`.
///
/// # What it writes
///
/// The impl of `amop::Topic`, with `reply` that of `amop::Request`, and these inherent items, for
/// which no trait has to be in scope. They are as visible as the struct.
///
/// | item | of `amop::Client` |
/// | --- | --- |
/// | `const TOPIC: &'static str` | |
/// | `async fn subscribe(client)` | `subscribe` |
/// | `async fn subscribe_to(client, topic)` | `subscribe_to` |
/// | `async fn deliveries(client)` | `deliveries` |
/// | `async fn deliveries_of(client, topic)` | `deliveries_of` |
/// | `async fn publish_unicast(&self, client)` | `publish_unicast` |
/// | `async fn publish_unicast_to(&self, client, topic)` | `publish_unicast_to` |
/// | `async fn publish_multicast(&self, client)` | `publish_multicast` |
/// | `async fn publish_multicast_to(&self, client, topic)` | `publish_multicast_to` |
/// | `async fn request(&self, client)`, with `reply` | `request` |
/// | `async fn request_to(&self, client, topic)`, with `reply` | `request_to` |
///
/// A struct cannot have functions of its own by these names. Their futures are `Send` if messages
/// are `Sync`, as nearly all are.
///
/// # Private topics
///
/// A topic that is `private` has 1 to 185 bytes, and its messages go to subscribers whose keys were
/// granted it. In place of the functions that subscribe there are `subscribe_private(client, key)` and
/// `deliveries_private(client, key)`; publishing stays what it is.
///
/// ```
/// use amop::{Client, TopicKey, TopicPublicKey};
///
/// #[amop::topic("settlement", private)]
/// struct Settlement {
///     amount: u64,
/// }
///
/// async fn pay(client: &Client, custodian: TopicPublicKey) -> Result<(), Box<dyn std::error::Error>> {
///     client.grant::<Settlement>(&[custodian]).await?;
///     Settlement { amount: 100 }.publish_unicast(client).await?;
///     Ok(())
/// }
///
/// async fn collect(client: &Client, key: &TopicKey) -> Result<(), amop::SubscribeError> {
///     let mut settlements = Settlement::subscribe_private(client, key).await?;
///     while let Some(settlement) = settlements.next().await {
///         println!("{}", settlement.amount);
///     }
///     Ok(())
/// }
/// ```
///
/// # Sealed topics
///
/// A topic that is `sealed` implements `amop::SealedTopic` in place of `amop::Topic`, so that nothing can
/// send its messages as they are. It is published by way of an `amop::Sealer`, which has the publisher's
/// key and the recipients, and subscribed to by `subscribe_sealed` and `deliveries_sealed`.
///
/// ```
/// use amop::{Client, ReplayGuard, SealingKey, SealingPublicKey};
///
/// #[amop::topic("settlement", sealed, reply = bool)]
/// struct Settlement {
///     amount: u64,
/// }
///
/// async fn pay(
///     client: &Client,
///     bank: &SealingKey,
///     custodian: SealingPublicKey,
/// ) -> Result<bool, Box<dyn std::error::Error>> {
///     let sealer = client.seal_for::<Settlement>(bank, &[custodian])?;
///     Settlement { amount: 100 }.publish_multicast(&sealer).await?;
///     Ok(Settlement { amount: 200 }.request(&sealer).await?)
/// }
///
/// async fn collect(
///     client: &Client,
///     custodian: &SealingKey,
///     bank: SealingPublicKey,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let guard = ReplayGuard::file("custodian.replay")?;
///     let mut settlements =
///         Settlement::deliveries_sealed(client, custodian, &[bank], guard).await?;
///     while let Some(settlement) = settlements.next().await {
///         let settlement = settlement?;
///         println!("{} from {}", settlement.amount, settlement.publisher());
///         if settlement.kind() == amop::Kind::Unicast {
///             settlement.reply(true)?;
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// # Generics
///
/// Messages are `Send + 'static`, so a struct with a lifetime is refused. Type parameters need
/// bounds that make the codec work for all their values:
///
/// ```
/// use serde::{Serialize, de::DeserializeOwned};
///
/// #[amop::topic("events")]
/// struct Event<T: Serialize + DeserializeOwned + Send + 'static> {
///     id: u64,
///     data: T,
/// }
/// ```
///
/// Where serde's derives are written out, such a struct also needs `#[serde(bound = "")]`: its own
/// bounds say all that is needed.
#[proc_macro_attribute]
pub fn topic(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), item.into()).into()
}

/// Makes a struct the message type of a topic, as `#[amop::topic]` does, without deriving anything
/// else.
///
/// The options are those of `#[amop::topic]`; the topic is an option here. They may be spread over
/// several `#[amop(...)]`.
///
/// ```
/// use amop::AmopTopic;
///
/// #[derive(AmopTopic)]
/// #[amop(topic = "hello")]
/// struct Hello(String);
///
/// // JSON needs serde's derives.
/// #[derive(AmopTopic, serde::Serialize, serde::Deserialize)]
/// #[amop(topic = "quotes", reply = Vec<u64>)]
/// struct Quote {
///     bond_code: String,
///     price: u64,
/// }
///
/// #[derive(AmopTopic, prost::Message)]
/// #[amop(topic = "greetings", codec = "protobuf")]
/// struct Greeting {
///     #[prost(string, tag = "1")]
///     name: String,
/// }
///
/// assert_eq!(Greeting::TOPIC, "greetings");
/// ```
#[proc_macro_derive(AmopTopic, attributes(amop))]
pub fn derive_amop_topic(item: TokenStream) -> TokenStream {
    expand::derive(item.into()).into()
}
