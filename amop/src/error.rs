//! Errors, for the program and for the person who reads its log.

use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use amop_proto::{
    TopicError,
    channel::{FrameError, result_code},
    client::{CloseReason, MessageKind},
};
use amop_tls::{HandshakeFailure, TlsError};
use bytes::Bytes;

use crate::{CodecError, OpenError, ReaderError, SdkConfigError, SealError};

/// Why a client could not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No certificates were given and none were found.
    #[error(transparent)]
    CertificatesNotFound(#[from] CertificatesNotFound),
    /// The certificates cannot be used.
    #[error("cannot use these certificates: {0}")]
    Certificates(#[from] TlsError),
    /// The endpoint cannot be read.
    #[error("endpoint {endpoint:?} {problem}; write host:port, for example 127.0.0.1:20200")]
    InvalidEndpoint {
        /// The endpoint as it was given.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host name has no address.
    #[error("cannot resolve the host of {endpoint}: {source}; check the name or give an address")]
    Resolve {
        /// The endpoint.
        endpoint: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No TCP connection could be made.
    #[error(
        "cannot connect to {endpoint} ({address}): {source}; check that the node runs and that \
         the port is its channel_listen_port"
    )]
    Tcp {
        /// The endpoint.
        endpoint: String,
        /// The last address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {endpoint} failed: {source}")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// Why, and what to do.
        source: HandshakeFailure,
    },
    /// The connection was not ready before the timeout.
    #[error(
        "no connection to {endpoint} within {} ms: {stage} did not finish; check that the node \
         runs and that nothing in between drops packets",
        after.as_millis()
    )]
    Timeout {
        /// The endpoint.
        endpoint: String,
        /// The step that did not finish.
        stage: ConnectStage,
        /// The time allowed for everything.
        after: Duration,
    },
    /// TLS worked, but the peer does not speak the channel protocol.
    #[error(
        "{endpoint} does not speak the channel protocol ({source}); check that the port is the \
         node's channel_listen_port"
    )]
    NotANode {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with its first bytes.
        source: FrameError,
    },
    /// The node's answer to the version handshake is not usable.
    #[error("version handshake with {endpoint} failed: {reason}; the node must be a 2.x one")]
    HandshakeRejected {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        reason: CloseReason,
    },
    /// Connecting failed for each of several endpoints.
    #[error("cannot connect to any endpoint: {}", list(failures))]
    AllFailed {
        /// The errors, one for each endpoint; each names its endpoint.
        failures: Vec<Arc<ConnectError>>,
    },
    /// No endpoint was given.
    #[error(
        "there is no endpoint to connect to; give one as host:port, for example 127.0.0.1:20200"
    )]
    NoEndpoint,
    /// The configuration file cannot be used.
    #[error(transparent)]
    Config(#[from] SdkConfigError),
    /// The connection ended before it could be used: it failed, or the node closed it instead of
    /// answering the version handshake or confirming the topics.
    #[error("{}", closed_early(endpoint, reason))]
    ClosedDuringHandshake {
        /// The endpoint.
        endpoint: String,
        /// How it ended.
        reason: CloseReason,
    },
}

fn closed_early(endpoint: &str, reason: &CloseReason) -> String {
    match reason {
        CloseReason::Peer | CloseReason::DuringHandshake => format!(
            "{endpoint} closed the connection before the version handshake finished: it does not \
             speak any of the protocol versions 1 to 3, or it does not let this client in; its log \
             says why"
        ),
        CloseReason::Local => {
            format!("this client was closed while it connected to {endpoint}")
        }
        reason => {
            format!("the connection to {endpoint} ended before it could be used: {reason}")
        }
    }
}

impl ConnectError {
    /// Returns the only error, or an error that holds all of them.
    pub(crate) fn of_all(mut failures: Vec<Arc<Self>>) -> Self {
        match failures.pop() {
            Some(only) if failures.is_empty() => match Arc::try_unwrap(only) {
                Ok(error) => error,
                Err(shared) => Self::AllFailed {
                    failures: vec![shared],
                },
            },
            last => {
                failures.extend(last);
                Self::AllFailed { failures }
            }
        }
    }
}

