//! `amop generate`: what it writes builds, satisfies clippy, and behaves as the documented demos.
//!
//! The projects and the tutorial's one are built in one workspace, so that their dependencies are
//! built once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use amop_cli::generate::{
    GenerateError, Options, Programs, generate, multicast_publisher, subscriber, unicast_publisher,
};
use amop_node::Network;
use amop_tests::{Finished, Program, network};
use amop_tls::pki::Leaf;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The programs of `examples/` as the templates see them.
fn examples() -> Programs {
    Programs {
        prefix: String::new(),
        module: "amop_examples".to_owned(),
        type_name: "Hello".to_owned(),
        text_field: Some("0".to_owned()),
        message: "Hello(format!(\n            {{text}}\n        ))".to_owned(),
        uses_number: true,
    }
}

/// With the variable `AMOP_BLESS` set, the examples are written anew.
#[test]
fn the_examples_come_from_the_templates() {
    for (name, rendered) in examples().all() {
        let path = root().join(format!("examples/{name}.rs"));
        if env::var_os("AMOP_BLESS").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(
            found,
            rendered,
            "{} differs: change the template",
            path.display()
        );
    }
    let [one, two, three] = examples().all().map(|(_, text)| text);
    assert_eq!(one, subscriber(&examples()));
    assert_eq!(two, unicast_publisher(&examples()));
    assert_eq!(three, multicast_publisher(&examples()));
}

