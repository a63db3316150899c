//! The environment of a run: the nodes and their known properties, sessions, and unique topics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amop_proto::channel::{Frame, FrameType};
use amop_tls::{ClientOptions, Identity, rustls::ClientConfig};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    ConformanceError, ConformanceOptions,
    link::{TestSession, seq},
    problem::{CheckProblem, Checked, same},
};
use crate::WireError;

/// A FISCO node announces its topics to the others every 5 s, and they then fetch them (channel-v2
/// section 6.3).
pub(super) const TOPIC_SYNC: Duration = Duration::from_secs(6);

/// FISCO nodes handle frames in a pool of workers, so a frame that depends on a change is sent this
/// much later (channel-v2 section 6.3).
const WORKERS: Duration = Duration::from_millis(100);

/// The time within which a multicast reaches a subscriber of the same node, if the node delivers
/// it.
const LOCAL: Duration = Duration::from_secs(2);

/// The environment of a run.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) identity: Identity,
    tls: Arc<ClientConfig>,
    pub(super) node: NodeUnderTest,
    pub(super) other: Option<NodeUnderTest>,
    /// A part of all topic names that distinguishes this run from others.
    run: String,
    topics: AtomicU64,
}

/// A node and its known properties.
#[derive(Debug)]
pub(super) struct NodeUnderTest {
    pub(super) endpoint: String,
    /// Its `Build Type`, if it reports one.
    build: Option<String>,
    /// Its `FISCO-BCOS Version`, if it reports one.
    version: Option<String>,
    /// Whether it delivers to its own subscribers.
    local_delivery: bool,
}

/// The nodes of a publisher and its subscribers.
#[derive(Debug)]
pub(super) struct BenchRoute<'a> {
    pub(super) bench: &'a Bench,
    pub(super) from: &'a NodeUnderTest,
    pub(super) to: &'a NodeUnderTest,
}

impl Bench {
    /// Connects to the nodes and finds out what they are.
    pub(super) async fn prepare(options: &ConformanceOptions) -> Result<Self, ConformanceError> {
        // A tap in between may show an SDK's certificates.
        let nodes = ClientOptions::default().sdk_certificates_as_nodes(true);
        let tls = options
            .identity
            .dialling(&options.identity.verifier_of_nodes(nodes))?;
        let target = |endpoint: &str| NodeUnderTest {
            endpoint: endpoint.to_owned(),
            build: None,
            version: None,
            local_delivery: true,
        };
        let mut bench = Self {
            identity: options.identity.clone(),
            tls,
            node: target(&options.endpoint),
            other: options.other.as_deref().map(target),
            run: seq().to_string()[..8].to_owned(),
            topics: AtomicU64::new(0),
        };
        bench.node = bench.look_at(&bench.node).await?;
        if let Some(other) = &bench.other {
            bench.other = Some(bench.look_at(other).await?);
        }
        Ok(bench)
    }

    async fn look_at(&self, target: &NodeUnderTest) -> Result<NodeUnderTest, WireError> {
        let mut link =
            TestSession::connect(&target.endpoint, self.tls.clone(), self.identity.mode()).await?;
        // A node that does not answer fails a check later; here its version is only unknown.
        let answer = client_version(&mut link).await.unwrap_or_default();
        let text = |key: &str| answer[key].as_str().map(str::to_owned);
        let mut known = NodeUnderTest {
            endpoint: target.endpoint.clone(),
            build: text("Build Type"),
            version: text("FISCO-BCOS Version"),
            local_delivery: true,
        };
        if known.may_lack_local_delivery() {
            known.local_delivery = self.delivers_locally(&known).await.unwrap_or(true);
        }
        Ok(known)
    }

    /// Returns whether a multicast reaches a subscriber of the same node.
    async fn delivers_locally(&self, target: &NodeUnderTest) -> Checked<bool> {
        let topic = self.topic("local");
        let mut subscriber = self.connect(target).await?;
        subscriber.set_topics(&[&topic]).await?;
        self.settle(target, &mut subscriber).await?;
        let mut publisher = self.connect(target).await?;
        let message = Frame::amop(FrameType::MULTICAST, seq(), topic.as_bytes(), b"here?");
        publisher.send(&message).await?;
        Ok(subscriber.receive_within(LOCAL).await?.is_some())
    }

    /// Connects a session to the node under test.
    pub(super) async fn link(&self) -> Checked<TestSession> {
        self.connect(&self.node).await
    }

    async fn connect(&self, target: &NodeUnderTest) -> Checked<TestSession> {
        self.connect_with(target, self.tls.clone())
            .await
            .map_err(CheckProblem::from)
    }

