//! Generated programs, and those of the tutorial, on a network.

use std::{fs, path::Path, process::Command};

use amop_cli::generate::{GenerateOptions, TopicAccess, generate};
use amop_node::Network;
use amop_testkit::{Finished, Program, Projects, network, sdk_folder};
use tempfile::TempDir;

use super::{generate_into, root};

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

    fn start(&self, program: &Path, node: usize, options: &[&str]) -> Program {
        let mut command = Command::new(program);
        command
            .env("AMOP_CONF", self.conf.path())
            .env_remove("RUST_LOG")
            .arg(self.network.endpoint(node))
            .args(options);
        Program::start(&mut command)
    }
}

#[track_caller]
fn succeeded(finished: &Finished) {
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.errors, "");
}

/// Returns the text after the time and the given words.
#[track_caller]
fn said<'a>(line: &'a str, what: &str) -> &'a str {
    let rest = line.get("2020/08/11 21:21:50 ".len()..).unwrap_or(line);
    let said = rest.strip_prefix(what);
    said.unwrap_or_else(|| panic!("no {what:?} in {line:?}"))
}

/// Runs a publisher and a subscriber; returns the received lines.
async fn exchange(setting: &Setting, programs: &Path, kind: &str) -> Vec<String> {
    let program = |name: &str| programs.join(name);
    let mut subscriber = setting.start(&program("subscriber"), 1, &["--count", "2"]);
    assert_eq!(subscriber.line(), "Subscriber success");
    let publisher = program(&format!("{kind}_publisher"));
    let publisher = setting.start(&publisher, 0, &["--count", "2", "--interval", "0.01"]);
    let published = publisher.finish();
    succeeded(&published);
    let received = subscriber.finish();
    succeeded(&received);
    let sent = published.lines.iter().map(|l| said(l, "publish message: "));
    let sent: Vec<&str> = sent.collect();
    let got = received.lines[1..]
        .iter()
        .map(|l| said(l, "received: ").to_owned());
    let got: Vec<String> = got.collect();
    assert_eq!(sent, got);
    got
}

/// The options that programs need for a private or sealed topic.
struct Keys {
    dir: TempDir,
}

impl Keys {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // As written by the commands in the README.md of projects.
        let keys = root().join("amop/tests/data/keys");
        fs::copy(keys.join("sec1.pem"), dir.path().join("topic.pem")).unwrap();
        fs::copy(keys.join("public.pem"), dir.path().join("topic.pub")).unwrap();
        for who in ["publisher", "subscriber"] {
            let key = amop::SealingKey::generate();
            key.save(dir.path().join(format!("{who}.pem"))).unwrap();
            let public = dir.path().join(format!("{who}.pub"));
            fs::write(public, key.public_key().to_pem()).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn subscriber(&self, access: TopicAccess) -> Vec<String> {
        let options = match access {
            TopicAccess::Plain => Vec::new(),
            TopicAccess::Private => vec!["--key".to_owned(), self.path("topic.pem")],
            TopicAccess::Sealed => vec![
                "--key".to_owned(),
                self.path("subscriber.pem"),
                "--publisher".to_owned(),
                self.path("publisher.pub"),
                "--replay".to_owned(),
                self.path("taken.replay"),
            ],
        };
        // Each run starts without records of received messages.
        let _ = fs::remove_file(self.path("taken.replay"));
        options
    }

    fn publisher(&self, access: TopicAccess) -> Vec<String> {
        match access {
            TopicAccess::Plain => Vec::new(),
            TopicAccess::Private => vec!["--grant".to_owned(), self.path("topic.pub")],
            TopicAccess::Sealed => vec![
                "--key".to_owned(),
                self.path("publisher.pem"),
                "--to".to_owned(),
                self.path("subscriber.pub"),
            ],
        }
    }
}

/// A topic of the project with all topics: who may subscribe, the names of its programs, and the
/// texts of their lines.
struct Case {
    access: TopicAccess,
    name: &'static str,
    publisher: &'static str,
    said: &'static str,
    /// The reply, if the topic has replies.
    replied: Option<&'static str>,
}

const fn told(
    access: TopicAccess,
    name: &'static str,
    publisher: &'static str,
    said: &'static str,
) -> Case {
    Case {
        access,
        name,
        publisher,
        said,
        replied: None,
    }
}

const fn asked(
    access: TopicAccess,
    name: &'static str,
    said: &'static str,
    replied: &'static str,
) -> Case {
    Case {
        access,
        name,
        publisher: "requester",
        said,
        replied: Some(replied),
    }
}

/// Every option of a schema: codecs of messages and replies, private and sealed, with and without
/// replies.
const CASES: [Case; 10] = [
    told(
        TopicAccess::Plain,
        "price_tick",
        "multicast_publisher",
        "PriceTick {",
    ),
    told(
        TopicAccess::Private,
        "vote",
        "unicast_publisher",
        "Vote { motion: \"motion 0\", n: 0 }",
    ),
    told(
        TopicAccess::Sealed,
        "secret",
        "unicast_publisher",
        "Secret { words: \"words 0\" }",
    ),
    asked(
        TopicAccess::Plain,
        "settlement_notice",
        "SettlementNotice {",
        "SettlementReceipt { reference: \"reference 1\"",
    ),
    asked(
        TopicAccess::Private,
        "poll",
        "Poll {",
        "Ballot { choice: \"choice 1\", reason: None }",
    ),
    asked(
        TopicAccess::Sealed,
        "order",
        "Order { amount: 0 }",
        "Receipt { number: 1 }",
    ),
    asked(
        TopicAccess::Plain,
        "topic_2fa",
        "hello, FISCO BCOS, I am unique broadcast publisher! 0",
        "Vec { r#type: \"type 1\" }",
    ),
    asked(
        TopicAccess::Plain,
        "a_topic_with_as_many_bytes_as_there_may",
        "Default { n: 0,",
        "\"\"",
    ),
    asked(TopicAccess::Plain, "con", "Some { ", "()"),
    asked(
        TopicAccess::Plain,
        "a_b",
        "Extern { sent: 0 }",
        "MessageKind { r#gen: \"gen 1\" }",
    ),
];

impl Case {
    fn programs(&self) -> [String; 2] {
        let subscriber = match self.replied {
            Some(_) => "responder",
            None => "subscriber",
        };
        [subscriber, self.publisher].map(|kind| format!("{}_{kind}", self.name))
    }

