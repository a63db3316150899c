//! Google's library for Python and this crate read each other's JSON as the same message, bit for
//! bit: tested with random messages of a schema that uses all features.
//!
//! The tests need Python with the package `protobuf`: `AMOP_PYTHON` names the interpreter,
//! `python3` is the default. Without it they print a message and skip themselves, unless
//! `AMOP_REQUIRE_PYTHON` is 1, as in CI.

use amop_protojson::Mapping;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};
use tempfile::TempDir;

struct Google {
    python: String,
    dir: TempDir,
    mapping: Mapping,
}

impl Google {
    /// Returns `None` and prints a message if Python or its package is missing.
    fn new() -> Option<Self> {
        let python = env::var("AMOP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let found = Command::new(&python)
            .args(["-c", "import google.protobuf.json_format"])
            .output()
            .is_ok_and(|output| output.status.success());
        if !found {
            let required = env::var("AMOP_REQUIRE_PYTHON").is_ok_and(|value| value == "1");
            assert!(!required, "{python} has no package `protobuf`");
            eprintln!("SKIPPED: {python} has no package `protobuf` (pip install protobuf)");
            return None;
        }
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        let files = protox::compile(["broad.proto", "two.proto"], [schemas]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let bytes = prost::Message::encode_to_vec(&files);
        fs::write(dir.path().join("files.binpb"), &bytes).unwrap();
        Some(Self {
            python,
            dir,
            mapping: Mapping::decode(&bytes).unwrap(),
        })
    }

    /// Runs the program with these lines as input, and returns the lines that it prints.
    fn run(&self, action: &str, args: &[String], lines: &[Value]) -> Vec<Value> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/random_messages.py");
        let mut child = Command::new(&self.python)
            .arg(program)
            .arg(action)
            .arg(self.dir.path().join("files.binpb"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        // A program that fails leaves a part of its input unread.
        let _ = writer.join().unwrap();
        assert!(output.status.success(), "{action} failed");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()
}

#[test]
fn random_messages_come_through_in_both_directions() {
    const MESSAGES: usize = 2000;
    let Some(google) = Google::new() else { return };
    let seed = env::var("AMOP_SEED").unwrap_or_else(|_| "1".to_owned());
    let written = google.run("write", &[seed, MESSAGES.to_string()], &[]);
    assert_eq!(written.len(), MESSAGES);
    let lines: Vec<Value> = written
        .iter()
        .map(|line| {
            let name = line[0].as_str().unwrap();
            let (wire, theirs) = (bytes(&line[1]), line[2].as_str().unwrap());
            let ours = google.mapping.to_json(name, &wire).unwrap_or_else(|error| {
                panic!("{theirs} is not written: {error}");
            });
            let ours = String::from_utf8(ours).unwrap();
            let read = google
                .mapping
                .to_wire(name, theirs.as_bytes())
                .unwrap_or_else(|error| {
                    panic!("{theirs} is not read: {error}");
                });
            // The JSON written here is also read here as the same message.
            let again = google
                .mapping
                .to_wire(name, ours.as_bytes())
                .unwrap_or_else(|error| {
                    panic!("{ours} is not read: {error}");
                });
            assert_eq!(
                google.mapping.to_json(name, &again).unwrap(),
                ours.as_bytes()
            );
            Value::from(vec![
                Value::from(name),
                line[1].clone(),
                Value::from(ours),
                Value::from(BASE64_STANDARD.encode(read)),
            ])
        })
        .collect();
    let verdicts = google.run("check", &[], &lines);
    assert_eq!(verdicts.len(), MESSAGES);
    for ((verdict, line), written) in verdicts.iter().zip(&lines).zip(&written) {
        assert_eq!(
            verdict[0], true,
            "Google reads something else in {}\nthan {}",
            line[2], written[2]
        );
        assert_eq!(verdict[1], true, "something else is read in {}", written[2]);
    }
}

/// Texts that Google's library reads and texts that it refuses: the results here are the same.
#[test]
fn texts_read_as_they_do_there() {
    let Some(google) = Google::new() else { return };
    let lines: Vec<Value> = cases()
        .filter(|line| !line.starts_with(['-', '=']))
        .map(|line| {
            let (name, text) = line.split_once(' ').unwrap();
            Value::from(vec![name, text])
        })
        .collect();
    let read = google.run("read", &[], &lines);
    assert_eq!(read.len(), lines.len());
    let mut wrong = Vec::new();
    for (line, theirs) in lines.iter().zip(&read) {
        let (name, text) = (line[0].as_str().unwrap(), line[1].as_str().unwrap());
        let json = |wire: Vec<u8>| -> Value {
            let json = google.mapping.to_json(name, &wire);
            json.map_or_else(
                |error| Value::from(error.to_string()),
                |json| serde_json::from_slice(&json).unwrap(),
            )
        };
        let ours = google.mapping.to_wire(name, text.as_bytes());
        match (ours, theirs) {
            (Err(_), Value::Null) => {}
            (Ok(ours), Value::Null) => wrong.push(format!("{text} is read as {}", json(ours))),
            (Err(error), _) => wrong.push(format!("{text} is refused: {error}")),
            (Ok(ours), theirs) => {
                let (ours, theirs) = (json(ours), json(bytes(theirs)));
                if ours != theirs {
                    wrong.push(format!("{text} is read as {ours} and not as {theirs}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cases() -> impl Iterator<Item = &'static str> {
    let texts = include_str!("python/texts.txt").lines();
    texts.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Cases in which this crate differs from Python on purpose. This test needs no Python.
#[test]
fn texts_that_say_two_things_are_refused_and_numbers_are_exact() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let files = protox::compile(["broad.proto", "two.proto"], [schemas]).unwrap();
    let mapping = Mapping::decode(&prost::Message::encode_to_vec(&files)).unwrap();
    for line in cases() {
        if let Some(line) = line.strip_prefix("- ") {
            let (name, text) = line.split_once(' ').unwrap();
            let read = mapping.to_wire(name, text.as_bytes());
            assert!(read.is_err(), "{text}");
        } else if let Some(line) = line.strip_prefix("= ") {
            let (name, text) = line.split_once(' ').unwrap();
            let (text, expected) = text.split_once(" => ").unwrap();
            let wire = mapping.to_wire(name, text.as_bytes()).unwrap();
            let json = mapping.to_json(name, &wire).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), expected);
        }
    }
}
