//! The results of a run: the tables, the targets, the files.

mod machine;
mod plot;
mod targets;

use std::{fmt::Write as _, fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use serde_json::json;

use self::{machine::Machine, targets::Verdict};
use crate::{
    job::{Outcome, System, Work},
    run::Case,
};

/// One measurement, or the reason why there is none.
#[derive(Debug)]
pub struct Measured {
    pub system: System,
    pub result: Result<Outcome>,
}

/// Everything measured.
#[derive(Debug)]
pub struct Report {
    machine: Machine,
    quick: bool,
    rounds: usize,
    cases: Vec<(Case, Vec<Measured>)>,
    skipped: Vec<(Case, &'static str)>,
}

/// Median, minimum and maximum of some rounds.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values[middle - 1] + values[middle]) / 2.0
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }

    fn cell(self, digits: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
    }
}

/// Prints a line when a measurement ends.
pub fn progress(
    case: &Case,
    system: System,
    round: usize,
    rounds: usize,
    result: &Result<Outcome>,
) {
    let Case { id, .. } = case;
    match result {
        Ok(outcome) => {
            let what = match case.work {
                Work::Idle { .. } => {
                    format!(
                        "{:.1} KiB per client",
                        kib_per_client(outcome).unwrap_or(f64::NAN)
                    )
                }
                Work::Interest { .. } => String::new(),
                _ => format!("{:.0}/s", outcome.rate()),
            };
            let latency = outcome
                .latency(0.5)
                .map(|ns| format!(" p50 {:.0} us", ns / 1e3));
            let latency = latency.unwrap_or_default();
            eprintln!("{id} {system} round {round}/{rounds}: {what}{latency}");
        }
        Err(error) => eprintln!("{id} {system} round {round}/{rounds}: FAILED: {error:#}"),
    }
}

fn kib_per_client(outcome: &Outcome) -> Option<f64> {
    let (before, after) = outcome.rss?;
    Some(after.saturating_sub(before) as f64 / 1024.0 / outcome.count as f64)
}

/// Returns the CPU seconds of all processes per million messages.
fn cpu_per_million(outcome: &Outcome) -> Option<f64> {
    Some(outcome.cpu.total()? / outcome.count as f64 * 1e6)
}

impl Report {
    pub fn new(quick: bool, rounds: usize) -> Self {
        Self {
            machine: Machine::look(),
            quick,
            rounds,
            cases: Vec::new(),
            skipped: Vec::new(),
        }
    }

    pub fn add(&mut self, case: Case, measured: Measured) {
        match self.cases.last_mut() {
            Some((last, all)) if last.id == case.id => all.push(measured),
            _ => self.cases.push((case, vec![measured])),
        }
    }

    pub fn skipped(&mut self, case: Case, why: &'static str) {
        self.skipped.push((case, why));
    }

    /// Returns the spread of a figure over a system's rounds in a case.
    fn spread(
        &self,
        id: &str,
        system: System,
        figure: impl Fn(&Outcome) -> Option<f64>,
    ) -> Option<Spread> {
        let (_, measured) = self.cases.iter().find(|(case, _)| case.id == id)?;
        let of_system = measured.iter().filter(|one| one.system == system);
        let outcomes = of_system.filter_map(|one| one.result.as_ref().ok());
        Spread::of(outcomes.filter_map(figure))
    }

    fn failures(&self) -> usize {
        let all = self.cases.iter().flat_map(|(_, measured)| measured);
        all.filter(|one| one.result.is_err()).count()
    }

    /// Prints the report, writes it to a folder, and returns the exit code of the run.
    pub fn write(&self, out: &Path) -> Result<ExitCode> {
        let verdicts = targets::judge(self);
        let mut text = self.text(&verdicts);
        let failures = self.failures();
        let held = verdicts.iter().filter(|verdict| verdict.holds()).count();
        let (code, word) = match (failures, held == verdicts.len()) {
            (0, true) => (0, "PASS"),
            (0, false) => (1, "FAIL"),
            _ => (2, "BROKEN"),
        };
        let _ = writeln!(
            text,
            "{word}: {held} of {} targets hold, {failures} measurements failed, {} skipped",
            verdicts.len(),
            self.skipped.len()
        );
        print!("{text}");
        let save = |name: &str, content: &str| {
            let path = out.join(name);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
        };
        save("report.md", &text)?;
        save("results.json", &self.json(&verdicts)?)?;
        plot::latencies(self, out)?;
        Ok(ExitCode::from(code))
    }

