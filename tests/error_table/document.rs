//! The table in the document.

use std::{fs, path::Path};

use super::publisher::Seen;

/// The columns of a row that are tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The result code, or `nothing` or `closed`.
    code: String,
    /// The kind of body.
    body: String,
    /// The variant of the native client's error; `-` where it never sends such a message.
    error: String,
}

impl Row {
    /// Returns the row of the document with this name.
    pub(crate) fn named(name: &str) -> Self {
        let row = rows().into_iter().find(|row| row.name == name);
        row.unwrap_or_else(|| panic!("docs/compatibility.md has no row {name:?}"))
    }

    /// Returns the row as it should be, given what the two publishers saw.
    pub(crate) fn seen(name: &str, raw: Seen, ours: Seen) -> Self {
        let Seen::Frame { code, body } = raw else {
            panic!("{name}: {raw:?}");
        };
        let Seen::Error(error) = ours else {
            panic!("{name}: {ours:?}");
        };
        Self {
            name: name.to_owned(),
            code,
            body: body.to_owned(),
            error,
        }
    }
}

/// Returns all rows, in the order of the document.
pub(crate) fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let text = fs::read_to_string(&path).unwrap();
    let table = text.split("\n## Error table\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let lines = table.lines().filter(|line| line.starts_with('|'));
    // The rows are below the heading and the rule.
    lines
        .skip(2)
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|');
            let mut cell = || cells.next().unwrap().trim().replace('`', "");
            Row {
                name: cell(),
                code: cell(),
                body: cell(),
                error: cell(),
            }
        })
        .collect()
}
