#![doc = include_str!("../README.md")]
//!
//! [`Client::connect`] finds the certificates itself, see [`find_certificates`]; every other
//! setting is in [`Client::builder`]. A topic with `reply = ...` is a [`Request`]:
//!
//! ```no_run
//! # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
//! #[amop::topic("convert", reply = "f64")]
//! struct Convert {
//!     fahrenheit: f64,
//! }
//!
//! // One program answers, 16 requests at a time:
//! let server =
//!     Convert::serve(&client, 16, async |convert| (convert.fahrenheit - 32.0) / 1.8).await?;
//! tokio::spawn(server.run());
//!
//! // Another one asks:
//! let celsius = Convert { fahrenheit: 100.0 }.request(&client).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Server`] says what happens when a handler fails, panics or is late; [`Client::deliveries`] gives
//! a program the requests themselves, to answer them in its own way.
//!
//! # Settings of single calls
//!
//! [`Client::with_timeout`] and its neighbours return another handle to the same client, whose calls
//! use another setting. A handle costs as little as a clone, and every function takes it:
//!
//! ```no_run
//! # use std::time::Duration;
//! # #[amop::topic("convert", reply = "f64")]
//! # struct Convert { fahrenheit: f64 }
//! # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let hasty = client.with_timeout(Duration::from_millis(500));
//! let celsius = Convert { fahrenheit: 100.0 }.request(&hasty).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised when
//!
//! | when this returns | this has happened | at a node of 3.x |
//! | --- | --- | --- |
//! | `subscribe` | Every connected node has confirmed a heartbeat that was sent after the new set of topics. An overlay node handles a connection's frames in order and reports topics it has no room for, so it has the topic. A FISCO node may handle two frames in either order, so it may have the topic only some milliseconds later. It then keeps the topic, because sets are sent to it at least 100 ms apart, and the last set is sent again after a second. Other nodes learn of the topic at once from an overlay node, and within 5 s from a FISCO node. | The node has given a sign of life after a ping that followed the list of topics. An overlay node gives it when it has the topic and its neighbours know it. 3.x has no confirmation, and a FISCO node handles messages in any order, so it may have the topic only some milliseconds later, and other nodes learn of it within about 3 s. |
//! | `unsubscribe` | The same for the set without the topic. Everything delivered before can still be read. | The same. A FISCO node goes on to deliver the topic's messages until the connection ends: the client refuses the unicasts (status 104) and drops the multicasts. |
//! | `drain` | All topics are unsubscribed. Everything delivered was read and answered, everything published has its answer, and the client is closed. | The same. |
//! | `publish_unicast` | One subscriber has taken the message from its stream, or has answered it. | The same. Some SDKs of 3.x do not answer; then it ends with an error, although the message was delivered. |
//! | `request` | One subscriber has replied, and the reply is of the right type. | The same. |
//! | `publish_multicast` | A node has taken the message. It is possible that no subscriber receives it. Among overlay nodes it reaches every subscriber's node to which there is a path, even if links are lost on the way, unless a node on the path stops or is cut off from all others. See below for what a subscriber's queue drops. | The node has given a sign of life after a ping that followed the message, so it has probably read it. No node of 3.x acknowledges a multicast, and FISCO nodes try each neighbour once. |
//! | [`Publisher::publish`] | The message waits in a send buffer. | The same. |
//! | [`Publisher::flush`] | A node has taken every message published before. | As for `publish_multicast`. |
//!
//! * A unicast is given to one subscriber at a time. A node gives each subscriber 5 s to answer and
//!   then tries another one. So a message can be processed although its publisher got an error, and
//!   slow subscribers can process it more than once.
//!   [`PublishError::may_have_been_delivered`] says whether a subscriber may have the message. It is
//!   `false` only if nothing was sent; [`PublishErrorKind`] lists the answer for every error.
//! * A [`Subscription`] acknowledges a unicast when it is taken from the stream, a [`Delivery`]
//!   when it is answered or dropped. A unicast that was not taken is refused when the subscription
//!   is dropped. If the connection ends first, the node gives it to another subscriber, or its
//!   publisher gets an error.
//! * A request succeeds only with a reply. A publisher that asked for a reply gets
//!   [`PublishErrorKind::NoReply`] if the delivery is dropped without a reply, or if the request is
//!   taken from a plain [`Subscription`]. If the program panics while it holds a delivery, the
//!   publisher gets [`PublishErrorKind::SubscriberFailed`], on every topic. A reply that is too late
//!   for its node fails with [`ReplyError::Late`].
//! * When a subscription's queue is full, a unicast is refused, so that the node tries another
//!   subscriber, and a multicast is dropped and counted ([`Subscription::stats`]).
//!   [`Client::subscription`] offers other policies, see [`OverflowPolicy`].
//! * A message that cannot be decoded is counted and logged ([`Subscription::errors`]), or
//!   delivered as an error ([`Deliveries`]); the publisher of a unicast gets
//!   [`PublishErrorKind::Undecodable`].
//! * If one client has several subscriptions to one topic, each gets every multicast, and they take
//!   turns at the unicasts.
//! * If a node has no room for a topic, `subscribe` fails ([`SubscribeError::Refused`]); the topics
//!   that the node already has stay. After a reconnect there may be less room:
//!   [`Event::TopicsRefused`].
//! * Every message that is turned away is counted in an [`Event::Lagged`]. A unicast is also
//!   refused if the program has not read the subscription for as long as a node waits, 5 s.
//! * A message that is longer than the node's limit is not sent ([`PublishErrorKind::TooLarge`]):
//!   overlay nodes tell their limit. Other nodes do not; if two connections to such nodes ended
//!   while a message was being sent, it is not sent again ([`PublishErrorKind::CutOff`]). A reply
//!   is treated in the same way: its publisher gets [`PublishErrorKind::NoReply`], and the log of
//!   the subscriber says why.
//!
//! # FISCO nodes
//!
//! FISCO BCOS nodes 2.8.0 to 2.11.1 do not deliver to subscribers at the publisher's own node.
//! Multicasts never reach these subscribers. If the node picks such a subscriber for a unicast, it
//! answers after 30 s, with result 100. So name two or more nodes of such a chain, or publish and
//! subscribe at different nodes.
//!
//! * A multicast is then sent over two connections
//!   ([`multicast_copies`](ClientBuilder::multicast_copies)). Subscribers that use this crate drop
//!   the copy; those on other SDKs get it twice, as they do from java-sdk.
//! * A unicast is sent over a second connection only if the program asks for it
//!   ([`ask_another_node_after`](ClientBuilder::ask_another_node_after)), since subscribers on
//!   other SDKs may process it twice. Without this setting it ends with [`PublishErrorKind::Timeout`],
//!   which names the setting.
//! * A FISCO node picks the same subscriber for about a second: all unicasts to a topic go to this
//!   subscriber in that time, or stall. After a pause of a second or more the second node picks
//!   again.
//! * FISCO nodes change the order of about 7 in 100 multicasts.
//! * Other nodes learn of a subscription at a FISCO node after up to 5 s.
//!
//! # FISCO BCOS 3.x
//!
//! Clients speak to nodes of FISCO BCOS 2.x and 3.x, and to both in one client. By default they find
//! out what a node is, see [`Protocol`]; [`NodeInfo::generation`] tells it. The endpoint is the
//! `listen_port` of the node's `[rpc]`, the certificates are those of the folder `sdk`.
//! [`Client::from_config`] reads the files of SDKs of 3.x, also without TLS. Nodes of another chain have
//! another CA: [`ClientBuilder::another_chain`].
//!
//! Everything above holds at nodes of 3.x as the table says, and with these differences:
//!
//! * There are no private topics. Publishing to one, subscribing and granting end with
//!   [`PublishErrorKind::NoPrivateTopics`] and [`SubscribeError::NoPrivateTopics`] if all nodes are of
//!   3.x; otherwise private topics use the nodes of 2.x. Sealed topics work everywhere.
//! * A node waits 30 s for a subscriber, not 5 s. If nobody else has the topic, a FISCO node then sends
//!   the message to the same subscriber again, with another seq. The client recognises this copy, and
//!   its program gets the message once; the reply goes to the copy, because only that one reaches the
//!   publisher. It is recognised by its bytes and its time: a message with the same bytes that comes
//!   25 to 35 s after one that is still unanswered is taken for a copy, too.
//! * A multicast that comes from another node has no seq, so copies of it cannot be recognised. The SDKs
//!   of 3.x send a multicast over all of their connections: a subscriber gets it once for each, and a
//!   client of several nodes of 3.x once from each of its nodes. If exactly one copy is needed, put a
//!   number into the message, or connect to one node ([`ConnectionPolicy::AtMost`]).
//! * The publisher's own subscription gets its multicasts, as at overlay nodes. To ignore them, put the
//!   publisher's name into the message.
//! * A multicast that was not confirmed when the connection ended is sent again, over another connection
//!   or the next one. Subscribers of 3.x may then get it twice.
//! * FISCO nodes deliver to their own subscribers, so a multicast is sent over one connection, and
//!   [`ask_another_node_after`](ClientBuilder::ask_another_node_after) has no effect. If other nodes have
//!   subscribers, too, a FISCO node gives a unicast to one of them.
//! * A message may have 32 MiB less 5 bytes, as a frame ([`max_frame`](ClientBuilder::max_frame)).
//! * A subscriber's status is a number of 16 bits: [`Delivery::refuse`] with a longer one arrives as -1.
//! * Instead of heartbeats there are pings of WebSocket: every 5 s, and the connection is lost after 10 s
//!   of silence. If a message waits for the node, the times are those of 2.x.
//! * A FISCO node is dialled again after 10 s or more, as by its own SDKs.
//!
//! # Several nodes, and nodes that go away
//!
//! [`ClientBuilder::endpoints`] names several nodes, [`Client::from_config`] takes them from the
//! configuration of a Java or Go SDK. [`ClientBuilder::connect`] returns after the first
//! connection; [`Client::events`] reports all of them. If no node is there yet,
//! [`ClientBuilder::retry_on_first_connect`] lets it try again, and
//! [`ClientBuilder::connect_lazy`] does not wait at all.
//!
//! * The multicasts of one topic use one connection for as long as it is open, and so do unicasts
//!   to the topic within a minute after a multicast: messages that one caller awaits one by one
//!   keep their order. Messages of two callers, messages to two topics, and messages around the
//!   loss of a connection have no order.
//! * If a message waits for a node, the node gets a heartbeat after 2.5 s and is given up after 5
//!   s, so that there is time for another node; see [`heartbeat`](ClientBuilder::heartbeat).
//! * Topics are subscribed to at every connected node. After a reconnect,
//!   [`Connected`](Event::Connected) is reported once the node has confirmed the topics.
//! * A message is published through one node. If that connection is lost before the answer comes,
//!   the message is sent through another node, or through the same one when it is back, until the
//!   timeout. If a node reaches no subscriber (result 100), or none that takes the message (104),
//!   the client tries the other connected nodes before it returns that error.
//! * Copies of a message have the same seq, by which clients of this crate recognise them for 60 s
//!   (65536 messages, 16 MiB of replies): the program gets each message once, unicast or multicast,
//!   and a copy of a unicast gets the same reply again. A message that a subscriber refused with
//!   104 may come again. Subscribers on other SDKs do not recognise copies of unicasts; they may
//!   process one twice when a connection is lost.
//! * While no node is connected, publishing and subscribing wait until the timeout, or fail at
//!   once, see [`OfflinePolicy`]. [`ReconnectPolicy`] says how often to try.
//!
//! # Private topics
//!
//! The messages of a `private` topic go only to nodes where a subscriber proves that it holds a
//! granted key. The nodes enforce this, so it does not protect messages from nodes; [sealed
//! topics](#sealed-topics) do. The keys are secp256k1 keys of the applications, as `get_account.sh`
//! makes them.
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
//! * Nodes ask a publisher to verify each node that has a subscriber. The subscriber signs a
//!   challenge of 128 random bits that is used once. Grants and keys belong to the client: new
//!   connections and new nodes are verified without further calls. The client reports
//!   [`Event::SubscriberVerified`] and [`Event::VerificationFailed`]; a failed verification is
//!   tried again every 5 s.
//! * A unicast waits, until the timeout, for a verified subscriber, or fails with
//!   [`NoVerifiedSubscriber`](PublishErrorKind::NoVerifiedSubscriber). A multicast does not wait: it
//!   goes to the subscribers that are verified at that time. Without a grant nothing is sent
//!   ([`NotGranted`](PublishErrorKind::NotGranted)).
//! * The nodes restrict the messages to verified nodes. The operator of a node can read what passes
//!   through it, subscribers at the publisher's own node are not verified at all, and all
//!   subscribers behind a verified node get the messages (channel-v2 section 9.2). Use a sealed
//!   topic for messages that nodes must not read.
//! * This works with publishers and subscribers on the Go and Java SDKs, but not with those on
//!   web3sdk.
//!
//! # Sealed topics
//!
//! The messages of a `sealed` topic are encrypted end to end to the keys of their recipients and
//! signed by their publisher, whose key each subscriber names. Nodes, agencies and other
//! subscribers cannot read these messages, and cannot forge, change or repeat them.
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
//! * Its type is a [`SealedTopic`] and not a [`Topic`], so it is not sent unencrypted by mistake. A
//!   client that has a [`Sealer`] for a topic, or a sealed subscription to it, refuses to send
//!   plain bytes to that topic.
//! * Answers are sealed, too: `publish_unicast` returns once a recipient has proven that it took
//!   the message, and `request` returns a reply that a recipient has signed.
//! * Refused messages are counted ([`SealedSubscription::refused`]) and reported
//!   ([`Event::SealedRefused`]). [`ReplayGuard`] says what is remembered across restarts. The
//!   publisher's clock may be 5 s ahead of the subscriber's, and 5 min behind it.
//! * `docs/sealed-topics.md` in the repository describes the guarantees, key rotation, the costs,
//!   and the layout for other languages.
//!
//! # Defaults
//!
//! | setting | default | meaning |
//! | --- | --- | --- |
//! | [`timeout`](ClientBuilder::timeout) | 10 s | of a publish, a request or a subscribe |
//! | [`connect_timeout`](ClientBuilder::connect_timeout) | 10 s | of connecting to one endpoint: name, TCP, TLS, version handshake and topics together |
//! | [`protocol`](ClientBuilder::protocol) | found out | which generation of FISCO BCOS the nodes are of |
//! | [`drain_timeout`](ClientBuilder::drain_timeout) | 30 s | of a drain |
//! | [`retry_on_first_connect`](ClientBuilder::retry_on_first_connect) | no | how long `connect` tries again if it reaches no node |
//! | [`connections`](ClientBuilder::connections) | all | how many of the endpoints to connect to at a time |
//! | [`reconnect`](ClientBuilder::reconnect) | without limit | with pauses of 0.5 to 1 s at first, up to 10 to 20 s |
//! | [`offline`](ClientBuilder::offline) | wait | what publishing and subscribing do while no node is connected |
//! | [`heartbeat`](ClientBuilder::heartbeat) | 10 s | between heartbeats; the connection is lost after 20 s in which nothing came from the node, or after 5 s if a message waits for it |
//! | [`multicast_copies`](ClientBuilder::multicast_copies) | 2 | connections that a multicast to FISCO nodes is sent over |
//! | [`ask_another_node_after`](ClientBuilder::ask_another_node_after) | never | when a unicast to a FISCO node is sent over another connection, too |
//! | [`queue`](ClientBuilder::queue) | 1024 messages | that may wait in a subscription; 256 MiB at most |
//! | [`max_in_flight`](ClientBuilder::max_in_flight) | 8192 messages | that may wait for their answers, per connection |
//! | [`max_frame`](ClientBuilder::max_frame) | 32 MiB | per message sent, including the topic and 43 bytes more |
//! | [`max_incoming_frame`](ClientBuilder::max_incoming_frame) | 100 MiB | per message received, including the same |
//! | version handshake | 5 s | until version 1 is assumed |
//! | send buffer | 4 MiB | of messages waiting to be written; publishing waits while it is full |
//! | clean close | 5 s | at most for closing a connection |
//! | repeated warnings | 10 s | between repeated warnings, per subscription |
//!
//! # Runtime
//!
//! The client needs Tokio with I/O and time enabled. Each connection has one task, and the client
//! has one more that keeps it connected; everything else runs in the caller's task. Logs go to
//! [`tracing`](https://docs.rs/tracing), with spans at level debug: `connection` (endpoint, version and
//! id of the node), `publish` (topic, kind, seq) and `serve` (topic, seq). [`Client::stats`] counts
//! messages, connections and bytes.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `json` | yes | the codec `"json"`, by serde |
//! | `protobuf` | yes | the codec `"protobuf"`, by prost; with `json` also the JSON of types that `amop-build` generates |
//! | `private` | yes | private topics, and the keys that they are granted to |
//! | `sdk-config` | yes | [`Client::from_config`] and [`SdkConfig`] |
//! | `legacy-rsa` | no | `Tls::legacy_rsa`, see below |
//!
//! A program that switches features off has fewer dependencies. The macros say which feature a topic
//! needs.
//!
//! # Nodes in RSA mode
//!
//! A production node with `rsa_crypto_channel=true` offers only static-RSA key exchange, which
//! rustls does not support. It is best to switch the node out of this mode. If that is not
//! possible, the cargo feature `legacy-rsa` adds a second TLS implementation based on OpenSSL:
//!
//! ```toml
//! amop = { version = "0.1", features = ["legacy-rsa"] }
//! ```
//!
//! It is used only if the program chooses it with `Client::builder().tls(amop::Tls::legacy_rsa())`.
//! Both implementations check certificates with the same code. There is no forward secrecy: an
//! attacker who records the traffic and later gets the node's key can read it. The feature compiles
//! OpenSSL from source, which needs perl and make in addition to the C compiler.
#![forbid(unsafe_code)]
// Without features, parts that only they use are left over.
#![cfg_attr(
    not(all(
        feature = "json",
        feature = "protobuf",
        feature = "sdk-config",
        feature = "private"
    )),
    allow(
        dead_code,
        unreachable_code,
        unreachable_pub,
        unused_imports,
        unused_variables
    )
)]

