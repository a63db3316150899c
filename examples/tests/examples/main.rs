//! Runs every example, and checks what it prints.

mod demos;
mod embedded_network;
mod short;

use std::{env, fs, path::PathBuf, process::Command};

use amop_testkit::Finished;

/// Returns the built example; `cargo test` builds all of them before it runs this.
fn example(name: &str) -> Command {
    let deps = env::current_exe().unwrap();
    let profile = deps.ancestors().nth(2).unwrap();
    let path: PathBuf = profile
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not there; `cargo test -p amop-examples` builds it (with `--test` alone, run \
         `cargo build -p amop-examples --examples` first)",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_remove("AMOP_CONF").env_remove("RUST_LOG");
    command
}

#[track_caller]
fn succeeded(finished: &Finished) {
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.errors, "");
}

/// An example that nobody finds, or that no test runs, is of little use.
#[test]
fn every_example_is_listed_and_run() {
    let read = |file: &str| fs::read_to_string(file).unwrap();
    let page = read("README.md");
    let tests = read("tests/examples/short.rs") + &read("tests/examples/demos.rs");
    let manifest = read("Cargo.toml");
    let mut examples = manifest.split("[[example]]\nname = \"").skip(1).peekable();
    assert!(examples.peek().is_some());
    for example in examples {
        let (name, _) = example.split_once('"').unwrap();
        assert!(page.contains(&format!("[`{name}`]({name}.rs)")), "{name}");
        assert!(tests.contains(&format!("\"{name}\"")), "{name}");
    }
}
