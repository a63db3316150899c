//! The protobuf compiler's errors, as this crate reports errors.

use super::{OPTIONS_PROTO_NAME, resolver::Opened};
use crate::{Location, SchemaError, SchemaErrorKind};
use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::error::Error as _;

/// Adds all that an error of the compiler says.
pub(super) fn explain(error: &protox::Error, opened: &Opened, found: &mut Vec<SchemaError>) {
    let source = error.source_code();
    let file = error.file();
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

/// Line and column, from 1, of the label that marks the mistake; others mark what it is at odds
/// with.
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
    // An I/O error's reason.
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

/// What to do about an option of ours. The compiler does not know what is meant, and advises about
/// scopes.
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
        // In a package that has the word `amop` in its own name, that is meant by it.
        if known && compiler.is_some_and(|help| help.contains(".amop.")) {
            format!("write `(.amop.{name})`: `amop` alone is a part of this package's name")
        } else if known {
            format!("add `import \"{OPTIONS_PROTO_NAME}\";`")
        } else {
            "the options are (amop.topic), (amop.reply), (amop.codec), (amop.private) and (amop.sealed)"
            .to_owned()
        },
    )
}
