//! Prints the figures as a table.

use crate::trial::Trial;

pub(crate) fn print_head() {
    println!("latency in ms; memory of the largest node in MiB before, at most, 5 s after the end");
    println!(
        "{:<16} {:>7} {:>7} {:>8} {:>8} {:>6} {:>5} {:>16} {:>8} {:>9} {:>16}  misses",
        "attack",
        "p50",
        "p99",
        "p50 then",
        "p99 then",
        "ratio",
        "lost",
        "memory",
        "log KiB",
        "recovery",
        "done/stopped"
    );
}

pub(crate) fn print(trial: &Trial) {
    let [before, most, after] = trial.memory;
    let recovery = trial
        .recovery
        .map_or("never".into(), |ms| format!("{ms} ms"));
    let misses = trial.misses();
    println!(
        "{:<16} {:>7.2} {:>7.2} {:>8.2} {:>8.2} {:>6.1} {:>5} {:>16} {:>8} {:>9} {:>16}  {}",
        trial.attack,
        trial.before.p50,
        trial.before.p99,
        trial.during.p50,
        trial.during.p99,
        trial.ratio(),
        trial.lost,
        format!("{before}/{most}/{after}"),
        trial.logged,
        recovery,
        format!("{}/{}", trial.done[0], trial.done[1]),
        if misses.is_empty() {
            "none".into()
        } else {
            misses.join(", ")
        },
    );
}