mod client;
pub mod codec;
mod connection;
#[cfg(feature = "describe")]
mod describe;
mod error;
mod private;
mod receive;
mod report;
#[cfg(feature = "sdk-config")]
mod sdk_config;
mod sealed;
mod send;
mod serve;
#[cfg(test)]
mod tests;
mod topic;

pub use amop_derive::{AmopTopic, Describe, topic};
pub use amop_proto::{
    MAX_TOPIC_LEN, TopicError, TopicName,
    channel::{MAX_PRIVATE_LEN, ParseSeqError, PrivateName, Seq, result_code},
    client::{CloseReason, ExpiredCertificate, MessageKind},
    log::{WithCauses, with_causes},
};
pub use amop_seal::{
    FileStore, GuardError, KeyId, OpenError, ReaderError, ReplayGuard, ReplayRefusal, ReplayStore,
    SealError, SealingKey, SealingKeyError, SealingKeyProblem, SealingPublicKey,
};
pub use amop_tls::{
    HandshakeFailure, Identity, NodeAccess, NodeKey, ParseNodeKeyError, PemSource, PublicKey,
    TlsError, pem::PemProblem, pkcs12::Pkcs12Problem,
};
pub use amop_ws::UpgradeError;
pub use client::{
    Client, ClientBuilder, ClientStats, ConnectionPolicy, Event, Events, Generation, NodeInfo,
    OfflinePolicy, Protocol, ReconnectPolicy, Tls, find_certificates,
};
pub use codec::{Codec, CodecError};
#[cfg(feature = "describe")]
pub use describe::{Describe, DescribedTopic, TopicDescriptors};
pub use error::{
    CertificatesNotFound, ConnectError, ConnectStage, DecodeError, DrainError, FlushError,
    GrantError, KeyError, KeyProblem, PublishError, PublishErrorKind, ReplyError, SdkConfigError,
    SealedDeliveryError, SubscribeError, VerificationFailure,
};
#[cfg(feature = "private")]
pub use private::{TopicKey, TopicPublicKey};
pub use receive::{
    DecodeErrors, Deliveries, Delivery, OverflowPolicy, RawSubscription, Subscription,
    SubscriptionBuilder, SubscriptionStats,
};
#[cfg(feature = "sdk-config")]
pub use sdk_config::{ConfigWarning, PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout};
pub use sealed::{
    SealedDeliveries, SealedDelivery, SealedPublisher, SealedRefusals, SealedRequest,
    SealedSubscription, SealedSubscriptionBuilder, SealedTopic, Sealer,
};
pub use send::{Publisher, RawPublisher, Reply};
pub use serve::{Refusal, Server, ServerStats};
pub use topic::{Request, Topic};

#[doc(hidden)]
#[path = "generated.rs"]
pub mod __private;

/// The examples in the documentation of the macros. They are tests of this crate, because `amop-derive` does not depend
/// on it.
#[cfg(doctest)]
mod macros {
    #[doc = include_str!("../../amop-derive/src/topic.md")]
    struct Topic;

    #[doc = include_str!("../../amop-derive/src/amop_topic.md")]
    struct AmopTopic;
}
