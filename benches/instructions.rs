//! Counts the instructions of every case under valgrind: `benches/instructions.sh`.
//!
//! Unlike times, the counts hardly depend on the machine and its load, so that they can be compared
//! with a baseline, `benches/instructions.txt`.
//!
//! Callgrind runs this program once for each case and counts while [`measured_operations`] runs:
//! the setup of a case is not counted.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use amop_benches::{Case, Operation, all};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use tempfile::NamedTempFile;

/// The name of the function whose instructions are counted.
const MEASURED: &str = "measured_operations";

/// Counts the instructions of the micro-benchmarks.
#[derive(Debug, Parser)]
struct Options {
    /// Fail if a case costs more than the baseline plus the tolerance, or is not in the baseline.
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// How much more a case may cost, in percent. The same code built elsewhere may change small
    /// cases by up to 10.
    #[arg(long, default_value_t = 10.0)]
    tolerance: f64,
    /// Write a new baseline.
    #[arg(long)]
    update: bool,
    /// Count only cases whose names contain this.
    #[arg(long, default_value = "", conflicts_with = "update")]
    only: String,
    /// Run one case; callgrind is started with this option.
    #[arg(long, hide = true)]
    measure: Option<String>,
    /// Passed by `cargo bench`; has no effect.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(name) = &options.measure {
        let case = all().find(|case| case.name == name);
        let case = case.with_context(|| format!("no case is called {name}"))?;
        measured_operations(&mut case.start(), case.counted);
        return Ok(ExitCode::SUCCESS);
    }
    let cases: Vec<&Case> = all()
        .filter(|case| case.counted > 0 && case.name.contains(&options.only))
        .collect();
    ensure!(!cases.is_empty(), "no case is called {:?}", options.only);
    if !has_valgrind()? {
        println!("SKIPPED: valgrind is not installed; instructions are not counted");
        return Ok(ExitCode::SUCCESS);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let baseline = match fs::read_to_string(&path) {
        Ok(text) => read_baseline(&text).with_context(|| format!("in {}", path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut counts = Vec::new();
    let mut good = true;
    println!("{:40} {:>12} {:>12}", "case", "instructions", "baseline");
    for case in cases {
        let count = count(case).with_context(|| format!("cannot count {case}"))?;
        let before = baseline.get(case.name).copied();
        let (holds, verdict) = compare(count, before, options.tolerance);
        let before = before.map_or("-".to_owned(), |before| before.to_string());
        println!("{:40} {count:>12} {before:>12} {verdict}", case.name);
        good &= holds;
        counts.push((case.name, count));
    }
    if options.update {
        fs::write(&path, baseline_text(&counts))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    } else if options.check && !good {
        println!(
            "too expensive, or not in the baseline; if this is intended: instructions.sh --update"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// A function whose name, [`MEASURED`], tells callgrind what to count.
#[inline(never)]
fn measured_operations(operation: &mut Operation, times: u32) {
    for _ in 0..times {
        operation();
    }
}

fn has_valgrind() -> anyhow::Result<bool> {
    let mut command = Command::new("valgrind");
    match command.arg("--version").stdout(Stdio::null()).status() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot run valgrind"),
    }
}

/// Returns the instructions per operation of a case.
fn count(case: &Case) -> anyhow::Result<u64> {
    let out = NamedTempFile::new().context("no room for callgrind's output")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*{MEASURED}*"))
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(env::current_exe().context("cannot find this program")?)
        .args(["--measure", case.name])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "callgrind failed:\n{said}");
    let dump = fs::read_to_string(out.path()).context("callgrind wrote nothing")?;
    Ok(total(&dump)? / u64::from(case.counted))
}

/// Returns the number of instructions in a dump.
fn total(dump: &str) -> anyhow::Result<u64> {
    let line = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = line.context("there is no total")?.trim();
    let total = total.parse().with_context(|| format!("{total:?}"))?;
    ensure!(total > 0, "nothing was counted");
    Ok(total)
}

/// Returns whether a count is acceptable, and a text about it.
fn compare(count: u64, before: Option<u64>, tolerance: f64) -> (bool, String) {
    let Some(before) = before else {
        return (false, "not in the baseline".to_owned());
    };
    let percent = (count as f64 / before as f64 - 1.0) * 100.0;
    let good = percent <= tolerance;
    let verdict = if good { "" } else { " too much" };
    (good, format!("{percent:+.1} %{verdict}"))
}

fn baseline_text(counts: &[(&str, u64)]) -> String {
    let mut text = String::from(
        "# Instructions per operation, by callgrind. Written by `benches/instructions.sh --update`.\n",
    );
    for (name, count) in counts {
        text += &format!("{name} {count}\n");
    }
    text
}

fn read_baseline(text: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut baseline = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ').map(|(name, n)| (name, n.parse())) {
            Some((name, Ok(count))) if count > 0 => baseline.insert(name.to_owned(), count),
            _ => bail!("not a case and its count: {line:?}"),
        };
    }
    Ok(baseline)
}