fn list(failures: &[Arc<ConnectError>]) -> String {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// A step of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStage {
    /// Finding the host's addresses.
    Resolve,
    /// The TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The version handshake.
    Handshake,
    /// The confirmation of the topics subscribed to, when a connection is made again.
    Topics,
}

impl fmt::Display for ConnectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Tcp => "the TCP connection",
            Self::Tls => "the TLS handshake",
            Self::Handshake => "the version handshake",
            Self::Topics => "the confirmation of the topics",
        })
    }
}

/// No folder with certificates was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatesNotFound {
    /// The places that were searched, in this order, and why each is not usable.
    pub tried: Vec<(PathBuf, String)>,
}

impl fmt::Display for CertificatesNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no folder with ca.crt, sdk.crt and sdk.key was found")?;
        for (place, problem) in &self.tried {
            write!(f, "; {}: {problem}", place.display())?;
        }
        f.write_str(
            "; copy the chain's nodes/<ip>/sdk folder to ./conf, set AMOP_CONF, or name the \
             folder with ClientBuilder::certificates",
        )
    }
}

impl std::error::Error for CertificatesNotFound {}

/// Text added to the error if a FISCO node knows of no subscriber.
const FISCO_OWN: &str = ". A FISCO node does not deliver to its own subscribers: publish and subscribe at \
    different nodes, or name several endpoints";

/// Text added to the error if a FISCO node does not answer.
const FISCO_TIMEOUT: &str = ". A FISCO node does not deliver to its own subscribers, and says so only \
    after 30 s: with several endpoints, ClientBuilder::ask_another_node_after asks another node meanwhile";