    /// Runs the publishing program until the subscribing program has two messages.
    fn run(&self, setting: &Setting, programs: &Path, keys: &Keys) {
        let [subscriber, publisher] = self.programs().map(|name| programs.join(name));
        let own = keys.subscriber(self.access);
        let options: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut subscriber =
            setting.start(&subscriber, 1, &[&options[..], &["--count", "2"]].concat());
        subscriber.line_with(" success");

        let own = keys.publisher(self.access);
        let options: Vec<&str> = own.iter().map(String::as_str).collect();
        let often = ["--count", "2", "--interval", "0.01"];
        let sent = setting
            .start(&publisher, 0, &[&options[..], &often].concat())
            .finish();
        succeeded(&sent);
        let received = subscriber.finish();
        succeeded(&received);
        let said = |finished: &Finished, what: &str| -> Vec<String> {
            let lines = finished.lines.iter().filter(|line| line.contains(what));
            lines
                .map(|line| line.split_once(what).unwrap().1.to_owned())
                .collect()
        };
        let received = said(&received, "received: ");
        let begins = |what: &[String], with: &str| assert!(what[0].starts_with(with), "{what:?}");
        begins(&received, self.said);
        assert_eq!(received.len(), 2);
        match self.replied {
            Some(replied) => {
                assert_eq!(said(&sent, "request: "), received);
                begins(&said(&sent, "reply: "), replied);
                assert_eq!(said(&sent, "reply: ").len(), 2);
            }
            None => assert_eq!(said(&sent, "publish message: "), received),
        }
    }
}

/// One project with only the topic of the demos, one with all other topics, and the tutorial's
/// project.
#[tokio::test(flavor = "multi_thread")]
async fn projects_of_all_schemas_build_and_run() {
    let projects = Projects::new(&["hello", "all", "tutorial"]);
    let programs = generate_into(&projects.member("hello"), "hello").unwrap();
    assert_eq!(
        programs,
        ["subscriber", "unicast_publisher", "multicast_publisher"]
    );
    let demos = ["price", "settlement", "file_transfer"];
    let demos = demos.map(|name| root().join(format!("schemas/proto/{name}.proto")));
    let own = ["access", "accessors", "odd"];
    let own = own.map(|name| root().join(format!("amop-cli/tests/generate/proto/{name}.proto")));
    generate(&GenerateOptions {
        protos: [demos.to_vec(), own.to_vec()].concat(),
        out: projects.member("all"),
        ..GenerateOptions::default()
    })
    .unwrap();
    write_tutorial(&projects.member("tutorial"));
    projects.finish();
    let programs = projects.build_with_clippy();

    let setting = Setting::new().await;
    for (kind, who) in [("unicast", "unique"), ("multicast", "multi")] {
        let messages = exchange(&setting, &programs, kind).await;
        let text = |n| format!("hello, FISCO BCOS, I am {who} broadcast publisher! {n}");
        assert_eq!(messages, [text(0), text(1)]);
    }
    let keys = Keys::new();
    for case in &CASES {
        case.run(&setting, &programs, &keys);
    }
    run_tutorial(&setting, &programs);
    setting.network.shutdown().await;
}

/// Writes the files of the tutorial as a reader does: each code block after a line with only a file
/// name is that file. Every block is a file, except shell commands and output.
fn write_tutorial(out: &Path) {
    let text = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let mut lines = text.lines();
    let mut last = "";
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if language != "sh" && language != "text" {
                let name = last
                    .strip_prefix('`')
                    .and_then(|rest| rest.strip_suffix("`:"));
                let name = name.unwrap_or_else(|| panic!("no file name above {block:?}"));
                let path = out.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, block.join("\n") + "\n").unwrap();
            }
        }
        if !line.is_empty() {
            last = line;
        }
    }
}

/// Runs the tutorial's programs, which must print the documented output.
fn run_tutorial(setting: &Setting, programs: &Path) {
    let start = |name: &str, node| setting.start(&programs.join(name), node, &[]);
    let mut monitor = start("monitor", 1);
    assert_eq!(monitor.line(), "waiting for reports");
    succeeded(&start("station", 0).finish());
    assert_eq!(monitor.line(), "Basel: 21.5 °C");
    drop(monitor);

    let mut broker = start("broker", 1);
    assert_eq!(broker.line(), "waiting for requests");
    let trader = start("trader", 0).finish();
    succeeded(&trader);
    assert_eq!(trader.lines, ["BOND-7 costs 10150 cents"]);
    drop(broker);
}
