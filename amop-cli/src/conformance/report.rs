//! The results of all checks, as text and as JSON.

use std::{fmt, time::Duration};

use amop_proto::log::OneLine;
use serde_json::{Value, json};

use super::problem::{CheckProblem, Checked};

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The node does what it should. The remark, if any, describes a permitted difference.
    Passed {
        /// The permitted difference.
        remark: Option<String>,
    },
    /// The node does something else.
    Failed {
        /// What it should do.
        expected: String,
        /// What it did.
        got: String,
    },
    /// The check does not apply.
    Skipped {
        /// The reason.
        reason: String,
    },
}

impl From<Checked> for CheckOutcome {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(remark) => Self::Passed { remark },
            Err(CheckProblem::Failed { expected, got }) => Self::Failed { expected, got },
            Err(CheckProblem::Skipped(reason)) => Self::Skipped { reason },
        }
    }
}

/// The result of one check. Its `Display` is a line of the table, and more lines for a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The check's name; those across two nodes begin with `across/`.
    pub name: String,
    /// The section of channel-v2, or of ws-v3 for 3.x, that the check tests.
    pub section: &'static str,
    /// The behaviour of a node that passes.
    pub about: &'static str,
    /// The outcome.
    pub outcome: CheckOutcome,
    /// The duration of the check.
    pub elapsed: Duration,
}

impl CheckResult {
    /// Returns whether the node failed it.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, CheckOutcome::Failed { .. })
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "check": self.name,
            "section": self.section,
            "about": self.about,
            "milliseconds": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        match &self.outcome {
            CheckOutcome::Passed { remark } => {
                object["result"] = "ok".into();
                if let Some(remark) = remark {
                    object["remark"] = remark.as_str().into();
                }
            }
            CheckOutcome::Failed { expected, got } => {
                object["result"] = "failed".into();
                object["expected"] = expected.as_str().into();
                object["got"] = got.as_str().into();
            }
            CheckOutcome::Skipped { reason } => {
                object["result"] = "skipped".into();
                object["reason"] = reason.as_str().into();
            }
        }
        object
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            CheckOutcome::Passed { .. } => "ok",
            CheckOutcome::Failed { .. } => "FAIL",
            CheckOutcome::Skipped { .. } => "skipped",
        };
        write!(
            f,
            "{word:<8}{:<34}{:<6}{}",
            self.name, self.section, self.about
        )?;
        match &self.outcome {
            CheckOutcome::Passed { remark: None } => Ok(()),
            CheckOutcome::Passed {
                remark: Some(remark),
            } => write!(f, "\n        remark: {}", OneLine::new(remark)),
            CheckOutcome::Failed { expected, got } => {
                // A node may send any characters.
                let (expected, got) = (OneLine::new(expected), OneLine::new(got));
                write!(f, "\n        expected: {expected}\n        got:      {got}")
            }
            CheckOutcome::Skipped { reason } => write!(f, "\n        {}", OneLine::new(reason)),
        }
    }
}

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConformanceReport {
    /// The node.
    pub endpoint: String,
    /// The other node.
    pub other: Option<String>,
    /// The version and build that the node reports.
    pub node: String,
    /// The results, in the order in which the checks ran.
    pub results: Vec<CheckResult>,
}

impl ConformanceReport {
    /// Returns whether no check failed.
    pub fn is_conformant(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Returns the checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(|result| result.is_failure())
    }

    /// Returns the numbers of checks that passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let skipped =
            |result: &&CheckResult| matches!(result.outcome, CheckOutcome::Skipped { .. });
        let failed = self.failures().count();
        let skipped = self.results.iter().filter(skipped).count();
        (self.results.len() - failed - skipped, failed, skipped)
    }

    /// Returns a summary of one line.
    pub fn summary(&self) -> String {
        let (passed, failed, skipped) = self.counts();
        let seconds: f64 = self
            .results
            .iter()
            .map(|result| result.elapsed.as_secs_f64())
            .sum();
        format!(
            "{} ({}): {passed} ok, {failed} failed, {skipped} skipped in {seconds:.1} s",
            self.endpoint,
            OneLine::new(&self.node)
        )
    }

    /// Returns the report as a JSON object.
    pub fn to_json(&self) -> Value {
        let (passed, failed, skipped) = self.counts();
        json!({
            "endpoint": self.endpoint,
            "other": self.other,
            "node": self.node,
            "passed": passed,
            "failed": failed,
            "skipped": skipped,
            "checks": self.results.iter().map(CheckResult::to_json).collect::<Vec<_>>(),
        })
    }
}