/// Why a message was not delivered, or why it is not known whether it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name cannot be used. Nothing was sent.
    #[error("cannot publish: {0}")]
    InvalidTopic(#[from] TopicError),
    /// The message cannot be written with the topic's codec. Nothing was sent.
    #[error("cannot publish to {topic:?}: {source}")]
    Encode {
        /// The topic.
        topic: String,
        /// The codec's error.
        source: CodecError,
    },
    /// The frame would be longer than the limit of this client, or than the limit of every
    /// connected node, as far as the nodes tell it. Nothing was sent.
    #[error(
        "message for {topic:?} is too large: its frame would have {len} bytes, the limit is \
         {max}; send less, or raise max_frame on the clients and the node"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes; with several nodes, that of the one tried last.
        max: usize,
    },
    /// A node ended the connection twice while the message was being sent, possibly because of its
    /// length: it is longer than 64 KiB and longer than anything that the node has taken, and the
    /// node has not told its limit. The message is not sent again.
    #[error(
        "the message for {topic:?} is probably too large for {endpoint}: two times a node ended \
         the connection while the frame of {len} bytes was being sent; the longest frame that it \
         took before has {longest} bytes; send less, or have the node's limit for frames raised"
    )]
    CutOff {
        /// The topic.
        topic: String,
        /// The node that ended the connection last.
        endpoint: String,
        /// The frame's length in bytes.
        len: usize,
        /// The longest frame that the node is known to have taken, in bytes.
        longest: usize,
    },
    /// Until the deadline there was no room for the message among those in flight. Nothing was
    /// sent.
    #[error(
        "message for {topic:?} was not sent to {endpoint}: for {} ms there was no room among the \
         messages in flight; publish less at a time",
        after.as_millis()
    )]
    Congested {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The node knows of no subscriber of the topic (result 100).
    #[error(
        "nobody subscribes to {topic:?} as far as {endpoint} knows; topics of other nodes take \
         up to 5 s to arrive there: start a subscriber, or publish again later{}",
        if *fisco { FISCO_OWN } else { "" }
    )]
    NoSubscriber {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Whether it is a FISCO node. Such a node does not deliver to its own subscribers: if only
        /// they have the topic, it gives the same answer, after 30 s.
        fisco: bool,
    },
    /// The topic is private and this client has not granted it to any key. Nothing was sent.
    #[error(
        "cannot publish to the private topic {topic:?}: it is not granted to any key; grant it to \
         the subscribers' public keys first"
    )]
    NotGranted {
        /// The topic.
        topic: String,
    },
    /// This client knows that the topic is sealed, but the message is not. Nothing was sent.
    #[error(
        "the message for {topic:?} was not sent: the topic is sealed and the message is not; \
         publish it with Client::seal_for"
    )]
    NotSealed {
        /// The topic.
        topic: String,
    },
    /// The message cannot be sealed. Nothing was sent.
    #[error("cannot seal the message for {topic:?}: {source}")]
    Seal {
        /// The topic.
        topic: String,
        /// Why, and what to do.
        source: SealError,
    },
    /// A sealed message got an answer that did not come from one of its recipients: a node
    /// answered, or a subscriber that does not know that the topic is sealed, or the answer was
    /// changed on the way.
    #[error(
        "the answer to the sealed message for {topic:?}, by way of {endpoint}, is not proven to \
         come from a recipient ({source}); the message may have been delivered: publish again if \
         that is safe, by way of another node"
    )]
    UnprovenAnswer {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// What is wrong with the answer.
        source: OpenError,
    },
    /// The topic is private, and no subscriber was verified before the deadline (result 100).
    #[error(
        "no verified subscriber of the private topic {topic:?} within {} ms, as far as {endpoint} \
         knows: start a subscriber, and see the client's events for verifications that failed",
        after.as_millis()
    )]
    NoVerifiedSubscriber {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// No subscriber took the message (result 104): each was silent, gone or had a full queue.
    #[error(
        "no subscriber of {topic:?} took the message sent to {endpoint}: each was silent, gone or \
         had a full queue. A node waits 5 s for each, so one that takes longer may still have \
         processed it: publish again if that is safe, answer sooner, or add subscribers"
    )]
    Unanswered {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The node stopped waiting for subscribers (result 102) before this client's own timeout
    /// passed. Some subscribers may have taken the message; others may not have been asked.
    #[error(
        "{endpoint} gave up waiting for an answer to the message for {topic:?}; it may have been \
         delivered: publish again if that is safe, and see the node's log for nodes it cannot reach"
    )]
    NodeTimeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The node is over its bandwidth or in-flight limit (result 103).
    #[error(
        "{endpoint} is over its limit and did not route the message for {topic:?}; slow down, \
         or raise the node's outgoing_bandwidth_limit"
    )]
    OverLimit {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber could not decode the message (result 105).
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) could not decode the message; compare \
         the topic's type and codec on both sides"
    )]
    Undecodable {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber took the request and gave no reply (result 106): its program dropped the
    /// delivery, could not encode the reply, or uses a subscription that cannot reply; or the reply
    /// was longer than the subscriber's node accepts.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) took the request and gave no reply; it may have \
         been processed: let the subscriber reply to every delivery (Client::deliveries), or refuse it"
    )]
    NoReply {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber failed while it had the message (result 107): its code panicked.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) failed while it had the message, which may be \
         half processed: see the subscriber's log, and publish again if that is safe"
    )]
    SubscriberFailed {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber refused the message with a code of its own.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) answered with result {code} ({})",
        result_code::describe(*code)
    )]
    Rejected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// The code.
        code: i32,
        /// The payload of the answer.
        payload: Bytes,
    },
    /// No answer came in time.
    #[error(
        "no answer from {endpoint} to the message for {topic:?} within {} ms; it may have been \
         delivered: publish again if that is safe, or raise the timeout{}",
        after.as_millis(),
        if *fisco { FISCO_TIMEOUT } else { "" }
    )]
    Timeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
        /// Whether it is a FISCO node. If such a node picks one of its own subscribers, to which it
        /// does not deliver, it answers only after 30 s. See
        /// [`ask_another_node_after`](crate::ClientBuilder::ask_another_node_after).
        fisco: bool,
    },
    /// No node was connected. Nothing was sent.
    #[error(
        "the message for {topic:?} was not sent: none of {endpoints} is connected; check that a node \
         runs, or publish again later"
    )]
    Offline {
        /// The topic.
        topic: String,
        /// The endpoints.
        endpoints: String,
    },
    /// The connection was lost before an answer came, and no other connection brought an answer in
    /// time.
    #[error(
        "the connection to {endpoint} was lost ({reason}); the message for {topic:?} may have been \
         delivered: publish again if that is safe"
    )]
    Disconnected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Why the connection was lost.
        reason: CloseReason,
    },
    /// The message was delivered, but the reply cannot be decoded as the reply's type.
    #[error(
        "cannot read the reply of a subscriber of {topic:?} (by way of {endpoint}): {source}; \
         compare the reply's type and codec on both sides"
    )]
    Reply {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// The codec's error.
        source: CodecError,
    },
}

