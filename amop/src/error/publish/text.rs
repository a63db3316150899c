//! What errors of messages say to people.

use std::fmt;

use amop_proto::channel::result_code;

use super::PublishErrorKind as Kind;

/// Text added to the error if a FISCO node knows of no subscriber.
const FISCO_OWN: &str = ". A FISCO node does not deliver to its own subscribers: publish and subscribe at \
    different nodes, or name several endpoints";

/// Text added to the error if a FISCO node does not answer.
const FISCO_TIMEOUT: &str = ". A FISCO node does not deliver to its own subscribers, and says so only \
    after 30 s: with several endpoints, ClientBuilder::ask_another_node_after asks another node meanwhile";

/// Writes what happened to a message for `topic` at `endpoint`, and what to do next.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    kind: &Kind,
    topic: &str,
    endpoint: &str,
) -> fmt::Result {
    match kind {
        // The cause shows as much of the name as helps.
        Kind::InvalidTopic(_) => f.write_str("cannot publish: the name of the topic is not usable"),
        Kind::Encode(_) => write!(f, "cannot encode the message for {topic:?}"),
        Kind::NotGranted => write!(
            f,
            "cannot publish to the private topic {topic:?}: it is not granted to any key; grant it \
             to the subscribers' public keys first"
        ),
        Kind::NoPrivateTopics => write!(
            f,
            "cannot publish to the private topic {topic:?}: all nodes are of FISCO BCOS 3.x, which has no \
             private topics; name a node of 2.x, or use a sealed topic"
        ),
        Kind::NotSealed => write!(
            f,
            "the message for {topic:?} was not sent: the topic is sealed and the message is not; \
             publish it with Client::seal_for"
        ),
        Kind::Seal(_) => write!(f, "cannot seal the message for {topic:?}"),
        Kind::Offline { endpoints } => write!(
            f,
            "the message for {topic:?} was not sent: none of {endpoints} is connected; check that \
             a node runs, or publish again later"
        ),
        Kind::Closed { endpoints, .. } => write!(
            f,
            "the message for {topic:?} was not sent: the client of {endpoints} is closed; connect \
             again"
        ),
        Kind::TooLarge { .. } | Kind::CutOff { .. } | Kind::Congested { .. } => {
            write_not_taken(f, kind, topic, endpoint)
        }
        Kind::Undecodable
        | Kind::NoReply
        | Kind::SubscriberFailed
        | Kind::Rejected { .. }
        | Kind::Reply(_) => write_by_subscriber(f, kind, topic, endpoint),
        Kind::NoSubscriber { .. }
        | Kind::UnprovenAnswer(_)
        | Kind::NoVerifiedSubscriber { .. }
        | Kind::Unanswered
        | Kind::SubscriberLeft
        | Kind::NodeTimeout
        | Kind::OverLimit
        | Kind::Timeout { .. }
        | Kind::Disconnected { .. } => write_by_node(f, kind, topic, endpoint),
    }
}

/// Writes why a connection did not take a message.
fn write_not_taken(
    f: &mut fmt::Formatter<'_>,
    kind: &Kind,
    topic: &str,
    endpoint: &str,
) -> fmt::Result {
    match kind {
        Kind::TooLarge { len, max } => write!(
            f,
            "message for {topic:?} is too large: its frame would have {len} bytes, the limit is \
             {max}; send less, or raise max_frame on the clients and the node"
        ),
        Kind::CutOff { len, longest } => write!(
            f,
            "the message for {topic:?} is probably too large for {endpoint}: two times a node \
             ended the connection while the frame of {len} bytes was being sent; the longest frame \
             that it took before has {longest} bytes; send less, or have the node's limit for \
             frames raised"
        ),
        Kind::Congested { after } => write!(
            f,
            "message for {topic:?} was not sent to {endpoint}: for {} ms there was no room among \
             the messages in flight; publish less at a time",
            after.as_millis()
        ),
        _ => Ok(()),
    }
}

