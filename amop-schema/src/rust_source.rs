//! Finds the topics that structs declare in Rust source files, and describes their messages.
//!
//! The files are parsed, not compiled: code that a macro writes or another crate defines is not
//! seen. Code that is only for tests is left out. Code under other conditions is described, and
//! fields that are missing in some builds are optional. Types that are not found in the files
//! become an empty JSON schema, which allows anything, with the type's name as `x-rust-type`.
//! Serde's attributes for names, defaults, skipping, flattening and the representation of enums are
//! respected.
//!
//! ```
//! use amop_schema::{asyncapi, rust_source};
//!
//! let source = r#"
//!     /// A greeting.
//!     #[amop::topic("hello", codec = "json")]
//!     #[serde(rename_all = "camelCase")]
//!     struct Hello { first_name: String, age: Option<u8> }
//! "#;
//! let topics = rust_source::parse([("hello.rs", source)])?;
//! assert_eq!(topics[0].topic, "hello");
//!
//! let document = asyncapi::document(&topics, &asyncapi::DocumentInfo::new("Greetings", "1.0.0"));
//! let hello = &document["components"]["schemas"]["Hello"];
//! assert_eq!(hello["properties"]["firstName"]["type"], "string");
//! assert_eq!(hello["required"], serde_json::json!(["firstName"]));
//! # Ok::<(), rust_source::SourceError>(())
//! ```

mod amop_attr;
mod attrs;
mod case;
mod conditions;
mod index;
mod items;
mod prost_attr;
mod prost_text;
mod serde_attr;
mod types;

use crate::{
    asyncapi::{DeclaredTopic, Payload, PayloadSchema},
    utf8,
};
use amop_attr::{CodecOption, TopicAttribute};
use index::{Found, Index};
use std::{
    io,
    path::{Path, PathBuf},
};
use syn::{ItemStruct, Type, spanned::Spanned};

/// Topics could not be read from Rust source files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file could not be read.
    #[error("cannot read {}; check the path", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not valid Rust, or a topic's options are wrong.
    #[error("{}:{line}:{column}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The mistake, and how to correct it.
        message: String,
    },
}

/// Reads the topics in files. Types are looked up in all of them.
///
/// # Errors
///
/// The first file that cannot be read or parsed, or the first topic with wrong options.
pub fn read(files: &[impl AsRef<Path>]) -> Result<Vec<DeclaredTopic>, SourceError> {
    let mut sources = Vec::new();
    for file in files {
        let file = file.as_ref();
        let bytes = std::fs::read(file).map_err(|source| SourceError::Read {
            file: file.to_owned(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let (line, column) = utf8::place(error.as_bytes());
            SourceError::Syntax {
                file: file.to_owned(),
                line,
                column,
                message: utf8::NOT_UTF8.to_owned(),
            }
        })?;
        sources.push((file, text));
    }
    parse(sources)
}

/// Reads the topics in the texts of files. The names of the files are used in errors. Types are
/// looked up in all of them.
///
/// # Errors
///
/// The first text that cannot be parsed, or the first topic with wrong options.
pub fn parse(
    sources: impl IntoIterator<Item = (impl AsRef<Path>, impl AsRef<str>)>,
) -> Result<Vec<DeclaredTopic>, SourceError> {
    let mut index = Index::default();
    let mut files = Vec::new();
    for (file, text) in sources {
        let file = file.as_ref().to_owned();
        let parsed =
            syn::parse_file(text.as_ref()).map_err(|error| SourceError::at(&file, &error))?;
        index.add(files.len(), &parsed.items);
        files.push(file);
    }
    let mut topics = Vec::new();
    for found in index.structs() {
        let (scope, item) = found;
        let at = |error: syn::Error| SourceError::at(&files[index.file(scope)], &error);
        if let Some(settings) = TopicAttribute::of(&index, scope, item).map_err(at)? {
            topics.push(topic(&index, scope, item, &settings).map_err(at)?);
        }
    }
    Ok(topics)
}

impl SourceError {
    fn at(file: &Path, error: &syn::Error) -> Self {
        let start = error.span().start();
        Self::Syntax {
            file: file.to_owned(),
            line: start.line,
            column: start.column + 1,
            message: error.to_string(),
        }
    }
}

fn topic(
    index: &Index,
    file: usize,
    item: &ItemStruct,
    settings: &TopicAttribute,
) -> syn::Result<DeclaredTopic> {
    let format = match settings.format.clone() {
        Some(format) => format,
        None => default_format(item)?,
    };
    let name = item.ident.to_string();
    let description = attrs::doc(&item.attrs);
    let content = match &format {
        CodecOption::Text => PayloadSchema::Text,
        CodecOption::Bytes => PayloadSchema::Bytes,
        CodecOption::Own(codec) => PayloadSchema::Own {
            codec: codec.clone(),
        },
        CodecOption::Json => types::content(index, file, &types::path_type(&item.ident)),
        CodecOption::Protobuf => prost_text::content(index, file, item)?,
    };
    let mut topic = DeclaredTopic::new(&settings.topic, Payload::new(name, content));
    topic.private = settings.private;
    topic.sealed = settings.sealed;
    topic.message.description.clone_from(&description);
    topic.description = description;
    if let Some(reply) = &settings.reply {
        let format = settings.reply_format.as_ref().unwrap_or(&format);
        topic.reply = Some(reply_payload(index, file, reply, format)?);
    }
    Ok(topic)
}

fn reply_payload(
    index: &Index,
    file: usize,
    reply: &Type,
    format: &CodecOption,
) -> syn::Result<Payload> {
    let found = index.of_type(file, reply);
    let content = match (format, &found) {
        (CodecOption::Text, _) => PayloadSchema::Text,
        (CodecOption::Bytes, _) => PayloadSchema::Bytes,
        (CodecOption::Own(codec), _) => PayloadSchema::Own {
            codec: codec.clone(),
        },
        (CodecOption::Json, _) => types::content(index, file, reply),
        (CodecOption::Protobuf, Some((file, Found::Struct(item)))) => {
            prost_text::content(index, *file, item)?
        }
        (CodecOption::Protobuf, _) => {
            return Err(syn::Error::new(
                reply.span(),
                "the reply is a protobuf message that is not among the files: add the file that \
                 declares it",
            ));
        }
    };
    let mut payload = Payload::new(types::name(reply), content);
    if let Some((_, Found::Struct(item))) = &found {
        payload.description = attrs::doc(&item.attrs);
    }
    Ok(payload)
}

/// Returns the codec of a struct that does not name one: text for one `String`, otherwise JSON.
fn default_format(item: &ItemStruct) -> syn::Result<CodecOption> {
    let fields: Vec<_> = item.fields.iter().collect();
    let uncertain = |field: &&syn::Field| conditions::is_uncertain(&field.attrs);
    let certain = fields.iter().filter(|field| !uncertain(field)).count();
    let text = |field: &syn::Field| types::name(&field.ty).rsplit("::").next() == Some("String");
    // Whether the only remaining field may be a string.
    let alone = |field: &&syn::Field| text(field) && certain == usize::from(!uncertain(field));
    match fields.as_slice() {
        [only] if certain == 1 && text(only) => Ok(CodecOption::Text),
        fields if certain < fields.len() && fields.iter().any(alone) => Err(syn::Error::new(
            item.ident.span(),
            format!(
                "the codec of `{}` depends on which fields `#[cfg(...)]` keeps: name the codec, as in \
                 `codec = \"json\"`",
                item.ident
            ),
        )),
        _ => Ok(CodecOption::Json),
    }
}
