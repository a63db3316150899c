//! The tables in the document match the code.

use std::{collections::BTreeSet, fs, path::Path};

use amop_node::{Limits, ListenLimits, Stats, config::NodeConfig};

/// Returns the keys of the limits and their defaults. It is complete, because a missing field does
/// not compile.
fn defaults() -> Vec<(&'static str, String)> {
    let Limits {
        session_queue,
        peer_queue,
        session_queues,
        frame,
        in_flight,
        in_flight_bytes,
        session_in_flight,
        session_in_flight_bytes,
        session_topics,
        session_text,
        session_topic_changes,
        topic_changes,
        // These belong to the ports, below.
        sessions: _,
        peers: _,
        subscriptions,
        topics,
        peer_topics,
        outgoing_bandwidth,
        nodes,
        records_bytes,
        record_bytes,
        stubs,
        max_claimed_subscribers,
    } = Limits::default();
    assert_eq!(outgoing_bandwidth, None);
    let ListenLimits {
        sessions,
        peers,
        handshakes,
        source_handshakes,
        first_byte_time,
        hello_time,
        handshake_time,
        frame_time,
        frame_rate,
        receiving,
        fragment_time,
        lag,
        http,
        http_rate,
        http_answers,
        http_time,
    } = ListenLimits::default();
    let numbers = [
        ("session_queue", session_queue),
        ("peer_queue", peer_queue),
        ("session_queues", session_queues),
        ("frame", frame),
        ("in_flight", in_flight),
        ("in_flight_bytes", in_flight_bytes),
        ("session_in_flight", session_in_flight),
        ("session_in_flight_bytes", session_in_flight_bytes),
        ("session_topics", session_topics),
        ("session_text", session_text),
        ("session_topic_changes", session_topic_changes),
        ("topic_changes", topic_changes),
        ("subscriptions", subscriptions),
        ("topics", topics),
        ("peer_topics", peer_topics),
        ("nodes", nodes),
        ("records_bytes", records_bytes),
        ("record_bytes", record_bytes),
        ("stubs", stubs),
        ("max_claimed_subscribers", max_claimed_subscribers as usize),
        ("sessions", sessions),
        ("peers", peers),
        ("handshakes", handshakes),
        ("source_handshakes", source_handshakes),
        ("frame_rate", frame_rate),
        ("receiving", receiving),
        ("http", http),
        ("http_rate", http_rate),
        ("http_answers", http_answers),
        ("lag", lag.as_millis() as usize),
    ];
    let times = [
        ("first_byte_time", first_byte_time),
        ("hello_time", hello_time),
        ("handshake_time", handshake_time),
        ("frame_time", frame_time),
        ("fragment_time", fragment_time),
        ("http_time", http_time),
    ];
    let numbers = numbers.map(|(key, value)| (key, value.to_string()));
    let times = times.map(|(key, value)| (key, value.as_secs().to_string()));
    numbers.into_iter().chain(times).collect()
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
    let written: BTreeSet<(&str, String)> = rows
        .iter()
        .map(|row| {
            let key = row[0]
                .trim_matches('`')
                .strip_prefix("amop_limits.")
                .unwrap();
            (key, row[1].to_owned())
        })
        .collect();
    assert_eq!(written, defaults().into_iter().collect());
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
