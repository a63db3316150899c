//! Checks of a node's behaviour on the wire. The node may be an overlay node, a FISCO node, or one
//! that is being written.
//!
//! The kit speaks raw frames over TLS, not through the `amop` client, so that a check sends exactly
//! what its source says. The sources are a description of the protocol that can be run: each check
//! is a small function with a section of channel-v2. Where FISCO nodes are known to differ from the
//! protocol, a check accepts both and adds a remark. Frames that would harm a FISCO node are never
//! sent to one.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use amop_cli::conformance::{self, ConformanceOptions};
//!
//! let network = amop_node::Network::start(1).await?;
//! let mut options = ConformanceOptions::new(network.endpoint(0), network.sdk());
//! options.only = vec!["handshake-versions".into()];
//! let report = conformance::run(&options, |result| println!("{result}")).await?;
//! assert!(report.is_conformant());
//! network.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod bench;
mod between;
mod frames;
mod handshake;
mod heartbeat;
mod link;
mod multicast;
mod problem;
mod report;
mod rpc;
mod tls;
mod topics;
mod unicast;
mod v3;

use std::{pin::Pin, time::Duration};

use amop_tls::{Identity, TlsError};
use tokio::time::{Instant, timeout};

pub use self::report::{CheckOutcome, CheckResult, ConformanceReport};
use self::{
    bench::{Bench, BenchRoute},
    problem::{CheckProblem, Checked, failed},
};
use crate::WireError;

/// The maximum time of a check. A FISCO node's slowest answer comes after 30 s (channel-v2 section
/// 7.2), and checks across two FISCO nodes wait for topics to spread first.
const CHECK: Duration = Duration::from_secs(60);

/// The generation of the protocol that a node is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckedChain {
    /// FISCO BCOS 2.x: the channel port.
    #[default]
    V2,
    /// FISCO BCOS 3.x: the port for SDKs.
    V3,
}

/// The options of a run.
#[derive(Debug, Clone)]
pub struct ConformanceOptions {
    /// The node's channel port, or its port for SDKs of 3.x: `host:port`.
    pub endpoint: String,
    /// The generation of the protocol there.
    pub chain: CheckedChain,
    /// The channel port of another node of the same network, for the checks across two nodes. 3.x has
    /// no such checks.
    pub other: Option<String>,
    /// An SDK's certificates that both nodes accept.
    pub identity: Identity,
    /// The names of the checks to run; all if empty. A name that ends in `*` selects all checks
    /// with this prefix.
    pub only: Vec<String>,
}

impl ConformanceOptions {
    /// Creates options that run all checks of one node of 2.x.
    pub fn new(endpoint: impl Into<String>, identity: Identity) -> Self {
        Self {
            endpoint: endpoint.into(),
            chain: CheckedChain::V2,
            other: None,
            identity,
            only: Vec::new(),
        }
    }
}

