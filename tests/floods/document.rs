//! The tables in the document match the code.

use std::{collections::BTreeSet, fs, path::Path};

use amop_node::{Limits, ListenLimits, Stats, config::NodeConfig};

/// Returns the fields of a struct and their values, from its `Debug`: all of them.
fn fields(shown: &str) -> impl Iterator<Item = (String, String)> {
    let lines = shown
        .lines()
        .filter_map(|line| line.trim_end_matches(',').split_once(": "));
    lines.map(|(key, value)| {
        let number = value.trim_end_matches(|c: char| c.is_alphabetic());
        (key.trim().to_owned(), number.to_owned())
    })
}

/// Returns the keys of the limits and their defaults.
fn defaults() -> BTreeSet<(String, String)> {
    let limits = format!("{:#?}", Limits::default());
    let listen = format!("{:#?}", ListenLimits::default());
    // These belong to the ports, or have a key of their own.
    let elsewhere = ["sessions", "peers", "outgoing_bandwidth"];
    let limits = fields(&limits).filter(|(key, _)| !elsewhere.contains(&&**key));
    let defaults: BTreeSet<_> = limits.chain(fields(&listen)).collect();
    assert_eq!(defaults.len(), 36);
    defaults
}

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    fs::read_to_string(path).unwrap()
}

/// Returns the cells of the rows whose key begins with `prefix`.
fn rows<'a>(text: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    let lines = text.lines();
    lines
        .filter(|line| line.starts_with(&format!("| `{prefix}")))
        .map(cells)
        .collect()
}

#[test]
fn the_defaults_are_those_of_the_code_and_the_keys_are_read() {
    let text = text();
    let rows = rows(&text, "amop_limits.");
    let written: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| {
            let key = row[0]
                .trim_matches('`')
                .strip_prefix("amop_limits.")
                .unwrap();
            (key.to_owned(), row[1].to_owned())
        })
        .collect();
    assert_eq!(written, defaults());
    assert_eq!(written.len(), rows.len(), "a row occurs twice");
    for (key, default) in written {
        let read = |value: &str| {
            let version = "[compatibility]\nsupported_version=2.11.1\n";
            let ini = format!("{version}[amop_limits]\n{key}={value}\n");
            let (config, warnings) = NodeConfig::from_ini_str(&ini, "config.ini").unwrap();
            assert_eq!(warnings, []);
            (config.limits, config.listen_limits)
        };
        let unchanged = (Limits::default(), ListenLimits::default());
        assert_eq!(read(&default), unchanged);
        assert_ne!(read("7"), unchanged, "{key} changes nothing");
    }
}

#[test]
fn every_counter_is_told_and_exists() {
    let text = text();
    let names: BTreeSet<&str> = Stats::default().entries().map(|(name, _)| name).collect();
    for prefix in [
        "amop_limits.",
        "flow_control.",
        "sdk_",
        "certificate_",
        "network_",
    ] {
        for row in rows(&text, prefix) {
            let last = row.last().unwrap();
            for name in last.split(", ").filter(|name| !name.is_empty()) {
                assert!(names.contains(name.trim_matches('`')), "{name} in {row:?}");
            }
        }
    }
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name} is not told");
    }
}
