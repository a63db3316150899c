//! Converts the protobuf compiler's errors to this crate's errors.

use super::{OPTIONS_PROTO_NAME, resolver::OpenedFiles};
use crate::{Location, SchemaError, SchemaErrorKind, utf8};
use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::error::Error as _;

/// Adds all mistakes in an error of the compiler.
pub(super) fn explain(error: &protox::Error, opened: &OpenedFiles, found: &mut Vec<SchemaError>) {
    let source = error.source_code();
    let file = error.file();
    if let Some((path, bytes)) = file.and_then(|name| not_text(&opened.path_of(name))) {
        let (line, column) = utf8::place(&bytes);
        found.push(SchemaError {
            location: Some(Location {
                file: path,
                line: u32::try_from(line).unwrap_or(0),
                column: u32::try_from(column).unwrap_or(0),
            }),
            kind: SchemaErrorKind::Protobuf {
                message: utf8::NOT_UTF8.to_owned(),
            },
        });
        return;
    }
    let mut add = |diagnostic: &dyn Diagnostic| {
        let (line, column) = place(diagnostic, source).unwrap_or_default();
        found.push(SchemaError {
            location: file.map(|name| Location {
                file: opened.path_of(name),
                line,
                column,
            }),
            kind: SchemaErrorKind::Protobuf {
                message: message(diagnostic, error),
            },
        });
    };
    add(error);
    for related in error.related().into_iter().flatten() {
        add(related);
    }
}

/// Returns the file, if it is not UTF-8.
fn not_text(path: &str) -> Option<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    std::str::from_utf8(&bytes)
        .is_err()
        .then(|| (path.to_owned(), bytes))
}

/// Returns line and column, from 1, of the label that marks the mistake; other labels mark the
/// declaration that it conflicts with.
fn place(diagnostic: &dyn Diagnostic, source: Option<&dyn SourceCode>) -> Option<(u32, u32)> {
    let labels: Vec<LabeledSpan> = diagnostic.labels()?.collect();
    let says = |label: &LabeledSpan, word| label.label().is_some_and(|text| text.contains(word));
    let label = labels
        .iter()
        .find(|label| says(label, "again") || says(label, "found"))
        .or(labels.last())?;
    let contents = source?.read_span(label.inner(), 0, 0).ok()?;
    Some((
        u32::try_from(contents.line()).ok()?.saturating_add(1),
        u32::try_from(contents.column()).ok()?.saturating_add(1),
    ))
}

fn message(diagnostic: &dyn Diagnostic, error: &protox::Error) -> String {
    let mut message = diagnostic.to_string();
    if message.contains("found 'edition'") {
        return "this is written in a protobuf edition, which this version does not read: use \
            `syntax = \"proto3\";` or \"proto2\""
            .to_owned();
    }
    if message.starts_with("camel-case name of field") {
        message.push_str(
            ": names must differ in more than `_` and case, because of JSON, so give one of them another name",
        );
        return message;
    }
    // The reason of an I/O error.
    if error.is_io()
        && let Some(source) = error.source()
    {
        message.push_str(&format!(": {source}"));
    }
    let scope = diagnostic.help().map(|help| help.to_string());
    if let Some(help) = options_help(&message, scope.as_deref()) {
        message.push_str(&format!(" ({help})"));
    } else if let Some(help) = diagnostic.help() {
        message.push_str(&format!(" ({help})"));
    }
    message
}

/// Returns the advice about one of this crate's options. The compiler does not know them, and
/// advises about scopes instead.
fn options_help(message: &str, compiler: Option<&str>) -> Option<String> {
    if message.contains("'amop.Codec' for option '(amop.codec)'") {
        return Some("the codecs are PROTOBUF, JSON and TEXT".to_owned());
    }
    if !message.ends_with("is not defined") {
        return None;
    }
    let name = message.split("'amop.").nth(1)?.split('\'').next()?;
    let known = ["topic", "reply", "codec", "private", "sealed"].contains(&name);
    Some(
        // If the package's name contains the word `amop`, or a type has this name, `amop` refers to
        // it.
        if known && compiler.is_some_and(|help| help.contains(".amop.")) {
            format!("write `(.amop.{name})`: in this package, `amop` alone has another meaning")
        } else if known {
            format!("add `import \"{OPTIONS_PROTO_NAME}\";`")
        } else {
            "the options are (amop.topic), (amop.reply), (amop.codec), (amop.private) and (amop.sealed)"
            .to_owned()
        },
    )
}
