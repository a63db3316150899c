//! The result of a run, as text and as JSON.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{books::Sums, faults::Tally, missing::Missing};

/// The result of a run.
#[derive(Debug)]
pub(crate) struct ChaosReport {
    /// A description of the network.
    pub(crate) network: String,
    pub(crate) seed: u64,
    /// The time spent sending.
    pub(crate) took: Duration,
    /// The requested number of unicasts.
    pub(crate) wanted: usize,
    pub(crate) unicasts: Sums,
    pub(crate) multicasts: Sums,
    /// Copies of acknowledged multicasts that subscribers did not receive.
    pub(crate) missing: Missing,
    pub(crate) tally: Tally,
}

impl ChaosReport {
    /// Returns whether no acknowledged message was lost and no subscriber received a message twice.
    pub(crate) fn is_good(&self) -> bool {
        self.unicasts.hold() && self.multicasts.nothing_twice() && self.missing.lost == 0
    }

    /// Returns the median and the longest time until messages took another path.
    fn detours(&self) -> Option<(Duration, Duration)> {
        let mut detours = self.tally.detours.clone();
        detours.sort_unstable();
        Some((*detours.get(detours.len() / 2)?, *detours.last()?))
    }

    /// Returns the report as JSON; times are in milliseconds.
    pub(crate) fn to_json(&self) -> Value {
        let of = |sums: &Sums| {
            json!({
                "sent": sums.sent,
                "acknowledged": sums.acknowledged,
                "unfinished": sums.unfinished,
                "failed": sums.failures,
                "delivered": sums.delivered,
                "deliveries": sums.deliveries,
                "duplicated": sums.duplicated,
                "wrong": sums.wrong.iter().map(|(what, (count, _))| (*what, *count))
                    .collect::<std::collections::BTreeMap<_, _>>(),
            })
        };
        let mut unicasts = of(&self.unicasts);
        unicasts["lost"] = self.unicasts.lost.into();
        unicasts["redelivered"] = self.unicasts.redelivered.into();
        unicasts["unconfirmed"] = self.unicasts.unconfirmed.into();
        let mut multicasts = of(&self.multicasts);
        multicasts["missing"] = json!({
            "full_queues": self.missing.queues,
            "faults": self.missing.faults,
            "lost": self.missing.lost,
        });
        let detours = self.detours();
        json!({
            "good": self.is_good(),
            "network": self.network,
            "seed": self.seed,
            "took_ms": millis(self.took),
            "unicasts": unicasts,
            "multicasts": multicasts,
            "faults": self.tally.faults,
            "skipped": self.tally.skipped,
            "detour": {
                "measured": self.tally.detours.len(),
                "p50_ms": detours.map(|(median, _)| millis(median)),
                "max_ms": detours.map(|(_, max)| millis(max)),
                "none": self.tally.no_detour,
                "unmeasured": self.tally.unmeasured,
            },
        })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unicasts,
            multicasts,
            missing,
            tally,
            ..
        } = self;
        let seconds = self.took.as_secs_f64();
        let rate = unicasts.sent as f64 / seconds.max(0.001);
        writeln!(f, "{}, seed {}", self.network, self.seed)?;
        writeln!(f, "{seconds:.1} s, {rate:.0} unicasts per second")?;
        let faults = tally
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        let faults: Vec<String> = faults.collect();
        writeln!(
            f,
            "  faults      {} ({} skipped)",
            faults.join(", "),
            tally.skipped
        )?;
        writeln!(
            f,
            "  unicasts    sent {} acknowledged {} failed {} delivered {} lost {} duplicated {} \
             redelivered {}",
            unicasts.sent,
            unicasts.acknowledged,
            unicasts.failed(),
            unicasts.delivered,
            unicasts.lost,
            unicasts.duplicated,
            unicasts.redelivered,
        )?;
        for (kind, count) in &unicasts.failures {
            writeln!(f, "  failed      {count} {kind}")?;
        }
        if unicasts.unconfirmed > 0 {
            let count = unicasts.unconfirmed;
            writeln!(
                f,
                "  unconfirmed {count} delivered, though not acknowledged"
            )?;
        }
        write!(f, "{unicasts}")?;
        writeln!(
            f,
            "  multicasts  sent {} acknowledged {} failed {} copies {} lost {} duplicated {}",
            multicasts.sent,
            multicasts.acknowledged,
            multicasts.failed(),
            multicasts.deliveries,
            missing.lost,
            multicasts.duplicated,
        )?;
        if missing.all() > missing.lost {
            writeln!(
                f,
                "  missing     {} copies dropped by full subscriber queues, {} lost to faults",
                missing.queues, missing.faults
            )?;
        }
        write!(f, "{multicasts}{missing}")?;
        match self.detours() {
            Some((median, max)) => writeln!(
                f,
                "  other path  {} cuts measured: p50 {:.1} ms, max {:.1} ms; {} without another path",
                tally.detours.len(),
                millis(median),
                millis(max),
                tally.no_detour,
            )?,
            None => writeln!(
                f,
                "  other path  no cut measured; {} without another path",
                tally.no_detour
            )?,
        }
        if unicasts.sent < self.wanted as u64 {
            let (sent, wanted) = (unicasts.sent, self.wanted);
            writeln!(f, "  stopped     after {sent} of {wanted} unicasts")?;
        }
        f.write_str(if self.is_good() {
            "No acknowledged message was lost, and no subscriber received a message twice."
        } else {
            "FAILED: see above."
        })
    }
}

#[cfg(test)]
mod tests;
