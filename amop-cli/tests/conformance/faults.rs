//! Faults of nodes, and the checks that find them.

use std::collections::{BTreeSet, HashSet};

use amop_cli::conformance::{CheckOutcome, CheckResult};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType, Seq, SetTopics, encode_topics, result_code};
use bytes::Bytes;

use super::{
    faulty::{Fault, FaultyNode},
    run,
};

/// A check that waits long, and that none of these faults affects.
const SLOW: &str = "unicast-unanswered";

/// The number of faulty nodes that share the checks. Checks wait most of the time, so they run at the
/// same time.
const NODES: usize = 6;

/// Runs all checks of one node against faulty nodes and returns the checks that fail.
async fn failures<F: Fault>(fault: impl Fn() -> F + Clone + Send + 'static) -> Vec<CheckResult> {
    let checks: Vec<String> = amop_cli::conformance::names()
        .into_iter()
        .filter(|name| name != SLOW && !name.starts_with("across/"))
        .collect();
    assert!(checks.len() > 50, "{}", checks.len());
    let parts = checks.chunks(checks.len().div_ceil(NODES));
    let runs: Vec<_> = parts
        .map(|part| tokio::spawn(failures_of(part.to_vec(), fault.clone())))
        .collect();
    let mut failures = Vec::new();
    for run in runs {
        failures.extend(run.await.unwrap());
    }
    failures
}

/// Runs these checks against a faulty node and returns those that fail.
async fn failures_of<F: Fault>(
    checks: Vec<String>,
    fault: impl Fn() -> F + Send + 'static,
) -> Vec<CheckResult> {
    let network = Network::start(1).await.unwrap();
    let node = FaultyNode::start(&network, fault).await;
    let only: Vec<&str> = checks.iter().map(String::as_str).collect();
    let report = run(&network, &node.endpoint(), None, &only).await;
    assert_eq!(report.results.len(), checks.len());
    assert!(
        !report
            .results
            .iter()
            .any(|result| matches!(result.outcome, CheckOutcome::Skipped { .. })),
        "{report:?}"
    );
    network.shutdown().await;
    report.failures().cloned().collect()
}

#[track_caller]
fn assert_failed(failures: &[CheckResult], expected: &[&str]) {
    let text: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let failed: Vec<&str> = failures.iter().map(|result| result.name.as_str()).collect();
    assert_eq!(failed, expected, "{}", text.join("\n"));
}

struct Faultless;

impl Fault for Faultless {}

/// The proxy itself does no harm, so the failures in the other tests are caused by their faults.
#[tokio::test(flavor = "multi_thread")]
async fn a_faultless_proxy_fails_nothing() {
    assert_failed(&failures(|| Faultless).await, &[]);
}

/// Acknowledges multicasts with 100 if there is no subscriber, as if they were unicasts.
#[derive(Default)]
struct WrongAcknowledgement {
    multicasts: HashSet<Seq>,
}

impl Fault for WrongAcknowledgement {
    fn to_node(&mut self, frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::MULTICAST {
            self.multicasts.insert(frame.seq);
        }
        vec![frame]
    }

    fn to_sdk(&mut self, mut frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::RESPONSE && self.multicasts.contains(&frame.seq) {
            frame.result = result_code::NO_SUBSCRIBER;
        }
        vec![frame]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_acknowledgement_is_found() {
    let failures = failures(WrongAcknowledgement::default).await;
    assert_failed(
        &failures,
        &[
            "topics-replace",
            "topics-clear",
            "topics-twice",
            "topics-no-array",
            "topics-block-notify",
            "multicast-nobody",
            "multicast-own-session",
            "multicast-local",
            "multicast-one",
            "multicast-many",
            "multicast-large",
            "multicast-answered",
        ],
    );
    let nobody = failures
        .iter()
        .find(|result| result.name == "multicast-nobody")
        .unwrap();
    let CheckOutcome::Failed { expected, got } = &nobody.outcome else {
        unreachable!("it failed");
    };
    assert!(expected.contains("result=0 "), "{expected}");
    assert!(got.contains("result=100 "), "{got}");
}

/// Adds topics to the existing ones, instead of replacing them.
#[derive(Default)]
struct AddsTopics {
    topics: BTreeSet<String>,
}

impl Fault for AddsTopics {
    fn to_node(&mut self, mut frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::SET_TOPICS
            && let SetTopics::Replace(topics) = SetTopics::parse(&frame.body)
        {
            self.topics.extend(topics);
            frame.body = encode_topics(self.topics.iter().map(String::as_str));
        }
        vec![frame]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_added_are_found() {
    assert_failed(
        &failures(AddsTopics::default).await,
        &[
            "topics-replace",
            "topics-clear",
            "topics-twice",
            "topics-no-array",
            "topics-block-notify",
        ],
    );
}

/// Puts two frames into one record, which some SDKs cannot read.
struct JoinsFrames;

impl Fault for JoinsFrames {
    fn records(&mut self, frames: Vec<Frame>) -> Vec<Vec<u8>> {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
        vec![bytes]
    }
}

/// Answers heartbeats of version 1 in the form of version 2.
struct Talkative;

impl Fault for Talkative {
    fn to_sdk(&mut self, mut frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::HEARTBEAT && frame.body == "1" {
            frame.body = Bytes::from_static(b"{\"heartBeat\":1}\n");
        }
        vec![frame]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_in_the_wrong_version_is_found() {
    assert_failed(
        &failures(|| Talkative).await,
        &[
            "handshake-malformed",
            "handshake-again",
            "heartbeat-before-handshake",
            "heartbeat-version-1",
            "frames-joined",
            "frame-split",
            "session-half-closed",
        ],
    );
}

/// Delivers messages to subscribers with a seq of its own, and restores the seq in their replies.
struct OwnSeq;

impl Fault for OwnSeq {
    fn to_sdk(&mut self, mut frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::UNICAST {
            frame.seq.0[31] ^= 1;
        }
        vec![frame]
    }

    fn to_node(&mut self, mut frame: Frame) -> Vec<Frame> {
        if frame.kind == FrameType::RESPONSE {
            frame.seq.0[31] ^= 1;
        }
        vec![frame]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_seq_is_found() {
    assert_failed(
        &failures(|| OwnSeq).await,
        &[
            "unicast-own-session",
            "unicast-reply",
            "unicast-reply-verbatim",
            "unicast-reply-of-any-type",
            "unicast-request-result",
            "unicast-binary-seq",
            "unicast-empty-payload",
            "unicast-large",
            "unicast-topic-lengths",
            "unicast-one-of-many",
            "unicast-next-subscriber",
            "unicast-subscriber-gone",
        ],
    );
}

/// Frames are joined only if several arrive at once, so this test does not check what else fails.
#[tokio::test(flavor = "multi_thread")]
async fn joined_frames_are_found() {
    let network = Network::start(1).await.unwrap();
    let node = FaultyNode::start(&network, || JoinsFrames).await;
    // Whether they arrive together depends on the machine: repeat until they did.
    let mut found = false;
    for _ in 0..100 {
        let report = run(&network, &node.endpoint(), None, &["frame-per-record"]).await;
        found = !report.is_conformant();
        if found {
            break;
        }
    }
    assert!(found);
    network.shutdown().await;
}
