//! Runs the demos with exactly the commands of the documentation.

use std::{fs, path::Path};

use amop_node::Network;
use amop_testkit::{Program, client, network, sdk_folder, within};
use tempfile::TempDir;

use crate::{example, succeeded};

/// A network and a folder with the SDK's certificates.
struct Setting {
    network: Network,
    conf: TempDir,
}

impl Setting {
    async fn new() -> Self {
        let network = network(2).await;
        let conf = sdk_folder(&network);
        Self { network, conf }
    }

    fn start(&self, name: &str, node: usize, options: &[&str]) -> Program {
        let mut command = example(name);
        command
            .env("AMOP_CONF", self.conf.path())
            .args([self.network.endpoint(node), "demo"])
            .args(options);
        Program::start(&mut command)
    }
}

/// Removes the time from a line: `2020/08/11 21:21:50 received: ...`.
#[track_caller]
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_at_checked(20).unwrap_or(("", line));
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00 ", "the time in {line:?}");
    rest
}

fn text(who: &str, number: usize) -> String {
    format!("hello, FISCO BCOS, I am {who} broadcast publisher! {number}")
}

#[test]
fn hello_shows_both_demos() {
    for (chain, from, to) in [
        ("2", "2.x", "2.x"),
        ("3", "3.x", "3.x"),
        ("mixed", "2.x", "3.x"),
    ] {
        hello_shows_both_demos_on(chain, from, to);
    }
}

