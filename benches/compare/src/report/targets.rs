//! The targets of the comparison.

use std::fmt;

use serde::Serialize;

use super::{Report, cpu_per_million, idle_cpu, kib_per_client};
use crate::job::{Outcome, System};

/// A target and the measured value.
#[derive(Debug, Serialize)]
pub struct Verdict {
    target: String,
    /// The value; `None` if it could not be measured.
    measured: Option<f64>,
    bound: f64,
    at_least: bool,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.measured.is_some_and(|measured| {
            if self.at_least {
                measured >= self.bound
            } else {
                measured <= self.bound
            }
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, bound, .. } = self;
        let sign = if self.at_least { ">=" } else { "<=" };
        let measured = self
            .measured
            .map_or("-".to_owned(), |it| format!("{it:.2}"));
        let word = if self.holds() { "holds" } else { "MISSED" };
        write!(f, "| {target} {sign} {bound} | {measured} | {word} |")
    }
}

/// Compares a run with the targets of the works that it has measured.
pub fn judge(report: &Report) -> Vec<Verdict> {
    let rate = |outcome: &Outcome| Some(outcome.rate());
    let median = |id: &str, system, figure: &dyn Fn(&Outcome) -> Option<f64>| {
        Some(report.spread(id, system, figure)?.median)
    };
    let ratio_of = |of, id: &str, to, figure: &dyn Fn(&Outcome) -> Option<f64>| {
        Some(median(id, of, figure)? / median(id, to, figure)?)
    };
    let ratio = |id: &str, to, figure: &dyn Fn(&Outcome) -> Option<f64>| {
        ratio_of(System::Amop, id, to, figure)
    };
    let p50 = |outcome: &Outcome| outcome.latency(0.5);
    let p99 = |outcome: &Outcome| outcome.latency(0.99);
    let (nats, raw, amop, v3) = (System::Nats, System::Raw, System::Amop, System::Amop3);
    #[rustfmt::skip]
    let all = [
        ("w1", "messages/s, to NATS", ratio("w1", nats, &rate), 2.0, true),
        ("w1", "CPU per message, to NATS", ratio("w1", nats, &cpu_per_million), 0.7, false),
        ("w2", "p50, to NATS", ratio("w2", nats, &p50), 0.8, false),
        ("w2", "p99, to NATS", ratio("w2", nats, &p99), 0.8, false),
        ("w3", "requests/s, to NATS", ratio("w3", nats, &rate), 2.0, true),
        ("w3", "CPU per request, to NATS", ratio("w3", nats, &cpu_per_million), 0.7, false),
        ("w4-1000", "deliveries/s, to NATS", ratio("w4-1000", nats, &rate), 1.5, true),
        ("w5", "MB/s, to raw TLS", ratio("w5", raw, &rate), 0.5, true),
        ("w6-1000", "KiB per client", median("w6-1000", amop, &kib_per_client), 40.0, false),
        ("w6-1000", "% of a core", median("w6-1000", amop, &idle_cpu), 1.0, false),
        ("w6-10000", "KiB per client", median("w6-10000", amop, &kib_per_client), 40.0, false),
        ("w6-10000", "% of a core", median("w6-10000", amop, &idle_cpu), 5.0, false),
        ("w1", "3.x: messages/s, to NATS", ratio_of(v3, "w1", nats, &rate), 1.5, true),
        ("w2", "3.x: p50, to NATS", ratio_of(v3, "w2", nats, &p50), 0.8, false),
        ("w3", "3.x: requests/s, to NATS", ratio_of(v3, "w3", nats, &rate), 1.5, true),
        ("w6-1000", "3.x: KiB per client", median("w6-1000", v3, &kib_per_client), 48.0, false),
        ("w7", "ms", median("w7", amop, &|outcome| Some(p50(outcome)? / 1e6)), 5.0, false),
    ];
    all.into_iter()
        .filter(|(id, ..)| report.cases.iter().any(|(case, _)| case.id == *id))
        .map(|(id, what, measured, bound, at_least)| Verdict {
            target: format!("{}: {what}", id.to_uppercase()),
            measured,
            bound,
            at_least,
        })
        .collect()
}
