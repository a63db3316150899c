//! The two publishers of each scenario, and what they see.

use std::time::Duration;

use amop::{PublishError, Reconnect, TopicName};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, frame_topic};
use amop_tests::{PATIENCE, Sdk, builder, within};
use bytes::Bytes;
use tokio::task::JoinHandle;

pub(crate) const TOPIC: &str = "work";

/// Who publishes, on node 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Publisher {
    /// Raw frames, as an SDK of another language sends them.
    Raw,
    /// Our client.
    Ours,
}

/// What a publisher sees.
#[derive(Debug)]
pub(crate) enum Seen {
    /// On the wire.
    Frame {
        /// The result, or what happens instead.
        code: String,
        /// What the body is.
        body: &'static str,
    },
    /// The variant of our client's result.
    Error(String),
}

impl Seen {
    /// What our client cannot be made to do.
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

    /// The variant, for which the document has no other name than the code has.
    pub(crate) fn result<T>(result: Result<T, PublishError>) -> Self {
        Self::Error(match result {
            Ok(_) => "Ok".to_owned(),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.is_empty() && text.len() < 1000, "{text}");
                let debug = format!("{error:?}");
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

/// Connects a publisher and has it publish: it is on its way when this returns, unless the publisher
/// waits for its turn on a busy machine.
pub(crate) async fn publish(network: &Network, who: Publisher, payload: Bytes) -> JoinHandle<Seen> {
    publish_within(network, who, payload, PATIENCE).await
}

/// As [`publish`], with a deadline of our client's.
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
            // A second attempt by a second connection would hide what became of the first.
            let client = builder(network, 0)
                .timeout(timeout)
                .reconnect(Reconnect::never());
            let client = client.connect().await.unwrap();
            tokio::spawn(async move {
                let topic = TopicName::new(TOPIC).unwrap();
                let result = client.unicast(&topic, payload).await;
                client.close().await;
                Seen::result(result)
            })
        }
    }
}

/// Has raw bytes sent and what follows looked at.
pub(crate) async fn send(network: &Network, kind: FrameType, body: Bytes) -> JoinHandle<Seen> {
    let mut sdk = sdk(network, 0).await;
    let request = Frame::new(kind, amop_tests::seq(77), body);
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

/// Has raw bytes sent that are not answered: the next frame is the answer to another question.
pub(crate) async fn send_in_vain(sdk: &mut Sdk, body: Bytes) -> Seen {
    sdk.send_new(FrameType::UNICAST, 77, body).await;
    sdk.settle(78).await;
    Seen::no_frame("nothing")
}

/// What a publisher saw.
pub(crate) async fn outcome(publishing: JoinHandle<Seen>) -> Seen {
    within("the outcome", publishing).await.unwrap()
}
