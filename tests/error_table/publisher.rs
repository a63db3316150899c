//! The two publishers of each scenario, and what each of them sees.

use std::time::Duration;

use amop::{PublishError, ReconnectPolicy, TopicName};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, frame_topic};
use amop_testkit::{PATIENCE, Sdk, builder, within};
use bytes::Bytes;
use tokio::task::JoinHandle;

pub(crate) const TOPIC: &str = "work";

/// The publisher, which is on node 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Publisher {
    /// Sends raw frames, as another SDK does.
    Raw,
    /// Uses the native client.
    Ours,
}

/// The outcome that a publisher sees.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A frame on the wire.
    Frame {
        /// The result code, or what happens instead.
        code: String,
        /// The kind of body.
        body: &'static str,
    },
    /// The variant of the native client's result.
    Error(String),
}

impl Seen {
    /// Returns the outcome for messages that the native client cannot send.
    pub(crate) fn impossible() -> Self {
        Self::Error("-".to_owned())
    }

    fn no_frame(what: &str) -> Self {
        Self::Frame {
            code: what.to_owned(),
            body: "-",
        }
    }

    fn answer(answer: &Frame, request: &Frame) -> Self {
        assert_eq!(
            (answer.kind, answer.seq),
            (FrameType::RESPONSE, request.seq)
        );
        let body = if answer.body.is_empty() {
            "empty"
        } else if answer.body == request.body {
            "request"
        } else {
            "subscriber's"
        };
        Self::Frame {
            code: answer.result.to_string(),
            body,
        }
    }

    /// Returns the name of the variant; the document uses the same names as the code.
    pub(crate) fn result<T>(result: Result<T, PublishError>) -> Self {
        Self::Error(match result {
            Ok(_) => "Ok".to_owned(),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.is_empty() && text.len() < 1000, "{text}");
                let debug = format!("{:?}", error.kind());
                let end = debug.find(|c: char| !c.is_alphanumeric());
                debug[..end.unwrap_or(debug.len())].to_owned()
            }
        })
    }
}

pub(crate) async fn sdk(network: &Network, node: usize) -> Sdk {
    let tls = network.sdk().client_config().unwrap();
    Sdk::connect(network.endpoint(node), tls).await
}

/// Connects a publisher and makes it publish. The message is on its way when this returns, unless
/// the publisher waits for its turn on a busy machine.
pub(crate) async fn publish(network: &Network, who: Publisher, payload: Bytes) -> JoinHandle<Seen> {
    publish_within(network, who, payload, PATIENCE).await
}

/// Like [`publish`], with a deadline for the native client.
pub(crate) async fn publish_within(
    network: &Network,
    who: Publisher,
    payload: Bytes,
    timeout: Duration,
) -> JoinHandle<Seen> {
    match who {
        Publisher::Raw => {
            let body = frame_topic(TOPIC.as_bytes(), &payload);
            send(network, FrameType::UNICAST, body).await
        }
        Publisher::Ours => {
            // A second attempt over a second connection would hide the result of the first one.
            let client = builder(network, 0)
                .timeout(timeout)
                .reconnect(ReconnectPolicy::never());
            let client = client.connect().await.unwrap();
            tokio::spawn(async move {
                let topic = TopicName::new(TOPIC).unwrap();
                let result = client.publish_unicast_raw(&topic, payload).await;
                client.close().await;
                Seen::result(result)
            })
        }
    }
}

/// Sends raw bytes and returns what follows.
pub(crate) async fn send(network: &Network, kind: FrameType, body: Bytes) -> JoinHandle<Seen> {
    let mut sdk = sdk(network, 0).await;
    let request = Frame::new(kind, amop_testkit::seq(77), body);
    sdk.send(&request).await;
    tokio::spawn(async move {
        match sdk.record().await {
            None => Seen::no_frame("closed"),
            Some(record) => {
                let answer = Frame::from_bytes(record.into(), PROTOCOL_MAX_FRAME).unwrap();
                Seen::answer(&answer, &request)
            }
        }
    })
}

/// Sends raw bytes that get no answer: the next frame is the answer to another request.
pub(crate) async fn send_in_vain(sdk: &mut Sdk, body: Bytes) -> Seen {
    sdk.send_new(FrameType::UNICAST, 77, body).await;
    sdk.settle(78).await;
    Seen::no_frame("nothing")
}

/// Waits for the outcome that a publisher saw.
pub(crate) async fn outcome(publishing: JoinHandle<Seen>) -> Seen {
    within("the outcome", publishing).await.unwrap()
}
