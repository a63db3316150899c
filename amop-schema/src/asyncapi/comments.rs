//! The comments in `.proto` files.

use prost_reflect::FileDescriptor;
use std::collections::HashMap;

/// The comments of files, by the path of the descriptor; read once per file.
#[derive(Default)]
pub(super) struct ProtoComments {
    files: HashMap<String, HashMap<Vec<i32>, String>>,
}

impl ProtoComments {
    /// Returns the comment above a declaration, without comment signs and outer space.
    pub(super) fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> Option<&str> {
        let comments = self
            .files
            .entry(file.name().to_owned())
            .or_insert_with(|| read(file));
        comments.get(path).map(String::as_str)
    }
}

fn read(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    let Some(info) = &file.file_descriptor_proto().source_code_info else {
        return HashMap::new();
    };
    info.location
        .iter()
        .filter_map(|location| {
            // One space after the comment signs belongs to them.
            let lines: Vec<_> = location
                .leading_comments()
                .lines()
                .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
                .collect();
            let comment = lines.join("\n").trim().to_owned();
            (!comment.is_empty()).then(|| (location.path.clone(), comment))
        })
        .collect()
}
