//! The descriptors of a program's topics, and the file that has them.

use std::{fmt, fs, io, path::Path};

use serde_json::{Value, json};

use super::{TypeDescriptor, proto_text};

/// The version of the file's form.
const VERSION: u32 = 1;

/// Descriptions of topics, for documents about them.
///
/// The command `amop schema asyncapi` reads them from a file in addition to `.proto` files. A test
/// of the crate that declares the topics is a good place to write it:
///
/// ```
/// /// A greeting.
/// #[amop::topic("hello")]
/// struct Hello {
///     text: String,
/// }
///
/// #[amop::topic("quotes", reply = bool)]
/// struct Quote {
///     bond_code: String,
///     price: u64,
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("topics.json");
/// // path: "topics.json"
/// amop::TopicDescriptors::new()
///     .with::<Hello>()
///     .with::<Quote>()
///     .write(path)
/// # }
/// ```
///
/// ```sh
/// amop schema asyncapi topics.json
/// ```
#[derive(Clone, Default)]
pub struct TopicDescriptors {
    topics: Vec<Value>,
}

impl TopicDescriptors {
    /// Creates a list without topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the topic of `T`: its name, options and comment, and the form of its messages and
    /// replies.
    #[must_use]
    pub fn with<T: DescribedTopic>(mut self) -> Self {
        self.topics.push(T::topic_descriptor().0);
        self
    }

    /// Returns the text of the file.
    pub fn to_json(&self) -> String {
        format!(
            "{:#}\n",
            json!({ "amop-topics": VERSION, "topics": self.topics })
        )
    }

    /// Writes the file, and replaces one that exists.
    ///
    /// # Errors
    ///
    /// The system's error, if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, self.to_json())
    }
}

impl fmt::Debug for TopicDescriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.topics.iter().map(|topic| &topic["topic"]);
        f.debug_list().entries(names).finish()
    }
}

/// A topic with a descriptor: every type that `#[amop::topic]` or `#[derive(AmopTopic)]` makes a
/// topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic",
    note = "declare the type with `#[amop::topic(\"name\")]`"
)]
pub trait DescribedTopic {
    /// Returns the descriptor. The macros implement this.
    fn topic_descriptor() -> TopicDescriptor;
}

/// The descriptor of one topic.
pub struct TopicDescriptor(Value);

impl TopicDescriptor {
    /// Describes a topic without a typed reply.
    pub fn new(
        topic: &'static str,
        doc: &'static str,
        [private, sealed]: [bool; 2],
        message: DescribedPayload,
    ) -> Self {
        let mut described = json!({
            "topic": topic,
            "private": private,
            "sealed": sealed,
            "message": message.described(doc),
        });
        if !doc.is_empty() {
            described["description"] = json!(doc);
        }
        Self(described)
    }

    /// Adds the typed reply.
    pub fn with_reply(mut self, reply: DescribedPayload) -> Self {
        let doc = reply.of.doc;
        self.0["reply"] = reply.described(doc);
        self
    }
}

/// Messages or replies.
pub struct DescribedPayload {
    name: &'static str,
    codec: &'static str,
    of: TypeDescriptor,
}

impl DescribedPayload {
    /// Describes the values of a type, whose name is `name` in the source code.
    pub fn new(name: &'static str, codec: &'static str, of: TypeDescriptor) -> Self {
        Self { name, codec, of }
    }

    fn described(&self, doc: &str) -> Value {
        let mut described = match self.codec {
            "json" => {
                let (schema, definitions) = self.of.json();
                json!({ "codec": "json", "schema": schema, "definitions": definitions })
            }
            "protobuf" => {
                let file = proto_text::file(&self.of);
                json!({
                    "codec": "protobuf",
                    "text": file.text,
                    "version": file.version,
                    "message": file.message,
                })
            }
            "text" | "bytes" => json!({ "codec": self.codec }),
            own => json!({ "codec": "own", "own_codec": own }),
        };
        described["name"] = json!(self.name);
        if !doc.is_empty() {
            described["description"] = json!(doc);
        }
        described
    }
}
