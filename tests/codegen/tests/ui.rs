//! The errors of programs that must not compile.

use std::{env, fs, path::Path};

use amop_testkit::Projects;
use serde_json::Value;

/// Every `ui/*.rs` is a program; `ui/*.stderr` has what the compiler says of it. With the variable
/// `AMOP_BLESS` set, these files are written again.
#[test]
fn programs_that_must_not_compile_say_why() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let projects = Projects::new(&["ui"]);
    projects.write("ui", "Cargo.toml", &Projects::manifest("amop-tests-ui"));
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            projects.write("ui", &format!("src/bin/{name}.rs"), &text);
            names.push(name);
        }
    }
    projects.finish();
    let args = ["build", "--keep-going", "--message-format=json"];
    let output = projects.cargo(&args).output().unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages: Vec<Value> = messages
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|message: &Value| message["reason"] == "compiler-message")
        .collect();
    let cargo = String::from_utf8_lossy(&output.stderr);

    let mut differ = Vec::new();
    for name in names {
        let said = errors_of(&name, &messages);
        assert!(
            !said.is_empty(),
            "{name} compiles, or never got so far:\n{cargo}"
        );
        let path = folder.join(format!("{name}.stderr"));
        if env::var_os("AMOP_BLESS").is_some() {
            fs::write(&path, &said).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != said {
            differ.push(format!("{name}.stderr should be:\n{said}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Returns what the compiler says of a program, with nothing that depends on the machine.
fn errors_of(name: &str, messages: &[Value]) -> String {
    let of_program = messages
        .iter()
        .filter(|message| message["target"]["name"] == name)
        .map(|message| &message["message"])
        .filter(|message| message["level"] == "error" && message["spans"] != Value::Array(vec![]))
        .map(|message| normalised(message["rendered"].as_str().unwrap()));
    of_program.collect()
}

/// Numbers of lines in other crates are left out, and the space for them is always the same.
fn normalised(rendered: &str) -> String {
    let mut is_own = true;
    let mut out = String::new();
    for line in rendered.lines() {
        let rest = line.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let rest = rest.trim_start();
        if let Some(place) = rest.strip_prefix("--> ").or(rest.strip_prefix("::: ")) {
            let (arrow, _) = rest.split_at(3);
            let file = place.split(':').next().unwrap_or(place);
            is_own = file.starts_with("ui/src/bin/");
            let place = match is_own {
                true => place.replacen("ui/src/bin/", "ui/", 1),
                false => foreign(file),
            };
            out += &format!("  {arrow} {place}\n");
        } else if number.is_empty() && rest.starts_with(['|', '=']) {
            out += &format!("   {rest}\n");
        } else if !number.is_empty() && rest.starts_with(['|', '+', '-', '~']) {
            let number = if is_own { number } else { "" };
            out += &format!("{number:<2} {rest}\n");
        } else {
            out += &format!("{}\n", line.trim_end());
        }
    }
    out
}

/// Returns a file of another crate without the folder that it is in on this machine.
fn foreign(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    if let Ok(own) = Path::new(file).strip_prefix(root) {
        return own.display().to_string();
    }
    let in_registry = file.split_once("/registry/src/");
    if let Some((_, rest)) = in_registry.and_then(|(_, rest)| rest.split_once('/')) {
        let (krate, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (krate, _version) = krate.rsplit_once('-').unwrap_or((krate, ""));
        return format!("{krate}/{path}");
    }
    match file.split_once("/library/") {
        Some((_, path)) => path.to_owned(),
        None => file.to_owned(),
    }
}
