//! The checks of a node's port for SDKs of 3.x. Sections are those of ws-v3.
//!
//! Bodies of AMOP messages that are too short stop FISCO nodes (ws-v3 section 15), so none is ever sent.

mod link;
mod messages;
mod opening;
mod topics;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use amop_proto::ws::WsType;
use amop_tls::{ClientOptions, rustls::ClientConfig};
use serde_json::Value;

use self::link::{V3Link, is_type};
use super::{
    CheckResult, ConformanceError, ConformanceOptions, ConformanceReport,
    problem::{CheckProblem, Checked, failed},
    select_names, timed,
};
use crate::{WireError, wire};

/// A check of a node's port for SDKs of 3.x.
struct V3Check {
    name: &'static str,
    /// The section of ws-v3 that the check tests.
    section: &'static str,
    /// The behaviour of a node that passes.
    about: &'static str,
    run: for<'a> fn(&'a V3Bench) -> V3Running<'a>,
}

type V3Running<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

fn checks() -> impl Iterator<Item = &'static V3Check> {
    [opening::CHECKS, topics::CHECKS, messages::CHECKS]
        .into_iter()
        .flatten()
}

/// Returns the names of the checks, in the order in which they run.
pub(super) fn names() -> Vec<String> {
    checks().map(|check| check.name.to_owned()).collect()
}

/// Runs the checks one after the other.
pub(super) async fn run(
    options: &ConformanceOptions,
    mut on_result: impl FnMut(&CheckResult),
) -> Result<ConformanceReport, ConformanceError> {
    let wanted = select_names(&options.only, &names())?;
    let bench = V3Bench::prepare(options)?;
    // The connection must work, whatever the node says on it.
    drop(bench.connect().await?);
    let node = bench.describe().await;
    let mut results = Vec::new();
    for check in checks().filter(|check| wanted.iter().any(|name| name == check.name)) {
        let (section, about) = (check.section, check.about);
        let result = timed(check.name.to_owned(), section, about, (check.run)(&bench)).await;
        on_result(&result);
        results.push(result);
    }
    Ok(ConformanceReport {
        endpoint: options.endpoint.clone(),
        other: None,
        node,
        results,
    })
}

/// The environment of a run.
#[derive(Debug)]
struct V3Bench {
    endpoint: String,
    mode: amop_tls::Mode,
    tls: Arc<ClientConfig>,
    /// A part of all topic names and seqs that distinguishes this run from others.
    run: u64,
    count: AtomicU64,
}

impl V3Bench {
    fn prepare(options: &ConformanceOptions) -> Result<Self, ConformanceError> {
        // A tap in between may show an SDK's certificates.
        let nodes = ClientOptions::default().sdk_certificates_as_nodes(true);
        let identity = &options.identity;
        Ok(Self {
            endpoint: options.endpoint.clone(),
            mode: identity.mode(),
            tls: identity.dialling(&identity.verifier_of_nodes(nodes))?,
            run: rand::random(),
            count: AtomicU64::new(0),
        })
    }

    fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns a topic that nothing else uses.
    fn topic(&self, name: &str) -> String {
        format!("conformance/{:016x}/{}/{name}", self.run, self.number())
    }

    /// Returns a seq of 32 characters, as SDKs make them.
    fn seq(&self) -> String {
        format!("{:016x}{:016x}", self.run, self.number())
    }

    /// Connects with TLS alone.
    async fn connect(&self) -> Result<V3Link, WireError> {
        let stream = wire::connect(&self.endpoint, self.tls.clone(), self.mode).await?;
        Ok(V3Link::new(stream))
    }

    /// Connects and does the upgrade.
    async fn upgraded(&self) -> Checked<V3Link> {
        let mut link = self.connect().await?;
        let answer = link.upgrade(link::UPGRADE).await?;
        match answer.starts_with("HTTP/1.1 101 ") {
            true => Ok(link),
            false => failed("the status 101", answer),
        }
    }

    /// Connects, and does the upgrade and the handshake.
    async fn session(&self) -> Checked<V3Link> {
        Ok(self.greeted().await?.0)
    }

    /// Does the same, and returns the answer to the handshake.
    async fn greeted(&self) -> Checked<(V3Link, Value)> {
        let mut link = self.upgraded().await?;
        let seq = self.seq();
        let hello = r#"{"maxVersion":2,"minVersion":0,"moduleID":2}"#;
        link.send(WsType::HANDSHAKE, &seq, hello).await?;
        let answer = link.answer(&seq).await?;
        is_type(&answer, WsType::HANDSHAKE)?;
        match serde_json::from_slice(&answer.payload) {
            Ok(answer) => Ok((link, answer)),
            Err(error) => failed("JSON as the answer to the handshake", error.to_string()),
        }
    }

    async fn describe(&self) -> String {
        match self.greeted().await {
            Ok((_, answer)) => {
                let version = &answer["protocolVersion"];
                format!("3.x, protocol version {version}")
            }
            Err(CheckProblem::Failed { .. } | CheckProblem::Skipped(_)) => "unknown".to_owned(),
        }
    }

    /// Connects a subscriber, and waits until the node knows its topics: nothing says so, so it
    /// sends itself a message on a topic of its own.
    async fn subscriber(&self, topics: &[&str]) -> Checked<V3Link> {
        let mut link = self.session().await?;
        self.subscribe(&mut link, topics).await?;
        Ok(link)
    }

    async fn subscribe(&self, link: &mut V3Link, topics: &[&str]) -> Checked<()> {
        let own = self.topic("own");
        let topics = [topics, &[&own]].concat();
        let list = serde_json::json!({ "topics": topics });
        link.send(WsType::SET_TOPICS, &self.seq(), list.to_string())
            .await?;
        loop {
            let seq = self.seq();
            link.publish(WsType::UNICAST, &seq, own.as_bytes(), b"x")
                .await?;
            let message = link.message().await?;
            if message.kind == WsType::UNICAST {
                link.reply(&message, 0, b"").await?;
                // The answer, or nothing else: on some nodes the message has the publisher's own seq.
                link.answer(&seq).await?;
                return Ok(());
            }
            // Not known yet.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Checks that a subscriber gets a multicast.
    async fn multicast(&self, [from, to]: [&mut V3Link; 2], topic: &str) -> Checked<()> {
        from.publish(WsType::MULTICAST, &self.seq(), topic.as_bytes(), b"x")
            .await?;
        to.delivery(WsType::MULTICAST, topic.as_bytes(), b"x")
            .await?;
        Ok(())
    }

    /// Checks that nothing else has arrived: the node answers a message to nobody, and that first.
    async fn quiet(&self, link: &mut V3Link) -> Checked<()> {
        let seq = self.seq();
        let nobody = self.topic("nobody");
        link.publish(WsType::UNICAST, &seq, nobody.as_bytes(), b"x")
            .await?;
        let answer = link.message().await?;
        if answer.seq.as_bytes() == seq.as_bytes() {
            return Ok(());
        }
        failed("nothing", link::shown(&answer))
    }
}
