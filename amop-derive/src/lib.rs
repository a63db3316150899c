#![doc = include_str!("../README.md")]
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
/// The first argument is the topic, a string literal of 1 to 254 bytes without a tab. Options
/// follow it:
///
/// | option | meaning | default |
/// | --- | --- | --- |
/// | `codec = "..."` | how messages become payloads | depends on the struct, see below |
/// | `reply = QuoteReply` | the type of typed replies; a string with a type also works | none |
/// | `reply_codec = "..."` | how replies become payloads | the topic's codec |
/// | `private` | only subscribers with granted keys get the messages, see below | every subscriber |
/// | `sealed` | messages are encrypted to chosen keys and signed, see below | not encrypted |
/// | `crate = "path"` | where the `amop` crate is, if it was renamed or re-exported | `"::amop"` |
///
/// # Codecs
///
/// | codec | payload | for |
/// | --- | --- | --- |
/// | `"text"` | the string itself | structs with one field, a `String`: the default for them |
/// | `"json"` | JSON by serde | every type that serde supports: the default for all other structs |
/// | `"protobuf"` | Protocol Buffers by prost | prost messages |
/// | `"bytes"` | the bytes themselves | structs with one field, a `Vec<u8>` or `Bytes` |
///
/// There is never an envelope: programs in other languages can read and send `Hello` above as plain
/// text. Fields are recognised by the name of their type; an alias of `String` does not count as a
/// `String`. A struct with `#[prost(...)]` fields must name its codec. Fields that `#[cfg(...)]`
/// removes are not counted, so features can change the default: name the codec to avoid this.
///
/// With `"json"` the macro derives serde's `Serialize` and `Deserialize`, unless they are derived
/// below it, and the crate needs no dependency on serde. Attributes of serde work. Like all
/// derives, they must be **below** `#[amop::topic]`:
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
/// A reply must be a type that its codec supports: with `"text"`, for instance, a `String`. If a
/// topic with one `String` is answered with a struct, use `reply_codec = "json"`.
///
/// # Generated code
///
/// The macro generates the impl of `amop::Topic`, with `reply` also of `amop::Request`, and these
/// inherent items, which need no trait in scope. They have the visibility of the struct.
///
/// | item | calls this method of `amop::Client` |
/// | --- | --- |
/// | `const TOPIC: &'static str` | |
/// | `async fn subscribe(client)` | `subscribe` |
/// | `async fn subscribe_to(client, topic)` | `subscribe_to` |
/// | `async fn deliveries(client)` | `deliveries` |
/// | `async fn deliveries_to(client, topic)` | `deliveries_to` |
/// | `async fn publish_unicast(&self, client)` | `publish_unicast` |
/// | `async fn publish_unicast_to(&self, client, topic)` | `publish_unicast_to` |
/// | `async fn publish_multicast(&self, client)` | `publish_multicast` |
/// | `async fn publish_multicast_to(&self, client, topic)` | `publish_multicast_to` |
/// | `async fn request(&self, client)`, with `reply` | `request` |
/// | `async fn request_to(&self, client, topic)`, with `reply` | `request_to` |
/// | `async fn serve(client, concurrency, handler)`, with `reply` | `serve` |
/// | `async fn try_serve(client, concurrency, handler)`, with `reply` | `try_serve` |
///
/// A struct cannot have other functions with these names. The futures are `Send`.
///
/// # Private topics
///
/// A topic that is `private` has 1 to 185 bytes, and its messages go to subscribers with granted
/// keys. The functions that subscribe are `subscribe_private(client, key)` and
/// `deliveries_private(client, key)` instead; publishing does not change.
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
/// A topic that is `sealed` implements `amop::SealedTopic` instead of `amop::Topic`, so that its
/// messages cannot be sent unencrypted. Messages are published with an `amop::Sealer`, which has
/// the publisher's key and the recipients, and are subscribed to with `subscribe_sealed` and
/// `deliveries_sealed`.
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
///         if settlement.kind() == amop::MessageKind::Unicast {
///             settlement.reply(true)?;
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// # Generics
///
/// Messages are `Send + 'static`, so a struct with a lifetime is an error. Type parameters need
/// bounds that the codec requires:
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
/// If serde's derives are written by hand, a generic struct also needs `#[serde(bound = "")]`: its
/// own bounds are enough.
#[proc_macro_attribute]
pub fn topic(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), item.into()).into()
}

/// Makes a struct the message type of a topic, as `#[amop::topic]` does, but derives nothing else.
///
/// The options are those of `#[amop::topic]`; here the topic is an option, too. They may be in
/// several `#[amop(...)]` attributes.
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