    fn text(&self, verdicts: &[Verdict]) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# Comparison\n\n{}", self.machine);
        let rounds = self.rounds;
        let kind = if self.quick { " (quick)" } else { "" };
        let _ = writeln!(
            text,
            "Medians of {rounds} rounds{kind}, systems in turn in each round; minimum and maximum \
             in parentheses.\n"
        );
        for (case, _) in &self.cases {
            let _ = writeln!(text, "## {}: {}\n", case.id.to_uppercase(), case.title);
            self.table(&mut text, case);
            text.push('\n');
        }
        for (case, why) in &self.skipped {
            let _ = writeln!(text, "{} ({}) skipped: {why}", case.id, case.title);
        }
        for (case, measured) in &self.cases {
            for Measured { system, result } in measured {
                if let Err(error) = result {
                    let _ = writeln!(text, "{} {system} FAILED: {error:#}", case.id);
                }
            }
        }
        let _ = writeln!(
            text,
            "\n## Targets\n\n| target | measured | |\n| --- | --- | --- |"
        );
        for verdict in verdicts {
            let _ = writeln!(text, "{verdict}");
        }
        text.push('\n');
        text
    }

    fn table(&self, text: &mut String, case: &Case) {
        use Column as C;
        let columns: &[Column] = match case.work {
            Work::Spread { size, .. } if size >= 1 << 20 => {
                &[C::Megabytes, C::To(System::Raw), C::CpuPerMillion]
            }
            Work::Spread { .. } => &[
                C::Rate,
                C::To(System::Nats),
                C::To(System::Raw),
                C::CpuPerMillion,
            ],
            Work::Ask { in_flight: 1, .. } => &[
                P50,
                P99,
                P999,
                C::Rate,
                C::To(System::Nats),
                C::CpuPerMillion,
            ],
            Work::Ask { .. } => &[
                C::Rate,
                C::To(System::Nats),
                C::To(System::Raw),
                P50,
                P99,
                C::CpuPerMillion,
            ],
            Work::Idle { .. } => &[C::Resident, C::PerClient, C::IdleCpu],
            Work::Interest { .. } => &[P50, P99],
        };
        text.push_str("| system |");
        for column in columns {
            let _ = write!(text, " {} |", column.title());
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(columns.len()));
        text.push('\n');
        for system in System::ALL.into_iter().filter(|&system| case.has(system)) {
            let _ = write!(text, "| {system} |");
            for column in columns {
                let cell = column
                    .cell(self, case.id, system)
                    .unwrap_or_else(|| "-".to_owned());
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
    }

    fn json(&self, verdicts: &[Verdict]) -> Result<String> {
        let cases = self.cases.iter().map(|(case, measured)| {
            let rounds = measured.iter().map(|one| match &one.result {
                Ok(outcome) => json!({"system": one.system, "outcome": outcome}),
                Err(error) => json!({"system": one.system, "error": format!("{error:#}")}),
            });
            json!({"id": case.id, "title": case.title, "work": case.work, "measured": rounds.collect::<Vec<_>>()})
        });
        let skipped = self
            .skipped
            .iter()
            .map(|(case, why)| json!({"id": case.id, "why": why}));
        let value = json!({
            "machine": self.machine,
            "quick": self.quick,
            "rounds": self.rounds,
            "cases": cases.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
            "targets": verdicts,
        });
        Ok(serde_json::to_string_pretty(&value)?)
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
enum Column {
    Rate,
    Megabytes,
    To(System),
    CpuPerMillion,
    /// The latency that this fraction of all messages does not exceed.
    Latency(&'static str, f64),
    Resident,
    PerClient,
    IdleCpu,
}

const P50: Column = Column::Latency("p50 us", 0.5);
const P99: Column = Column::Latency("p99 us", 0.99);
const P999: Column = Column::Latency("p99.9 us", 0.999);

impl Column {
    fn title(self) -> String {
        match self {
            Self::Rate => "per second".to_owned(),
            Self::Megabytes => "MB/s".to_owned(),
            Self::To(system) => format!("to {system}"),
            Self::CpuPerMillion => "CPU s per million".to_owned(),
            Self::Latency(title, _) => title.to_owned(),
            Self::Resident => "resident MiB before and with them".to_owned(),
            Self::PerClient => "KiB per client".to_owned(),
            Self::IdleCpu => "CPU of both servers, % of a core".to_owned(),
        }
    }

    /// Returns the text of this column for a system, if it was measured.
    fn cell(self, report: &Report, id: &str, system: System) -> Option<String> {
        let spread = |figure: &dyn Fn(&Outcome) -> Option<f64>| report.spread(id, system, figure);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Some(match self {
            Self::Rate => spread(&|outcome| Some(outcome.rate()))?.cell(0),
            Self::Megabytes => {
                spread(&|outcome| Some(outcome.rate() * f64::from(1 << 20) / 1e6))?.cell(0)
            }
            Self::To(other) if other == system => return None,
            Self::To(other) => {
                let of = |system| report.spread(id, system, |outcome| Some(outcome.rate()));
                format!("{:.2}", of(system)?.median / of(other)?.median)
            }
            Self::CpuPerMillion => spread(&cpu_per_million)?.cell(1),
            Self::Latency(_, share) => {
                spread(&|outcome| Some(outcome.latency(share)? / 1e3))?.cell(0)
            }
            Self::Resident => {
                let before = spread(&|outcome| Some(mib(outcome.rss?.0)))?;
                let with = spread(&|outcome| Some(mib(outcome.rss?.1)))?;
                format!("{:.1}, {:.1}", before.median, with.median)
            }
            Self::PerClient => spread(&kib_per_client)?.cell(1),
            Self::IdleCpu => spread(&idle_cpu)?.cell(2),
        })
    }
}

fn idle_cpu(outcome: &Outcome) -> Option<f64> {
    Some(outcome.cpu.servers? / outcome.seconds * 100.0)
}
