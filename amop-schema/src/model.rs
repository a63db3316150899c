//! The content of a schema: its topics, with their messages, replies and codecs.

use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The longest topic in bytes: the length byte on the wire counts itself (channel-v2 section 7.1).
/// The same as `amop::MAX_TOPIC_LEN`, which build scripts need not compile.
pub const MAX_TOPIC_LEN: usize = 254;

/// The longest private topic in bytes: on the wire it has prefixes and a suffix (channel-v2 section
/// 9.1). The same as `amop::MAX_PRIVATE_LEN`.
pub const MAX_PRIVATE_LEN: usize = 185;

/// The topics of a set of `.proto` files, and all types of these files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// All files, including imports and `amop/options.proto`, for reflection.
    pub pool: DescriptorPool,
    /// All topics, including those of imported files, in the order of files (imports come first)
    /// and of messages.
    pub topics: Vec<TopicDecl>,
    pub(crate) sources: Vec<(String, PathBuf)>,
    pub(crate) shadowing: Vec<PathBuf>,
}

impl Schema {
    /// Returns the files on disk from which the schema was read, including imports, in the order in
    /// which they were read. Built-in files are not included, and a descriptor set has none.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|(_, path)| path.as_path())
    }

    /// Returns the folders in which a new file would be read instead of one of
    /// [`sources`](Self::sources), because they come before its own folder in the include folders.
    pub fn shadowing(&self) -> impl Iterator<Item = &Path> {
        self.shadowing.iter().map(PathBuf::as_path)
    }

    /// Returns the place of a declaration, given the file's name in imports and the path in the
    /// form of `google.protobuf.SourceCodeInfo`. If the declaration itself has no place, the place
    /// of the nearest enclosing declaration is returned.
    pub fn location(&self, file: &str, path: &[i32]) -> Location {
        let read = self.sources.iter().find(|(name, _)| name == file);
        let known = read.map_or_else(|| file.to_owned(), |(_, path)| path.display().to_string());
        let descriptor = self.pool.get_file_by_name(file);
        let descriptor = descriptor.as_ref().map(|file| file.file_descriptor_proto());
        let places = descriptor
            .and_then(|file| file.source_code_info.as_ref())
            .map_or(&[][..], |info| &info.location);
        let place = (0..=path.len()).rev().find_map(|len| {
            let of = |place: &&prost_types::source_code_info::Location| place.path == path[..len];
            places.iter().find(of)
        });
        let position = |index: usize| {
            place
                .and_then(|place| place.span.get(index))
                .and_then(|&position| u32::try_from(position).ok())
                .map_or(0, |position| position.saturating_add(1))
        };
        Location {
            file: known,
            line: position(0),
            column: position(1),
        }
    }

    /// Returns the topic of a message type, by the message's full name.
    pub fn topic_of(&self, message: &str) -> Option<&TopicDecl> {
        self.topics
            .iter()
            .find(|decl| decl.message.full_name() == message)
    }
}

/// A topic: a message that carries the option `(amop.topic)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopicDecl {
    /// The topic's name: 1 to [`MAX_TOPIC_LEN`] bytes, or [`MAX_PRIVATE_LEN`] if it is private, no tab.
    pub topic: String,
    /// How messages become payloads.
    pub codec: TopicCodec,
    /// Whether only subscribers with certain keys receive the messages.
    pub private: bool,
    /// Whether messages are encrypted to their recipients' keys and signed by their publisher.
    pub sealed: bool,
    /// The type of the subscribers' answers, if they send typed replies.
    pub reply: Option<MessageDescriptor>,
    /// How replies become payloads: the codec of the reply's own type if it has the option
    /// `(amop.codec)`, otherwise the topic's codec.
    pub reply_codec: TopicCodec,
    /// The message.
    pub message: MessageDescriptor,
    /// The place where the topic is declared.
    pub location: Location,
    /// The comment above the message, without comment signs and outer space.
    pub comment: Option<String>,
}

/// How messages become payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopicCodec {
    /// The protobuf wire format.
    #[default]
    Protobuf,
    /// The JSON mapping of protobuf.
    Json,
    /// The text itself: the message is one `string`.
    Text,
}

impl TopicCodec {
    /// Returns the name in Rust attributes: `"protobuf"`, `"json"` or `"text"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// Returns the name in `.proto` files: `PROTOBUF`, `JSON` or `TEXT`.
    pub fn proto_name(self) -> &'static str {
        match self {
            Self::Protobuf => "PROTOBUF",
            Self::Json => "JSON",
            Self::Text => "TEXT",
        }
    }

    /// Returns the MIME type of payloads.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Protobuf),
            1 => Some(Self::Json),
            2 => Some(Self::Text),
            _ => None,
        }
    }
}

impl fmt::Display for TopicCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in a file. `Display` writes it in the form of compilers: `hello.proto:3:1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Location {
    /// The path from which the file was read; in a descriptor set, the name of the file there.
    pub file: String,
    /// The line, from 1; 0 if it is not known, for example in a descriptor set without source info.
    pub line: u32,
    /// The column, from 1; 0 if it is not known.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}