    pub(super) async fn connect_with(
        &self,
        target: &NodeUnderTest,
        tls: Arc<ClientConfig>,
    ) -> Result<TestSession, WireError> {
        TestSession::connect(&target.endpoint, tls, self.identity.mode()).await
    }

    /// Returns the TLS configuration of all sessions.
    pub(super) fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    /// Returns a topic that nothing else uses, in this run or elsewhere in the network.
    pub(super) fn topic(&self, hint: &str) -> String {
        let number = self.topics.fetch_add(1, Ordering::Relaxed);
        format!("conformance/{}/{number}/{hint}", self.run)
    }

    /// Returns a group that no chain has.
    pub(super) fn group(&self) -> String {
        format!("conformance-{}", self.run)
    }

    /// Waits until the node itself has handled all frames that a session sent.
    pub(super) async fn settle(
        &self,
        target: &NodeUnderTest,
        link: &mut TestSession,
    ) -> Checked<()> {
        link.alive().await?;
        if !target.is_overlay() {
            sleep(WORKERS).await;
        }
        Ok(())
    }
}

impl NodeUnderTest {
    /// Returns whether it is an overlay node, which has none of the known defects of FISCO nodes.
    pub(super) fn is_overlay(&self) -> bool {
        self.build.as_deref() == Some("AMOP node")
    }

    /// Returns the version and build that the node reports.
    pub(super) fn describe(&self) -> String {
        let build = self.build.as_deref().unwrap_or("unknown build");
        let version = self.version.as_deref().unwrap_or("unknown version");
        format!("{version}, {build}")
    }

    /// Returns whether the node may not deliver to its own subscribers, as FISCO nodes 2.0 to 2.5
    /// and 2.8 to 2.11 (channel-v2 section 7.6).
    pub(super) fn may_lack_local_delivery(&self) -> bool {
        let minor = self
            .version
            .as_deref()
            .and_then(|version| version.strip_prefix("2."))
            .and_then(|rest| rest.split('.').next())
            .and_then(|minor| minor.parse::<u32>().ok());
        !self.is_overlay() && matches!(minor, Some(0..=5 | 8..=11))
    }

    pub(super) fn require_local_delivery(&self) -> Checked<()> {
        if self.local_delivery {
            return Ok(());
        }
        Err(CheckProblem::Skipped(format!(
            "nodes of version {} do not deliver to their own subscribers (section 7.6); give \
             another node with --other",
            self.version.as_deref().unwrap_or_default()
        )))
    }

    pub(super) fn delivers_locally(&self) -> bool {
        self.local_delivery
    }
}

impl BenchRoute<'_> {
    /// Connects a session that publishes.
    pub(super) async fn publisher(&self) -> Checked<TestSession> {
        self.bench.connect(self.from).await
    }

    /// Connects a session that subscribes. The publisher's node may not know the subscription yet.
    pub(super) async fn subscriber(&self, topics: &[&str]) -> Checked<TestSession> {
        let mut link = self.bench.connect(self.to).await?;
        self.change(&mut link, topics).await?;
        Ok(link)
    }

    /// Replaces a subscriber's topics on its own node.
    pub(super) async fn change(&self, link: &mut TestSession, topics: &[&str]) -> Checked<()> {
        link.set_topics(topics).await?;
        self.bench.settle(self.to, link).await
    }

    /// Waits until the publisher's node knows of changes on the subscriber's node.
    ///
    /// Overlay nodes know as soon as a heartbeat after the change was answered.
    pub(super) async fn spread(&self) {
        if self.crosses() && !self.is_overlay() {
            sleep(TOPIC_SYNC).await;
        }
    }

    /// Connects a publisher and one subscriber of a new topic, ready to exchange messages.
    pub(super) async fn pair(&self, hint: &str) -> Checked<(TestSession, TestSession, String)> {
        let topic = self.bench.topic(hint);
        let subscriber = self.subscriber(&[&topic]).await?;
        let publisher = self.publisher().await?;
        self.spread().await;
        Ok((publisher, subscriber, topic))
    }

    /// Returns whether publisher and subscriber are on different nodes.
    pub(super) fn crosses(&self) -> bool {
        self.from.endpoint != self.to.endpoint
    }

    /// Returns whether both nodes are overlay nodes.
    pub(super) fn is_overlay(&self) -> bool {
        self.from.is_overlay() && self.to.is_overlay()
    }
}

/// Requests the result of `getClientVersion`.
pub(super) async fn client_version(link: &mut TestSession) -> Checked<Value> {
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion","params":[]}"#;
    let answer = link.ask(FrameType::RPC, request).await?;
    same("type of the answer", answer.kind, FrameType::RPC)?;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(answer["result"].clone())
}