/// Writes what a subscriber answered.
fn write_by_subscriber(
    f: &mut fmt::Formatter<'_>,
    kind: &Kind,
    topic: &str,
    endpoint: &str,
) -> fmt::Result {
    let subscriber = format!("the subscriber of {topic:?} (by way of {endpoint})");
    match kind {
        Kind::Undecodable => write!(
            f,
            "{subscriber} could not decode the message; compare the topic's type and codec on both \
             sides"
        ),
        Kind::NoReply => write!(
            f,
            "{subscriber} took the request and gave no reply; it may have been processed: let the \
             subscriber reply to every delivery (Client::deliveries), or refuse it"
        ),
        Kind::SubscriberFailed => write!(
            f,
            "{subscriber} failed while it had the message, which may be half processed: see the \
             subscriber's log, and publish again if that is safe"
        ),
        Kind::Rejected { code, .. } => write!(
            f,
            "{subscriber} answered with result {code} ({})",
            result_code::describe(*code)
        ),
        Kind::Reply(_) => write!(
            f,
            "cannot read the reply of a subscriber of {topic:?} (by way of {endpoint}); compare \
             the reply's type and codec on both sides"
        ),
        _ => Ok(()),
    }
}

/// Writes what a node answered, or that it did not answer.
fn write_by_node(
    f: &mut fmt::Formatter<'_>,
    kind: &Kind,
    topic: &str,
    endpoint: &str,
) -> fmt::Result {
    match kind {
        Kind::NoSubscriber { fisco } => write!(
            f,
            "nobody subscribes to {topic:?} as far as {endpoint} knows; topics of other nodes take \
             up to 5 s to arrive there: start a subscriber, or publish again later{}",
            if *fisco { FISCO_OWN } else { "" }
        ),
        Kind::UnprovenAnswer(_) => write!(
            f,
            "the answer to the sealed message for {topic:?}, by way of {endpoint}, is not proven \
             to come from a recipient; the message may have been delivered: publish again if that \
             is safe, by way of another node"
        ),
        Kind::NoVerifiedSubscriber { after } => write!(
            f,
            "no verified subscriber of the private topic {topic:?} within {} ms, as far as \
             {endpoint} knows: start a subscriber, and see the client's events for verifications \
             that failed",
            after.as_millis()
        ),
        Kind::Unanswered => write!(
            f,
            "no subscriber of {topic:?} took the message sent to {endpoint}: each was silent, gone \
             or had a full queue. A node waits 5 s for each (30 s on 3.x), so one that takes longer may still \
             have processed it: publish again if that is safe, answer sooner, or add subscribers"
        ),
        Kind::SubscriberLeft => write!(
            f,
            "the subscriber of {topic:?} (by way of {endpoint}) left before it answered; it may have \
             processed the message: publish again if that is safe"
        ),
        Kind::NodeTimeout => write!(
            f,
            "{endpoint} gave up waiting for an answer to the message for {topic:?}; it may have \
             been delivered: publish again if that is safe, and see the node's log for nodes it \
             cannot reach"
        ),
        Kind::OverLimit => write!(
            f,
            "{endpoint} is over its limit, or failed, and gave up the message for {topic:?}; slow down, \
             raise the node's outgoing_bandwidth_limit, or see the node's log"
        ),
        Kind::Timeout { after, fisco } => write!(
            f,
            "no answer from {endpoint} to the message for {topic:?} within {} ms; it may have been \
             delivered: publish again if that is safe, or raise the timeout{}",
            after.as_millis(),
            if *fisco { FISCO_TIMEOUT } else { "" }
        ),
        Kind::Disconnected { .. } => write!(
            f,
            "the connection to {endpoint} was lost; the message for {topic:?} may have been \
             delivered: publish again if that is safe"
        ),
        _ => Ok(()),
    }
}
