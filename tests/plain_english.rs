//! Keeps words and phrases out of the project that its readers stumbled over. CONTRIBUTING.md says what to write
//! instead.

use std::{fs, path::Path};

/// In lower case, as whole words.
const AVOIDED: &[&str] = &[
    "bears it",
    "came of",
    "client of this project",
    "clients of this project",
    "come of",
    "comes of",
    "for that",
    "for want of",
    "foreign node",
    "foreign nodes",
    "foreign sdk",
    "foreign sdks",
    "has to do with",
    "hence",
    "in vain",
    "is of no use",
    "lest",
    "likewise",
    "node of this project",
    "nodes of this project",
    "none of ours",
    "of ours",
    "real node",
    "real nodes",
    "somebody",
    "standard node",
    "standard nodes",
    "thereby",
    "thereof",
    "to be had",
    "was not over",
    "whereof",
    "whither",
    "whoever",
];

/// CONTRIBUTING.md lists them, and so does this file.
const EXCEPT: &[&str] = &["CONTRIBUTING.md", "plain_english.rs"];

const KINDS: &[&str] = &["go", "java", "md", "rs", "sh", "toml"];

/// Those of its phrases that a line contains.
fn avoided(line: &str) -> impl Iterator<Item = &'static str> {
    let line = line.to_lowercase();
    AVOIDED.iter().copied().filter(move |phrase| {
        line.match_indices(phrase).any(|(at, _)| {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let (before, after) = (&line[..at], &line[at + phrase.len()..]);
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
    })
}

fn look_through(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            let generated = ["target", "node_modules", "corpus", "artifacts"];
            if !name.starts_with('.') && !generated.contains(&&*name) {
                look_through(&path, found);
            }
            continue;
        }
        let kind = path.extension().and_then(|kind| kind.to_str());
        if EXCEPT.contains(&&*name) || !kind.is_some_and(|kind| KINDS.contains(&kind)) {
            continue;
        }
        // Some test data is not UTF-8 on purpose.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            for phrase in avoided(line) {
                found.push(format!("{}:{number}: {phrase:?}", path.display()));
            }
        }
    }
}

#[test]
fn avoided_phrases_are_not_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    look_through(root, &mut found);
    let found = found.join("\n");
    assert!(
        found.is_empty(),
        "CONTRIBUTING.md says what to write instead:\n{found}"
    );
}

#[test]
fn phrases_are_found_as_whole_words_only() {
    let found = |line| avoided(line).collect::<Vec<_>>();
    assert_eq!(
        found("Whoever closes it, and real nodes"),
        ["real nodes", "whoever"]
    );
    assert!(found("a profile of oursins, surreal nodes, for thatched").is_empty());
}
