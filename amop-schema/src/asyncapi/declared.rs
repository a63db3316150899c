//! Topics as the document needs them, wherever they were declared.

use super::{comments::Comments, json_schema, proto_text};
use crate::{Codec, TopicDecl};
use prost_reflect::MessageDescriptor;
use serde_json::Value;
use std::collections::BTreeMap;

/// A topic that was declared in a `.proto` file or by a Rust struct.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeclaredTopic {
    /// The topic.
    pub topic: String,
    /// The comment on it.
    pub description: Option<String>,
    /// Whether only subscribers with certain keys receive its messages.
    pub private: bool,
    /// Whether its messages and replies are sealed: what [`message`](Self::message) describes is then
    /// what is inside.
    pub sealed: bool,
    /// What its messages are.
    pub message: Payload,
    /// What its typed replies are.
    pub reply: Option<Payload>,
}

/// What the payload of messages or replies is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Payload {
    /// The type's name, unique among a document's types.
    pub name: String,
    /// The comment on the type.
    pub description: Option<String>,
    /// Its form.
    pub content: Content,
}

/// The form of a payload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// JSON.
    Json {
        /// The JSON Schema (draft 7) of the value.
        schema: Value,
        /// The schemas that it refers to as `#/components/schemas/NAME`, by name.
        definitions: BTreeMap<String, Value>,
    },
    /// The protobuf wire format.
    Protobuf {
        /// A `.proto` file with the message and all it consists of.
        text: String,
        /// The version of protobuf's language the file is written in: 2 or 3.
        version: u32,
        /// The message's full name.
        message: String,
    },
    /// UTF-8 text.
    Text,
    /// Bytes of any form.
    Bytes,
    /// Bytes in the form of a codec that a program has itself.
    Own {
        /// The codec's type, as it is written.
        codec: String,
    },
}

impl DeclaredTopic {
    /// A topic without a comment, reply or privacy.
    pub fn new(topic: impl Into<String>, message: Payload) -> Self {
        Self {
            topic: topic.into(),
            description: None,
            private: false,
            sealed: false,
            message,
            reply: None,
        }
    }
}

impl Payload {
    /// A payload without a comment.
    pub fn new(name: impl Into<String>, content: Content) -> Self {
        Self {
            name: name.into(),
            description: None,
            content,
        }
    }

    fn of(message: &MessageDescriptor, codec: Codec) -> Self {
        let content = match codec {
            Codec::Json => json_schema::content(message),
            Codec::Protobuf => proto_text::content(message),
            Codec::Text => Content::Text,
        };
        Self {
            name: message.full_name().to_owned(),
            description: Comments::default()
                .of(&message.parent_file(), message.path())
                .map(str::to_owned),
            content,
        }
    }
}

impl From<&TopicDecl> for DeclaredTopic {
    fn from(decl: &TopicDecl) -> Self {
        Self {
            topic: decl.topic.clone(),
            description: decl.comment.clone(),
            private: decl.private,
            sealed: decl.sealed,
            message: Payload::of(&decl.message, decl.codec),
            reply: decl
                .reply
                .as_ref()
                .map(|reply| Payload::of(reply, decl.reply_codec)),
        }
    }
}