/// The checks did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// The connection to a node failed.
    #[error(transparent)]
    Connect(#[from] WireError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No check has this name.
    #[error("there is no check {name:?}; there are: {}", known.join(", "))]
    NoSuchCheck {
        /// The given name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
}

/// Runs the checks one after the other; `on_result` gets each result as soon as it is known.
///
/// # Errors
///
/// [`ConformanceError`] if a node cannot be reached or no check has a given name. A failed check is
/// not an error; it is in the [`ConformanceReport`].
pub async fn run(
    options: &ConformanceOptions,
    mut on_result: impl FnMut(&CheckResult),
) -> Result<ConformanceReport, ConformanceError> {
    if options.chain == CheckedChain::V3 {
        return v3::run(options, on_result).await;
    }
    let plans = select(&options.only)?;
    let bench = Bench::prepare(options).await?;
    let mut results = Vec::new();
    for plan in plans {
        let (section, about) = (plan.check.section, plan.check.about);
        let result = timed(plan.name(), section, about, plan.run(&bench)).await;
        on_result(&result);
        results.push(result);
    }
    Ok(ConformanceReport {
        endpoint: options.endpoint.clone(),
        other: options.other.clone(),
        node: bench.node.describe(),
        results,
    })
}

/// Runs a check for as long as it may take.
async fn timed(
    name: String,
    section: &'static str,
    about: &'static str,
    running: impl Future<Output = Checked>,
) -> CheckResult {
    let started = Instant::now();
    let checked = timeout(CHECK, running).await.unwrap_or_else(|_| {
        failed(
            format!("an outcome within {} s", CHECK.as_secs()),
            "none".to_owned(),
        )
    });
    CheckResult {
        name,
        section,
        about,
        outcome: checked.into(),
        elapsed: started.elapsed(),
    }
}

/// Returns the names of all checks of 2.x, in the order in which they run.
pub fn names() -> Vec<String> {
    names_of(CheckedChain::V2)
}

/// Returns the names of all checks of a generation, in the order in which they run.
pub fn names_of(chain: CheckedChain) -> Vec<String> {
    match chain {
        CheckedChain::V2 => plans().map(|plan| plan.name()).collect(),
        CheckedChain::V3 => v3::names(),
    }
}

/// A check of one theme.
struct Check {
    name: &'static str,
    /// The section of channel-v2 that the check tests.
    section: &'static str,
    /// The behaviour of a node that passes.
    about: &'static str,
    run: Run,
}

type Running<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

enum Run {
    /// Runs on one node.
    Node(for<'a> fn(&'a Bench) -> Running<'a>),
    /// Runs with a publisher and subscribers, once on one node and once across two.
    Route(for<'a> fn(&'a BenchRoute<'a>) -> Running<'a>),
    /// Runs across two nodes.
    Between(for<'a> fn(&'a BenchRoute<'a>) -> Running<'a>),
}

/// A check with the place where it runs.
struct PlannedCheck {
    check: &'static Check,
    across: bool,
}

impl PlannedCheck {
    fn name(&self) -> String {
        let prefix = if self.across { "across/" } else { "" };
        format!("{prefix}{}", self.check.name)
    }

    async fn run(&self, bench: &Bench) -> Checked {
        let route = |to| BenchRoute {
            bench,
            from: &bench.node,
            to,
        };
        match self.check.run {
            Run::Node(run) => run(bench).await,
            Run::Route(run) | Run::Between(run) if self.across => {
                let Some(other) = &bench.other else {
                    return Err(CheckProblem::Skipped("needs --other".to_owned()));
                };
                run(&route(other)).await
            }
            Run::Route(run) | Run::Between(run) => {
                bench.node.require_local_delivery()?;
                run(&route(&bench.node)).await
            }
        }
    }
}

/// Returns every check of every theme: first the checks of one node, then those across two.
fn plans() -> impl Iterator<Item = PlannedCheck> {
    let themes = [
        tls::CHECKS,
        handshake::CHECKS,
        heartbeat::CHECKS,
        rpc::CHECKS,
        frames::CHECKS,
        topics::CHECKS,
        unicast::CHECKS,
        multicast::CHECKS,
        between::CHECKS,
    ];
    let all = move || themes.into_iter().flatten();
    let alone = all()
        .filter(|check| !matches!(check.run, Run::Between(_)))
        .map(|check| PlannedCheck {
            check,
            across: false,
        });
    let across = all()
        .filter(|check| !matches!(check.run, Run::Node(_)))
        .map(|check| PlannedCheck {
            check,
            across: true,
        });
    alone.chain(across)
}

fn select(only: &[String]) -> Result<Vec<PlannedCheck>, ConformanceError> {
    let wanted = select_names(only, &names())?;
    Ok(plans()
        .filter(|plan| wanted.contains(&plan.name()))
        .collect())
}

/// Returns those of the known names that are wanted.
fn select_names(only: &[String], known: &[String]) -> Result<Vec<String>, ConformanceError> {
    let matches = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    for pattern in only {
        if !known.iter().any(|name| matches(pattern, name)) {
            return Err(ConformanceError::NoSuchCheck {
                name: pattern.clone(),
                known: known.to_vec(),
            });
        }
    }
    let is_wanted =
        |name: &&String| only.is_empty() || only.iter().any(|pattern| matches(pattern, name));
    Ok(known.iter().filter(is_wanted).cloned().collect())
}

#[cfg(test)]
mod tests;
