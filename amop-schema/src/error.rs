//! Mistakes in a schema, each with its place and how to correct it.

use crate::{Location, MAX_PRIVATE_LEN, MAX_TOPIC_LEN};
use std::{error, fmt, fmt::Write as _};

/// All mistakes found in a schema, in the order of files and lines.
///
/// Both `Display` and `Debug` print one mistake per line, as compilers do, so that a build script
/// whose `main` returns the error shows readable text.
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaErrors(Vec<SchemaError>);

impl SchemaErrors {
    /// Returns the mistakes; there is at least one.
    pub fn errors(&self) -> &[SchemaError] {
        &self.0
    }

    /// Sorts the mistakes; `None` if there are none.
    pub(crate) fn new(mut found: Vec<SchemaError>) -> Option<Self> {
        found.sort_by(|a, b| a.location.cmp(&b.location));
        found.dedup();
        (!found.is_empty()).then_some(Self(found))
    }
}

impl fmt::Display for SchemaErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SchemaErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for SchemaErrors {}

impl<'a> IntoIterator for &'a SchemaErrors {
    type Item = &'a SchemaError;
    type IntoIter = std::slice::Iter<'a, SchemaError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// One mistake in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaError {
    /// The place. Missing if the mistake is not in a file, for example because the file does not
    /// exist.
    pub location: Option<Location>,
    /// The mistake.
    pub kind: SchemaErrorKind,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if let Some(location) = &self.location {
            write!(text, "{location}: ")?;
        }
        write!(text, "{}", self.kind)?;
        // Schemas may contain characters that move a terminal's cursor or change the reading
        // direction.
        for c in text.chars() {
            match c {
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?
                }
                c if c.is_control() => write!(f, "{}", c.escape_debug())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl error::Error for SchemaError {}

/// The kind of a mistake in a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaErrorKind {
    /// The topic is the empty string.
    #[error("the topic of `{message}` is empty: give it a name of 1 to {MAX_TOPIC_LEN} bytes")]
    EmptyTopic {
        /// The message's full name.
        message: String,
    },
    /// The topic is private and sealed.
    #[error(
        "the topic of `{message}` is private and sealed: remove `private`, since only holders of \
         the keys can read a sealed message anyway"
    )]
    PrivateAndSealed {
        /// The message's full name.
        message: String,
    },
    /// The private topic is too long: nodes add prefixes to it on the wire.
    #[error(
        "the private topic of `{message}` is {len} bytes long and the protocol allows \
         {MAX_PRIVATE_LEN}: shorten it by {}",
        len - MAX_PRIVATE_LEN
    )]
    PrivateTopicTooLong {
        /// The message's full name.
        message: String,
        /// The topic's length in bytes.
        len: usize,
    },
    /// The topic is longer than the protocol can express.
    #[error(
        "the topic of `{message}` is {len} bytes long and the protocol allows {MAX_TOPIC_LEN}: \
         shorten it by {}",
        len - MAX_TOPIC_LEN
    )]
    TopicTooLong {
        /// The message's full name.
        message: String,
        /// The topic's length in bytes.
        len: usize,
    },
    /// The topic contains a tab, which separates topics between nodes.
    #[error(
        "the topic of `{message}` contains a tab, which nodes use to separate topics: remove it"
    )]
    TabInTopic {
        /// The message's full name.
        message: String,
    },
    /// Two messages of a package have the same topic.
    #[error(
        "topic {topic:?} of `{message}` belongs to `{other}` ({first}): a topic has one message \
         type, so give one of them another topic or move it to another package"
    )]
    DuplicateTopic {
        /// The topic.
        topic: String,
        /// The full name of the second message.
        message: String,
        /// The full name of the first message.
        other: String,
        /// Where the first message states the topic.
        first: Location,
    },
    /// The reply's type does not exist, or not in the scope in which it is looked up.
    #[error("`{message}` is answered with `{reply}`, and there is no such message: {hint}")]
    UnknownReply {
        /// The message's full name.
        message: String,
        /// The reply's type as it was written.
        reply: String,
        /// The advice.
        hint: String,
    },
    /// The text codec is used for a message or a reply that is not one `string`.
    #[error(
        "codec TEXT needs a message with exactly one field, a plain `string`, and `{message}` \
         {found}: change the message, or use codec JSON"
    )]
    NotText {
        /// The full name of the message that cannot be text.
        message: String,
        /// The actual content, as in "has 2 fields".
        found: String,
    },
    /// An option about a topic is on a message that has no topic.
    #[error(
        "`{message}` has the option (amop.{option}) and no topic: add \
         `option (amop.topic) = \"...\";` or remove it"
    )]
    OptionWithoutTopic {
        /// The message's full name.
        message: String,
        /// The option's name, without the package.
        option: &'static str,
    },
    /// The codec's number is unknown to this version.
    #[error(
        "`{message}` has the unknown codec {number}: use PROTOBUF, JSON or TEXT, or a newer \
         version of this tool"
    )]
    UnknownCodec {
        /// The message's full name.
        message: String,
        /// The codec's number.
        number: i32,
    },
    /// The file set contains a different `amop/options.proto`.
    #[error(
        "the extension `{extension}` is not the one of amop/options.proto: use the file that comes \
         with amop-schema"
    )]
    ForeignOptions {
        /// The extension's full name.
        extension: String,
    },
    /// The file does not exist.
    #[error("{file} does not exist, neither at this path nor in an include folder: check the path")]
    Missing {
        /// The file.
        file: String,
    },
    /// A file is not in any include folder, so it has no name for imports.
    #[error("{file} is not in any include folder: add its folder to the include folders")]
    Outside {
        /// The file.
        file: String,
    },
    /// Another file has the same name in an earlier include folder.
    #[error(
        "{file} would never be read: its name in imports is {name:?}, but this name means {other}. Use an \
         include folder in which the two have different names, such as the one above both, or change the \
         order of the include folders"
    )]
    Shadowed {
        /// The file.
        file: String,
        /// Its name in imports.
        name: String,
        /// The file that has the name.
        other: String,
    },
    /// The protobuf compiler reported an error.
    #[error("{message}")]
    Protobuf {
        /// The compiler's message, with its advice if there is any.
        message: String,
    },
    /// The bytes are not a set of file descriptors.
    #[error(
        "this is not a usable descriptor set: {reason}. Write it with `protoc --include_imports \
         --descriptor_set_out=FILE`"
    )]
    DescriptorSet {
        /// The reason.
        reason: String,
    },
}
