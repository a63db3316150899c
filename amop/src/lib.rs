//! Typed publish/subscribe over AMOP, the messenger of FISCO BCOS.
//!
//! A message is a struct, and its type says which topic it belongs to. A node of the chain passes
//! messages on: a *unicast* to one subscriber of the topic, which answers, a *multicast* to all.
//!
//! # Quick start
//!
//! ```no_run
//! use amop::Client;
//!
//! #[amop::topic("weather")]
//! struct Weather {
//!     city: String,
//!     celsius: f64,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::connect("127.0.0.1:20200").await?;
//!
//!     let mut reports = Weather::subscribe(&client).await?;
//!
//!     let report = Weather { city: "Basel".into(), celsius: 21.5 };
//!     report.publish_multicast(&client).await?;
//!
//!     while let Some(report) = reports.next().await {
//!         println!("{}: {} °C", report.city, report.celsius);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`Client::connect`] finds the certificates itself, see [`find_certificates`];
//! [`Client::builder`] sets everything else. A topic with `reply = ...` is a [`Request`]:
//!
//! ```no_run
//! # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
//! #[amop::topic("convert", reply = "f64")]
//! struct Convert {
//!     fahrenheit: f64,
//! }
//!
//! // One program answers:
//! let mut requests = Convert::deliveries(&client).await?;
//! while let Some(request) = requests.next().await {
//!     let request = request?;
//!     let celsius = (request.fahrenheit - 32.0) / 1.8;
//!     request.reply(celsius)?;
//! }
//!
//! // Another one asks:
//! let celsius = Convert { fahrenheit: 100.0 }.request(&client).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised when
//!
//! | when this returns | this has happened |
//! | --- | --- |
//! | `subscribe` | Every node connected to confirmed a heartbeat sent behind the new set of topics. An overlay node of this project handles a connection's frames in order and says what it has no room for, so it has the topic. A FISCO node may handle two frames in either order: it has the topic milliseconds later, if not now, and keeps it, since sets are sent to it at least 100 ms apart, and the last one once more after a second. Other nodes learn of it at once from an overlay node, within 5 s from a FISCO node. |
//! | `unsubscribe` | The same for the set without the topic. Everything delivered until then can be read. |
//! | `drain` | That for all topics; everything delivered was read and answered, everything published has its answer; the client is closed. |
//! | `publish_unicast` | One subscriber has taken the message from its stream, or answered it. |
//! | `request` | One subscriber has replied, and the reply is of the right type. |
//! | `publish_multicast` | A node has taken the message. Nobody may have received it. Among overlay nodes it reaches every subscriber's node to which there is a path, though links are cut under it, unless a node on its way stops; see below for what a subscriber's queue drops. |
//! | [`Publisher::publish`] | The message waits to be written. |
//! | [`Publisher::flush`] | A node has taken every message published until then. |
//!
//! * A unicast reaches one subscriber at a time. A node gives each 5 s to answer and then tries
//!   another one, so a message can be processed although its publisher got an error, and, by slow
//!   subscribers, more than once. Errors that leave this open are
//!   [`Timeout`](PublishError::Timeout), [`NodeTimeout`](PublishError::NodeTimeout),
//!   [`Unanswered`](PublishError::Unanswered), [`Disconnected`](PublishError::Disconnected),
//!   [`UnprovenAnswer`](PublishError::UnprovenAnswer), and, where a subscriber had the message and did not
//!   finish, [`NoReply`](PublishError::NoReply) and [`SubscriberFailed`](PublishError::SubscriberFailed).
//! * A [`Subscription`] acknowledges a unicast when it is taken from the stream, a [`Delivery`]
//!   when it is answered or dropped. What was not taken is refused when the subscription is
//!   dropped, and left to the node when the connection ends: it goes to another subscriber, or its
//!   publisher gets an error.
//! * A request succeeds only with a reply. A delivery of a topic with replies that is dropped without one,
//!   and a request taken from a plain [`Subscription`], give a publisher that asked for a reply
//!   [`PublishError::NoReply`]; a panic with a delivery in hand gives
//!   [`PublishError::SubscriberFailed`], on every topic. A reply that comes too late for its node says so:
//!   [`ReplyError::Late`].
//! * When a subscription's queue is full, a unicast is refused, so that the node tries another
//!   subscriber, and a multicast is dropped and counted ([`Subscription::stats`]).
//!   [`Client::subscription`] offers other ways, see [`Overflow`].
//! * A message that cannot be decoded is counted and logged ([`Subscription::errors`]) or handed
//!   over as an error ([`Deliveries`]); the publisher of a unicast gets
//!   [`PublishError::Undecodable`].
//! * Several subscriptions to one topic in one client each get every multicast and share the
//!   unicasts in turn.
//! * What a node has no room for is an error of `subscribe` ([`SubscribeError::Refused`]), and no topic that
//!   it has gives way. A connection that is made again may find less room: [`Event::TopicsRefused`].
//! * Every message that is turned away is in an [`Event::Lagged`]. A unicast is refused also where nobody has
//!   read the subscription for as long as a node waits, 5 s.
//! * A message longer than a node takes is not sent ([`PublishError::TooLarge`]): overlay nodes tell their
//!   limit. What cost two connections of nodes that do not is not sent again ([`PublishError::CutOff`]).
//!
//! # FISCO nodes
//!
//! FISCO BCOS nodes 2.8.0 to 2.11.1 do not deliver to subscribers at the publisher's own node. Multicasts never
//! arrive there; a unicast for which the node picks such a subscriber is answered after 30 s, by result 100. So
//! name two nodes or more of such a chain, or publish and subscribe at different ones.
//!
//! * A multicast goes by two connections then ([`multicast_copies`](ClientBuilder::multicast_copies)).
//!   Subscribers on this crate drop the copy; those on other SDKs take it twice, as they do from java-sdk.
//! * A unicast goes by a second one only if the program asks for that
//!   ([`ask_another_node_after`](ClientBuilder::ask_another_node_after)), since subscribers on other SDKs may
//!   process it twice. Without that it ends with [`PublishError::Timeout`], which names the setting.
//! * What a FISCO node draws is alike for a second: until then all unicasts to a topic go to one subscriber, or
//!   stall. A pause of a second or more lets the second node draw anew.
//! * FISCO nodes change the order of multicasts, about 7 in 100.
//! * A subscription at a FISCO node is heard of by other nodes after up to 5 s.
//!
//! # Several nodes, and nodes that go away
//!
//! [`ClientBuilder::endpoints`] names several nodes, [`Client::from_config`] takes them from the
//! configuration of a Java or Go SDK. [`ClientBuilder::connect`] returns with the first connection;
//! [`Client::events`] tells of all.
//!
//! * The multicasts of one topic go by one connection for as long as that lives, and so do the unicasts to it
//!   within a minute: those that one caller awaits one by one keep their order. Two callers, two topics, and
//!   messages around the loss of a connection have no order.
//! * A node that a message waits for is asked for a sign of life after 2.5 s and given up after 5 s, in time
//!   for another one; see [`heartbeat`](ClientBuilder::heartbeat).
//! * Topics are subscribed to at every node connected to. A connection that is made again counts as
//!   [`Connected`](Event::Connected) once its node has confirmed them.
//! * A message is published by way of one node. If that connection is lost before the answer comes,
//!   it goes by way of another one, or the same when it is back, until the timeout. If a node reaches
//!   no subscriber (result 100), or none that takes the message (104), the other nodes connected to
//!   are asked before that is the verdict.
//! * Copies of a message carry its seq, by which clients of this crate recognise them for 60 s (65536
//!   messages, 16 MiB of replies): the program gets a message once, whatever its kind, and a unicast
//!   that comes again gets the reply it had. What a subscriber refused with 104 may come again.
//!   Subscribers on other SDKs do not recognise unicasts; they may process one twice when a
//!   connection is lost.
//! * While no node is connected, publishing and subscribing wait, within the timeout, or fail at
//!   once, see [`Offline`]. [`Reconnect`] says how often to try.
//!
//! # Private topics
//!
//! A topic that is `private` is delivered to nodes where a subscriber proves that it holds a granted key;
//! nodes do the keeping, so it is no protection from them. [Sealed topics](#sealed-topics) are. The keys
//! are secp256k1 keys of the applications, as `get_account.sh` makes them.
//!
//! ```no_run
//! # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use amop::{TopicKey, TopicPublicKey};
//!
//! #[amop::topic("settlement", private)]
//! struct Settlement {
//!     amount: u64,
//! }
//!
//! // The subscriber has the key:
//! let key = TopicKey::load("keys/custodian.pem")?;
//! let mut settlements = Settlement::subscribe_private(&client, &key).await?;
//!
//! // The publisher has its public half:
//! let custodian = TopicPublicKey::load("keys/custodian.pub.pem")?;
//! client.grant::<Settlement>(&[custodian]).await?;
//! Settlement { amount: 100 }.publish_unicast(&client).await?;
//! # Ok(())
//! # }
//! ```
//!
//! * Nodes ask a publisher to verify each node with a subscriber, which signs a challenge of 128
//!   random bits that counts once. Grants and keys are the client's: every connection that is made, and
//!   every node that comes, is verified without further calls. [`Event::SubscriberVerified`] and
//!   [`Event::VerificationFailed`] tell; a failure is tried again every 5 s.
//! * A unicast waits, within the timeout, until a subscriber is verified, and else fails with
//!   [`NoVerifiedSubscriber`](PublishError::NoVerifiedSubscriber). A multicast does not wait: it goes to
//!   those who are verified by then. Without a grant nothing is sent
//!   ([`NotGranted`](PublishError::NotGranted)).
//! * It is nodes that keep the messages to verified nodes: whoever runs a node reads what passes
//!   through it, subscribers at a publisher's own node are not verified at all, and all subscribers
//!   behind a verified node get the messages (channel-v2 section 9.2). Seal what nodes must not read.
//! * Publishers and subscribers on the Go and Java SDKs are understood, those on web3sdk are not.
//!
//! # Sealed topics
//!
//! A topic that is `sealed` is encrypted end to end to the keys of its recipients and signed by its
//! publisher, whose key each subscriber names. Nodes, agencies and other subscribers can neither read its
//! messages nor make, change or repeat any.
//!
//! ```no_run
//! # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use amop::{ReplayGuard, SealingKey, SealingPublicKey};
//!
//! #[amop::topic("settlement", sealed)]
//! struct Settlement {
//!     amount: u64,
//! }
//!
//! // The publisher has its own key and the public ones of those who may read:
//! let bank = SealingKey::load("keys/bank.pem")?;
//! let custodian = SealingPublicKey::load("keys/custodian.pub")?;
//! let sealer = client.seal_for::<Settlement>(&bank, &[custodian])?;
//! Settlement { amount: 100 }.publish_multicast(&sealer).await?;
//!
//! // The subscriber has its own key and the public ones of those it believes:
//! let custodian = SealingKey::load("keys/custodian.pem")?;
//! let bank = SealingPublicKey::load("keys/bank.pub")?;
//! let guard = ReplayGuard::file("state/settlement.replay")?;
//! let mut settlements =
//!     Settlement::subscribe_sealed(&client, &custodian, &[bank], guard).await?;
//! # Ok(())
//! # }
//! ```
//!
//! * Its type is a [`SealedTopic`] and no [`Topic`], so nothing sends it plain by mistake. A client that
//!   has a [`Sealer`] for a topic, or a sealed subscription to it, refuses plain bytes to that topic.
//! * Answers are sealed, too: `publish_unicast` returns once a recipient has proven that it has taken the
//!   message, and `request` yields a reply that a recipient has signed.
//! * What is refused is counted ([`SealedSubscription::refused`]) and told ([`Event::SealedRefused`]).
//!   [`ReplayGuard`] says what is remembered over restarts. Clocks may differ by 5 s one way and 5 min the
//!   other.
//! * `docs/sealed-topics.md` in the repository has what is promised to whom, how keys are rotated, the
//!   costs, and the layout for other languages.
//!
//! # Defaults
//!
//! | setting | default | meaning |
//! | --- | --- | --- |
//! | [`timeout`](ClientBuilder::timeout) | 10 s | for a publish, a request, a subscribe |
//! | [`connect_timeout`](ClientBuilder::connect_timeout) | 10 s | for name, TCP, TLS, version handshake and topics of one endpoint together |
//! | [`drain_timeout`](ClientBuilder::drain_timeout) | 30 s | for a drain |
//! | [`connections`](ClientBuilder::connections) | all | of the endpoints at a time |
//! | [`reconnect`](ClientBuilder::reconnect) | for ever | with pauses of 0.5 to 1 s at first, 10 to 20 s in the end |
//! | [`offline`](ClientBuilder::offline) | wait | while no node is connected |
//! | [`heartbeat`](ClientBuilder::heartbeat) | 10 s | between heartbeats; twice that without a sign of life, and the connection is lost; 5 s while somebody waits |
//! | [`multicast_copies`](ClientBuilder::multicast_copies) | 2 | connections that a multicast goes by, towards FISCO nodes |
//! | [`ask_another_node_after`](ClientBuilder::ask_another_node_after) | never | a unicast goes by another connection, too, towards FISCO nodes |
//! | [`queue`](ClientBuilder::queue) | 1024 messages | that may wait in a subscription; 256 MiB at most |
//! | [`max_in_flight`](ClientBuilder::max_in_flight) | 8192 messages | that may wait for their answers, per connection |
//! | [`max_frame`](ClientBuilder::max_frame) | 32 MiB | per message sent, with 43 bytes and the topic |
//! | [`max_incoming_frame`](ClientBuilder::max_incoming_frame) | 100 MiB | per message taken, with the same |
//! | version handshake | 5 s | until version 1 is assumed |
//! | send buffer | 4 MiB | of messages waiting to be written; publishing waits while it is full |
//! | clean close | 5 s | at most |
//! | repeated warnings | 10 s | apart, per subscription |
//!
//! # Runtime
//!
//! The client needs Tokio with I/O and time enabled. Each connection has one task, the client one
//! more that keeps it connected; everything else runs in the caller's. Logs go to [`tracing`](https://docs.rs/tracing).
//!
//! # Nodes in RSA mode
//!
//! A production node with `rsa_crypto_channel=true` offers static-RSA key exchange only, which
//! rustls does not have. Such a node is best taken out of that mode. Where that cannot be, the cargo
//! feature `legacy-rsa` adds a second TLS implementation on OpenSSL:
//!
//! ```toml
//! amop = { version = "0.1", features = ["legacy-rsa"] }
//! ```
//!
//! A program chooses it by `Client::builder().tls(amop::Tls::legacy_rsa())`; nothing else does.
//! Certificates are judged by the same code either way. What is lost is forward secrecy: who records
//! the traffic and later gets the node's key reads it. The feature compiles OpenSSL from source, for
//! which it needs perl and make beside the C compiler.
#![forbid(unsafe_code)]