fn generate_into(out: &Path, proto: &str) -> Result<Vec<String>, GenerateError> {
    let options = Options {
        protos: vec![root().join("schemas/proto").join(format!("{proto}.proto"))],
        out: out.to_owned(),
        ..Options::default()
    };
    generate(&options).map(|project| project.programs)
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mine"), "").unwrap();
    let error = generate_into(dir.path(), "hello").unwrap_err();
    assert!(matches!(error, GenerateError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn several_topics_have_programs_of_their_own() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out");
    let proto = |name: &str| root().join(format!("schemas/proto/{name}.proto"));
    let project = generate(&Options {
        protos: vec![proto("price"), proto("file_transfer")],
        out: out.clone(),
        ..Options::default()
    })
    .unwrap();
    let expected = [
        "price_tick_subscriber",
        "price_tick_unicast_publisher",
        "price_tick_multicast_publisher",
        "file_chunk_subscriber",
        "file_chunk_unicast_publisher",
        "file_chunk_multicast_publisher",
    ];
    assert_eq!(project.programs, expected);
    for name in expected {
        let text = fs::read_to_string(out.join(format!("src/bin/{name}.rs"))).unwrap();
        assert!(!text.contains("{{"), "{text}");
    }
}

/// A workspace of projects, in a folder of its own.
struct Workspace {
    dir: TempDir,
    members: Vec<String>,
}

impl Workspace {
    fn cargo(&self, args: &[&str]) {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(self.dir.path())
            .env("CARGO_TARGET_DIR", target())
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {args:?}: {errors}");
    }

    /// Makes the projects members: each is written as a workspace of its own.
    fn write_manifest(&self) {
        for member in &self.members {
            let path = self.dir.path().join(member).join("Cargo.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("[workspace]\n", "")).unwrap();
        }
        let crates = ["amop", "amop-build"];
        let patch = crates.map(|name| format!("{name} = {{ path = {:?} }}\n", root().join(name)));
        let text = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {:?}\n\n[patch.crates-io]\n{}\n\
             [profile.dev]\ndebug = false\n",
            self.members,
            patch.concat(),
        );
        fs::write(self.dir.path().join("Cargo.toml"), text).unwrap();
        // With the versions that this workspace has, nothing is fetched.
        let lock = self.dir.path().join("Cargo.lock");
        fs::copy(root().join("Cargo.lock"), lock).unwrap();
    }

    /// The projects' programs have the same names, so they are kept apart.
    fn build(&self, member: &str, programs: &[String]) {
        self.cargo(&["build", "--offline", "-p", member]);
        let bin = self.dir.path().join("bin").join(member);
        fs::create_dir_all(&bin).unwrap();
        for program in programs {
            let name = format!("{program}{}", env::consts::EXE_SUFFIX);
            fs::copy(target().join("debug").join(&name), bin.join(&name)).unwrap();
        }
    }

    fn program(&self, member: &str, name: &str) -> PathBuf {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.dir.path().join("bin").join(member).join(name)
    }
}

fn target() -> PathBuf {
    root().join("target/generated")
}

/// A network and a folder with the SDK's certificates.
struct Setting {
    network: Network,
    conf: TempDir,
}

impl Setting {
    async fn new() -> Self {
        let network = network(2).await;
        let conf = tempfile::tempdir().unwrap();
        let issued = network.agency().issue(Leaf::Sdk, "sdk").unwrap();
        let write = |name: &str, text: &str| fs::write(conf.path().join(name), text).unwrap();
        write("ca.crt", network.agency().root_pem());
        write("sdk.crt", &issued.cert_pem);
        write("sdk.key", &issued.key_pem);
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

/// What follows the time and the given words.
#[track_caller]
fn said<'a>(line: &'a str, what: &str) -> &'a str {
    let rest = line.get("2020/08/11 21:21:50 ".len()..).unwrap_or(line);
    let said = rest.strip_prefix(what);
    said.unwrap_or_else(|| panic!("no {what:?} in {line:?}"))
}

/// Runs a publisher and a subscriber; gives what was received.
async fn exchange(
    setting: &Setting,
    workspace: &Workspace,
    member: &str,
    kind: &str,
) -> Vec<String> {
    let program = |name: &str| workspace.program(member, name);
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

#[tokio::test(flavor = "multi_thread")]
async fn projects_of_all_schemas_build_and_run() {
    let mut workspace = Workspace {
        dir: TempDir::new().unwrap(),
        members: Vec::new(),
    };
    let plain = ["subscriber", "unicast_publisher", "multicast_publisher"];
    let schemas = [
        ("hello", "I am"),
        ("settlement", "SettlementNotice {"),
        ("file_transfer", "FileChunk {"),
        ("price", "PriceTick {"),
    ];
    for (proto, _) in schemas {
        let member = proto.replace('_', "-");
        let programs = generate_into(&workspace.dir.path().join(&member), proto).unwrap();
        assert_eq!(programs, plain);
        workspace.members.push(member);
    }
    workspace.members.push("tutorial".to_owned());
    let programs = tutorial(&workspace.dir.path().join("tutorial"));
    workspace.write_manifest();
    for member in workspace.members.iter().filter(|name| *name != "tutorial") {
        workspace.build(member, &plain.map(str::to_owned));
    }
    workspace.build("tutorial", &programs);
    workspace.cargo(&["clippy", "--offline", "--workspace", "--", "-D", "warnings"]);

    let setting = Setting::new().await;
    for (proto, part) in schemas {
        let member = proto.replace('_', "-");
        for (kind, who) in [("unicast", "unique"), ("multicast", "multi")] {
            let messages = exchange(&setting, &workspace, &member, kind).await;
            assert_eq!(messages.len(), 2);
            for (number, message) in messages.iter().enumerate() {
                assert!(message.contains(part), "{message}");
                if proto == "hello" {
                    let text =
                        format!("hello, FISCO BCOS, I am {who} broadcast publisher! {number}");
                    assert_eq!(*message, text);
                }
            }
        }
    }
    run_tutorial(&setting, &workspace);
    setting.network.shutdown().await;
}

/// Writes the files of the tutorial as its reader does: each code block that follows a line with
/// nothing but a file name is that file. Every block but shell commands and output is one.
fn tutorial(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let mut programs = Vec::new();
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
                if let Some(program) = name.strip_prefix("src/bin/") {
                    programs.push(program.trim_end_matches(".rs").to_owned());
                }
            }
        }
        if !line.is_empty() {
            last = line;
        }
    }
    programs
}

/// The tutorial's programs print what it says.
fn run_tutorial(setting: &Setting, workspace: &Workspace) {
    let start = |name: &str, node| setting.start(&workspace.program("tutorial", name), node, &[]);
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
