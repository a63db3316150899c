//! Keeps the causes of errors out of their texts: who prints an error prints its causes, too, and
//! would print them twice. CONTRIBUTING.md, "How errors and logs show things".

use std::{fs, path::Path};

/// The crates whose errors users see.
const CRATES: &[&str] = &[
    "amop",
    "amop-build",
    "amop-cli",
    "amop-node",
    "amop-node-cli",
    "amop-proto",
    "amop-protojson",
    "amop-schema",
    "amop-seal",
    "amop-tlcp",
    "amop-ws",
    "amop-tls",
];

/// Returns the text up to the bracket that closes the one at the beginning, and the rest.
fn bracketed(text: &str) -> (&str, &str) {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '(' | '[' | '{' if !in_string => depth += 1,
            ')' | ']' | '}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return text.split_at(at + 1);
                }
            }
            _ => {}
        }
    }
    (text, "")
}

/// Returns the fields of the variant or struct whose `#[error(...)]` ends where `text` begins, with
/// the name (or the number) of each, and whether it is the error's source.
fn fields(text: &str) -> Vec<(String, bool)> {
    let mut text = text.trim_start();
    // Other attributes and documentation may follow.
    while text.starts_with('#') || text.starts_with("//") {
        text = match text.strip_prefix('#') {
            Some(attribute) => bracketed(attribute).1.trim_start(),
            None => text
                .split_once('\n')
                .map_or("", |(_, rest)| rest)
                .trim_start(),
        };
    }
    let end = text.find(['(', '{', ',', ';', '}']).unwrap_or(text.len());
    let is_tuple = match text[end..].chars().next() {
        Some('(') if !text[..end].contains("pub") || text[..end].contains("struct") => true,
        Some('{') => false,
        _ => return Vec::new(),
    };
    let (inside, _) = bracketed(&text[end..]);
    let mut found = Vec::new();
    let mut marked = false;
    for part in inside[1..inside.len() - 1].split_inclusive([',', '\n']) {
        let part = part.trim();
        if part.starts_with("//") || part.is_empty() {
            continue;
        }
        marked |= part.contains("#[from]") || part.contains("#[source]");
        let declared = part.replace("#[from]", "").replace("#[source]", "");
        let declared = declared
            .trim()
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub ");
        if declared.is_empty() || declared.starts_with('#') {
            continue;
        }
        let name = match declared.split_once(':') {
            Some((name, _)) if !is_tuple => name.to_owned(),
            _ => found.len().to_string(),
        };
        let is_source = std::mem::take(&mut marked) || name == "source";
        found.push((name, is_source));
    }
    found
}

/// Returns the sources that the texts of a file's errors contain.
fn repeated(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("#[error(") {
        let (attribute, rest) = bracketed(&text[at + 1..]);
        for (name, is_source) in fields(rest) {
            let shown = ["{NAME}", "{NAME:", ".NAME)", "{source}"]
                .map(|shown| shown.replace("NAME", &name));
            if is_source && shown.iter().any(|shown| attribute.contains(shown)) {
                found.push(format!("{name} in {attribute}"));
            }
        }
    }
    found
}

fn look_through(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let repeated = repeated(&text).into_iter();
            found.extend(repeated.map(|what| format!("{}: {what}", path.display())));
        }
    }
}

#[test]
fn no_error_contains_its_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for name in CRATES {
        look_through(&root.join(name).join("src"), &mut found);
    }
    let found = found.join("\n");
    assert!(
        found.is_empty(),
        "these texts contain their source:\n{found}"
    );
}

#[test]
fn repeated_sources_are_found() {
    for (text, expected) in [
        ("#[error(\"no {0}\")]\nNo(#[from] io::Error),", 1),
        ("#[error(\"no {}\", .0)]\nNo(#[source] io::Error),", 1),
        ("#[error(\"no {0}\")]\nNo(String),", 0),
        (
            "#[error(\"no {1}\")]\nNo(&'static str, #[source] io::Error),",
            1,
        ),
        (
            "#[error(\"no {0}\")]\nNo(&'static str, #[source] io::Error),",
            0,
        ),
        (
            "#[error(\"no {name}: {source}\")]\nNo {\n/// A name.\nname: String,\nsource: io::Error,\n},",
            1,
        ),
        (
            "#[error(\"no {reason}\")]\nNo {\n#[source]\nreason: Why,\n},",
            1,
        ),
        (
            "#[error(\"no ({reason})\")]\nNo {\nreason: Why,\n},\n#[error(\"x\")]\nX { source: Y }",
            0,
        ),
        (
            "#[error(\"{n} failed; {first}\")]\npub struct E {\npub n: usize,\n#[source]\npub first: P,\n}",
            1,
        ),
        ("#[error(\n\"a (b) {source:?}\"\n)]\nNo { source: X },", 1),
        ("#[error(transparent)]\nNo(#[from] X),", 0),
    ] {
        assert_eq!(repeated(text).len(), expected, "{text}");
    }
}