/// Why a topic could not be subscribed to, or unsubscribed from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The topic's name cannot be used.
    #[error("cannot subscribe: {0}")]
    InvalidTopic(#[from] TopicError),
    /// The topic is private and no key was given, neither to this call nor to the client.
    #[error(
        "cannot subscribe to {topic:?} without a key: the topic is private; use subscribe_private, or \
         give the client a key by topic_key"
    )]
    NoKey {
        /// The topic.
        topic: String,
    },
    /// This client already subscribes to the private topic with another key. A node verifies one
    /// subscriber per client and topic.
    #[error(
        "cannot subscribe to the private topic {topic:?}: this client subscribes to it with another \
         key already; use that, or another client"
    )]
    OtherKey {
        /// The topic.
        topic: String,
    },
    /// A key was given, but the topic is not private.
    #[error(
        "cannot subscribe to {topic:?} with a key: the topic is not private; declare it so, or \
         subscribe without a key"
    )]
    NotPrivate {
        /// The topic.
        topic: String,
    },
    /// The keys or the replay guard of a subscription to a sealed topic cannot be used.
    #[error("cannot subscribe to the sealed topic {topic:?}: {source}")]
    Sealed {
        /// The topic.
        topic: String,
        /// Why, and what to do.
        source: ReaderError,
    },
    /// The node did not confirm in time.
    #[error(
        "{endpoint} did not confirm the topics (with or without {topic:?}) within {} ms; check \
         the node, or raise the timeout",
        after.as_millis()
    )]
    Timeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The node has no room for the topic: it is over a limit of the node, or over this client's
    /// share of a limit.
    #[error(
        "cannot subscribe to {topic:?}: {endpoint} has no room for it; subscribe to fewer topics with \
         this certificate, or have the node's limits for topics raised"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// No node was connected.
    #[error(
        "cannot subscribe to {topic:?}: none of {endpoints} is connected; check that a node runs, or \
         subscribe again later"
    )]
    Offline {
        /// The topic.
        topic: String,
        /// The endpoints.
        endpoints: String,
    },
    /// The client is closed.
    #[error(
        "the connection to {endpoint} is closed ({reason}), and with it the subscription to \
         {topic:?}; connect again"
    )]
    Disconnected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Why the connection was lost.
        reason: CloseReason,
    },
}

/// Why a private topic was not granted, or why not every node knows of the grant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The topic's name cannot be used.
    #[error("cannot grant: {0}")]
    InvalidTopic(#[from] TopicError),
    /// The topic is not private: every SDK may subscribe to it.
    #[error(
        "cannot grant {topic:?}: the topic is not private; declare it with \
         #[amop::topic({topic:?}, private)]"
    )]
    NotPrivate {
        /// The topic.
        topic: String,
    },
    /// No key was given.
    #[error("cannot grant {topic:?} without a key; give the public key of at least one subscriber")]
    NoKeys {
        /// The topic.
        topic: String,
    },
    /// The topic is granted, but not every node knows of it yet. The grant stays, and the other
    /// nodes are told when that is possible.
    #[error("{topic:?} is granted, but not every node knows of it yet: {source}")]
    Unconfirmed {
        /// The topic.
        topic: String,
        /// Which node does not know of it, and why.
        source: SubscribeError,
    },
}

