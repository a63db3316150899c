//! The examples that need nothing around them.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use amop_testkit::{PATIENCE, Program, sdk_folder};

use crate::{example, succeeded};

/// Runs an example to its end, and returns its lines.
#[track_caller]
fn lines(name: &str) -> Vec<String> {
    let finished = Program::start(&mut example(name)).finish();
    succeeded(&finished);
    finished.lines
}

#[test]
fn typed_hello() {
    let greeting = r#"Some(Greeting { from: "Basel", text: "good morning" })"#;
    assert_eq!(
        lines("typed_hello"),
        [
            format!("all of them: {greeting}"),
            format!("one of them: {greeting}")
        ]
    );
}

/// Named nodes take the place of the network in the process.
#[tokio::test(flavor = "multi_thread")]
async fn typed_hello_over_named_nodes() {
    let network = amop_testkit::network(2).await;
    let conf = sdk_folder(&network);
    let mut command = example("typed_hello");
    command
        .env("AMOP_CONF", conf.path())
        .args([network.endpoint(0), network.endpoint(1)]);
    let finished = Program::start(&mut command).finish();
    succeeded(&finished);
    assert_eq!(finished.lines.len(), 2);
    let node = network.node(0).unwrap();
    assert!(node.counters().multicasts > 0);
    network.shutdown().await;
}

#[test]
fn request_reply() {
    assert_eq!(
        lines("request_reply"),
        [
            "FISCO costs 4200 cents",
            "BCOS costs 100 cents",
            "2 requests were answered"
        ]
    );
}

#[test]
fn worker_pool() {
    let lines = lines("worker_pool");
    assert_eq!(lines[0], "the sum is 70210");
    let jobs = lines[1..].iter().map(|line| {
        let count = line.strip_prefix("a worker did ").unwrap();
        let count = count.strip_suffix(" jobs").unwrap();
        count.parse::<u64>().unwrap()
    });
    let jobs: Vec<u64> = jobs.collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs.iter().sum::<u64>(), 60);
    // A worker that gets nothing by chance does so once in 10^10 runs.
    assert!(jobs.iter().all(|jobs| *jobs > 0), "{jobs:?}");
}

#[test]
fn errors_and_retries() {
    assert_eq!(
        lines("errors_and_retries"),
        [
            "too long: retryable: false, may have been delivered: false",
            "early: retryable: true, may have been delivered: true",
            "tried again: paid, for the first time: true",
            "too high: retryable: false, may have been delivered: true",
            "code 1001: too high",
            "no answer: retryable: true, may have been delivered: true",
        ]
    );
}

#[test]
fn several_endpoints() {
    let lines = lines("several_endpoints");
    let [connected, lost, received] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(connected, "connected to 2 nodes");
    assert!(lost.starts_with("lost node Some(0): "), "{lost}");
    assert_eq!(received, "4200 cents, through node Some(1)");
}

#[cfg(unix)]
#[test]
fn drain_on_sigterm() {
    let mut program = Program::start(&mut example("drain_on_sigterm"));
    for number in 0..3 {
        assert_eq!(program.line(), format!("order {number}"));
    }
    program.signal("TERM");
    let finished = program.finish();
    succeeded(&finished);
    let number = |before: &str, after: &str| -> u64 {
        let number = |line: &String| line.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
        let found = finished.lines.iter().find_map(number);
        found.unwrap_or_else(|| panic!("no {before:?} in {finished:?}"))
    };
    let answered = number("answered ", " orders");
    assert!(answered >= 3, "{finished:?}");
    assert_eq!(number("the customer has ", " answers"), answered);
    assert!(finished.lines.iter().any(|line| line == "draining"));
}

#[test]
fn publisher() {
    let lines = lines("publisher");
    assert!(lines[0].starts_with("the node has 10000 ticks after "));
    assert_eq!(lines[1..], ["received 10000 ticks in order"]);
}

#[test]
fn overflow_policies() {
    assert_eq!(
        lines("overflow_policies"),
        [
            "DropNewest: read [0, 1, 2], lost 7",
            "DropOldest: read [7, 8, 9], lost 7",
            "Block: read [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], lost 0",
        ]
    );
}

#[test]
fn protobuf() {
    let expected = ["asked for BOND-7", "BOND-7 costs 10150 cents"];
    assert_eq!(lines("protobuf"), expected);
}

#[test]
fn raw_bytes() {
    assert_eq!(
        lines("raw_bytes"),
        [
            "Multicast on sensor/7: [ca, fe]",
            "the answer: [03, 02, 01]"
        ]
    );
}

#[test]
fn private_topic() {
    let lines = lines("private_topic");
    assert_eq!(
        lines[2..],
        [
            "the custodian got Settlement { amount: 100 }",
            "the stranger got nothing"
        ]
    );
    let part = |part: &str| lines[..2].iter().filter(|line| line.contains(part)).count();
    assert_eq!(part("did not verify a subscriber of settlement: "), 1);
    assert_eq!(part("verified a subscriber of settlement"), 1);
}

#[test]
fn sealed_topic() {
    let lines = lines("sealed_topic");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], "the custodian got Settlement { amount: 100 }");
    assert!(lines[1].starts_with("the stranger saw "));
    assert_eq!(lines[3], "the custodian signed Receipt { number: 1 }");
}

#[test]
fn sdk_config() {
    assert_eq!(
        lines("sdk_config"),
        ["2 endpoints", r#"received "from Rust""#]
    );
}

/// The file of another SDK may be named.
#[test]
fn sdk_config_of_the_user() {
    let mut command = example("sdk_config");
    command.arg("/no/such/config.toml");
    let finished = Program::start(&mut command).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(
        finished.errors.contains("/no/such/config.toml"),
        "{finished:?}"
    );
}

#[test]
fn statistics() {
    assert_eq!(
        lines("statistics"),
        [
            "published 3 multicasts and 1 unicasts: 3 confirmed, 0 answered, 1 without a subscriber",
            "1 connection, 0 lost",
            "3 received, 0 of them not read yet",
        ]
    );
}

#[cfg(unix)]
#[test]
fn http_service() {
    let mut program = Program::start(&mut example("http_service"));
    let line = program.line();
    let address = line.strip_prefix("http://").unwrap();
    assert_eq!(
        get(address, "/quotes/FISCO"),
        ("200".into(), "500\n".into())
    );
    let (status, metrics) = get(address, "/metrics");
    assert_eq!(status, "200");
    for line in [
        "amop_unicasts_total 1",
        "amop_answered_total 1",
        "amop_timed_out_total 0",
        "amop_connected 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    assert_eq!(get(address, "/elsewhere").0, "404");
    program.signal("TERM");
    succeeded(&program.finish());
}

/// Sends a request; returns the status and the body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.to_owned(), body.to_owned())
}