mod builder;
mod certificates;
mod client;
pub mod codec;
mod connection;
mod delivery;
mod dial;
mod error;
mod events;
mod expiry;
mod hub;
mod later;
#[cfg(feature = "legacy-rsa")]
mod legacy;
mod pins;
mod pipeline;
mod policy;
mod private;
mod publish;
mod publisher;
mod queue;
mod quiet;
mod routes;
mod sdk_config;
mod sealed;
mod subscribe;
mod subscription;
mod supervisor;
#[cfg(test)]
mod tests;
mod tls;
mod topic;
mod ways;

pub use amop_derive::{AmopTopic, topic};
pub use amop_proto::{
    MAX_TOPIC_LEN, TopicError, TopicName,
    channel::{MAX_PRIVATE_LEN, PrivateName, code},
    client::{CloseReason, Kind},
};
pub use amop_seal::{
    FileStore, GuardError, KeyId, OpenError, ReaderError, Refusal, ReplayGuard, ReplayStore,
    SealError, SealingKey, SealingKeyError, SealingKeyProblem, SealingPublicKey,
};
pub use amop_tls::{
    HandshakeFailure, Identity, NodeKey, ParseNodeKeyError, PemSource, PublicKey, TlsError,
    pem::PemProblem, pkcs12::Pkcs12Problem,
};
pub use builder::ClientBuilder;
pub use certificates::find_certificates;
pub use client::{Client, NodeInfo, Reply};
pub use codec::{Codec, CodecError};
pub use delivery::Delivery;
pub use error::{
    CertificatesNotFound, ConnectError, DecodeError, DrainError, FlushError, GrantError,
    PublishError, ReplyError, Stage, SubscribeError,
};
pub use events::{Event, Events};
pub use policy::{Connections, Offline, Overflow, Reconnect};
pub use private::{KeyError, KeyProblem, TopicKey, TopicPublicKey, VerificationFailure};
pub use publisher::{Publisher, RawPublisher};
pub use queue::SubscriptionStats;
pub use sdk_config::{
    ConfigError, ConfigWarning, PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout,
};
pub use sealed::{
    SealedDeliveries, SealedDelivery, SealedDeliveryError, SealedPublisher, SealedRefusals,
    SealedRequest, SealedSubscription, SealedSubscriptionBuilder, SealedTopic, Sealer,
};
pub use subscribe::SubscriptionBuilder;
pub use subscription::{DecodeErrors, Deliveries, RawSubscription, Subscription};
pub use tls::Tls;
pub use topic::{Request, Topic};

#[doc(hidden)]
#[path = "generated.rs"]
pub mod __private;