/// The messages that were left when [`Client::drain`](crate::Client::drain) gave up. The client is
/// closed in this case, too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the client was closed after {} ms with {unread} messages unread, {unanswered} unicasts \
     unanswered and {publishing} published messages without an answer; read subscriptions to their \
     end while draining, or raise drain_timeout",
    after.as_millis()
)]
pub struct DrainError {
    /// Messages that the program did not read. Unicasts among them go to other subscribers.
    pub unread: usize,
    /// Unicasts that the program has not answered, including the unread ones.
    pub unanswered: usize,
    /// Messages published by this client that had no answer.
    pub publishing: usize,
    /// How long the client waited.
    pub after: Duration,
}

/// Messages that a [`Publisher`](crate::Publisher) accepted and that no node took.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of the messages published to {topic:?} failed; first error: {first}")]
pub struct FlushError {
    /// The topic.
    pub topic: String,
    /// The number of messages that failed since the last flush.
    pub failed: usize,
    /// The error of the first message that failed.
    #[source]
    pub first: PublishError,
}

/// A message that the topic's codec could not read.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "cannot decode a {} of {len} bytes to {topic:?} (seq {seq}): {source}; compare the topic's \
     type and codec with the publisher's",
    match kind { MessageKind::Unicast => "unicast", MessageKind::Multicast => "multicast" }
)]
pub struct DecodeError {
    pub(crate) topic: String,
    pub(crate) seq: String,
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
    pub fn seq(&self) -> &str {
        &self.seq
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

/// Why an answer to a unicast could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A multicast has no answer.
    #[error(
        "a multicast to {topic:?} cannot be answered: its publisher does not wait for an answer"
    )]
    Multicast {
        /// The topic.
        topic: String,
    },
    /// The reply was sent after the node had stopped waiting for this subscriber: the node has
    /// asked another subscriber, or the publisher got an error.
    #[error(
        "the reply to a message of {topic:?} was sent {} ms after the message, but {endpoint} \
         waits only {} ms: the reply is lost, and another subscriber may have been asked; reply \
         sooner, or accept the request and publish the result to a topic of its own",
        after.as_millis(),
        limit.as_millis()
    )]
    Late {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long after the message the reply was sent.
        after: Duration,
        /// How long the node waits.
        limit: Duration,
    },
    /// The codec cannot encode the reply. The publisher got result 106, "no reply".
    #[error("cannot encode the reply to a message of {topic:?}: {source}")]
    Encode {
        /// The topic.
        topic: String,
        /// The codec's error.
        source: CodecError,
    },
    /// The reply cannot be sealed. The publisher got result 106, "no reply".
    #[error("cannot seal the reply to a message of {topic:?}: {source}")]
    Seal {
        /// The topic.
        topic: String,
        /// Why.
        source: SealError,
    },
    /// The frame would be over the limit. The publisher got result 106, "no reply".
    #[error(
        "the reply to a message of {topic:?} is too large: its frame would have {len} bytes, the \
         limit is {max}; send less, or raise max_frame"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The connection that the message came over is lost.
    #[error(
        "the connection to {endpoint} is lost ({reason}); the reply to {topic:?} cannot be sent"
    )]
    Disconnected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Why the connection was lost.
        reason: CloseReason,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this side ended the connection, the error does not blame the node.
    #[test]
    fn who_ended_a_connection_is_said_as_it_was() {
        let shown = |reason| {
            let endpoint = "node:1".to_owned();
            ConnectError::ClosedDuringHandshake { endpoint, reason }.to_string()
        };
        for reason in [CloseReason::Peer, CloseReason::DuringHandshake] {
            assert!(shown(reason).contains("does not let this client in"));
        }
        let expired = CloseReason::Expired {
            own: true,
            at: 1_609_459_200,
        };
        let lost = CloseReason::Transport {
            kind: io::ErrorKind::TimedOut,
            message: "no route".to_owned(),
        };
        for (reason, part) in [
            (CloseReason::Local, "this client was closed"),
            (expired, "this client expired at 2021-01-01T00:00:00Z"),
            (lost, "no route"),
        ] {
            let shown = shown(reason);
            assert!(shown.contains(part) && shown.contains("node:1"), "{shown}");
            assert!(!shown.contains("let this client in"), "{shown}");
        }
    }
}