fn hello_shows_both_demos_on(chain: &str, from: &str, to: &str) {
    let options = ["--count", "3", "--interval", "5", "--chain", chain];
    let finished = Program::start(example("hello").args(options)).finish();
    succeeded(&finished);
    let mut lines = finished.lines.iter();
    for (demo, who) in [("Unicast", "unique"), ("Multicast", "multi")] {
        let title = format!("--- {demo} from node 0 ({from}) to node 1 ({to})");
        assert_eq!(lines.next(), Some(&title));
        assert_eq!(lines.next().unwrap(), "Subscriber success");
        let (mut published, mut received) = (Vec::new(), Vec::new());
        for line in lines.by_ref().take(6) {
            let line = without_time(line);
            if let Some(text) = line.strip_prefix("publish message: ") {
                published.push(text);
            } else {
                received.push(line.strip_prefix("received: ").unwrap());
                // Never before it was published.
                assert!(published.len() >= received.len(), "{finished:?}");
            }
        }
        let expected: Vec<String> = (0..3).map(|number| text(who, number)).collect();
        assert_eq!(published, expected);
        assert_eq!(received, expected);
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn hello_needs_no_options() {
    let finished = Program::start(&mut example("hello")).finish();
    succeeded(&finished);
    let count = |part| finished.lines.iter().filter(|l| l.contains(part)).count();
    assert_eq!(count("Subscriber success"), 2);
    assert_eq!(count(" publish message: "), 10);
    assert_eq!(count(" received: "), 10);
}

async fn publisher_and_subscriber(publisher: &str, who: &str) {
    let setting = Setting::new().await;
    let mut subscriber = setting.start("subscriber", 1, &["--count", "3"]);
    assert_eq!(subscriber.line(), "Subscriber success");
    let publisher = setting.start(publisher, 0, &["--count", "3", "--interval", "0.01"]);
    let published = publisher.finish();
    succeeded(&published);
    let received = subscriber.finish();
    succeeded(&received);
    assert_eq!(published.lines.len(), 3);
    assert_eq!(received.lines.len(), 4);
    for number in 0..3 {
        let text = text(who, number);
        let line = without_time(&published.lines[number]);
        assert_eq!(line, format!("publish message: {text}"));
        let line = without_time(&received.lines[number + 1]);
        assert_eq!(line, format!("received: {text}"));
    }
    setting.network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_publisher_and_a_subscriber() {
    publisher_and_subscriber("unicast_publisher", "unique").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multicast_publisher_and_a_subscriber() {
    publisher_and_subscriber("multicast_publisher", "multi").await;
}

/// Programs in other languages can use the same topic: the payload is plain text.
#[tokio::test(flavor = "multi_thread")]
async fn the_demos_speak_plain_text() {
    let setting = Setting::new().await;
    let client = client(&setting.network, 0).await;
    let topic = "demo".parse().unwrap();
    let mut messages = client.subscribe_raw(&topic).await.unwrap();
    let publisher = setting.start("unicast_publisher", 1, &["--count", "1"]);
    let got = within("the message", messages.next()).await.unwrap();
    assert_eq!(&got[..], text("unique", 0).as_bytes());
    drop(got);
    succeeded(&publisher.finish());
    messages.unsubscribe().await.unwrap();

    let mut subscriber = setting.start("subscriber", 1, &["--count", "1"]);
    assert_eq!(subscriber.line(), "Subscriber success");
    client
        .publish_unicast_raw(&topic, "\u{4f60}\u{597d}".into())
        .await
        .unwrap();
    let received = subscriber.finish();
    succeeded(&received);
    let line = without_time(&received.lines[1]);
    assert_eq!(line, "received: \u{4f60}\u{597d}");
    client.close().await;
    setting.network.shutdown().await;
}

/// A publisher continues, and prints an error, if a message reaches no subscriber.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_without_subscriber_says_so() {
    let setting = Setting::new().await;
    let options = ["--count", "2", "--interval", "0.01"];
    let finished = setting.start("unicast_publisher", 0, &options).finish();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.lines.len(), 2);
    for line in finished.errors.lines() {
        let line = without_time(line);
        assert!(
            line.starts_with("not delivered: nobody subscribes to"),
            "{line}"
        );
    }
    assert_eq!(finished.errors.lines().count(), 2);
    setting.network.shutdown().await;
}

/// In an empty folder the error names every place that was searched.
#[test]
fn missing_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["subscriber", "unicast_publisher", "multicast_publisher"] {
        let mut command = example(name);
        command.current_dir(dir.path());
        let finished = Program::start(&mut command).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert_eq!(finished.lines, [""; 0]);
        let errors = &finished.errors;
        for place in [
            "$AMOP_CONF: not set",
            "./conf: ",
            "; .: ",
            "./nodes/127.0.0.1/sdk: ",
        ] {
            assert!(errors.contains(place), "no {place} in {errors}");
        }
        assert!(
            errors.contains("lacks ca.crt, sdk.crt, sdk.key"),
            "{errors}"
        );
        assert!(
            errors.contains("copy the chain's nodes/<ip>/sdk folder"),
            "{errors}"
        );
    }
}

/// Certificates are found in each place.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_found_where_the_documentation_says() {
    let setting = Setting::new().await;
    for place in ["conf", ".", "nodes/127.0.0.1/sdk"] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(place);
        fs::create_dir_all(&folder).unwrap();
        copy(setting.conf.path(), &folder);
        let mut command = example("multicast_publisher");
        command
            .current_dir(dir.path())
            .args([setting.network.endpoint(0), "demo", "--count", "1"]);
        succeeded(&Program::start(&mut command).finish());
        // A variable that names no folder does not hide the other places.
        command.env("AMOP_CONF", dir.path().join("elsewhere"));
        succeeded(&Program::start(&mut command).finish());
    }
    setting.network.shutdown().await;
}

fn copy(from: &Path, to: &Path) {
    for file in ["ca.crt", "sdk.crt", "sdk.key"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_node_is_an_error_that_names_the_endpoint() {
    let setting = Setting::new().await;
    let Setting { network, conf } = setting;
    let endpoint = network.endpoint(0).to_owned();
    network.shutdown().await;
    for name in ["subscriber", "unicast_publisher", "multicast_publisher"] {
        let mut command = example(name);
        command.env("AMOP_CONF", conf.path()).arg(&endpoint);
        let finished = Program::start(&mut command).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let errors = &finished.errors;
        assert!(errors.contains(&endpoint), "{errors}");
        assert!(errors.contains("check that the node runs"), "{errors}");
    }
}

#[test]
fn wrong_options_are_refused() {
    let bad: [(&str, &[&str], &str); 3] = [
        (
            "unicast_publisher",
            &["--interval", "soon"],
            "number of seconds",
        ),
        ("subscriber", &["--count", "many"], "--count"),
        ("hello", &["--interval", "0"], "--interval"),
    ];
    for (name, options, part) in bad {
        let finished = Program::start(example(name).args(options)).finish();
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.errors.contains(part), "{finished:?}");
    }
}
