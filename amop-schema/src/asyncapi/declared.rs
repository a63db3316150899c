//! Topics in the form that the document needs, from any kind of declaration.

use super::{comments::ProtoComments, json_schema, payload::PayloadSchema, proto_text};
use crate::{TopicCodec, TopicDecl};
use prost_reflect::MessageDescriptor;
use serde::Deserialize;

/// A topic that was declared in a `.proto` file or by a Rust struct.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct DeclaredTopic {
    /// The topic's name.
    pub topic: String,
    /// The comment on the topic.
    pub description: Option<String>,
    /// Whether only subscribers with certain keys receive its messages.
    pub private: bool,
    /// Whether its messages and replies are sealed. If so, [`message`](Self::message) describes the
    /// content inside the seal.
    pub sealed: bool,
    /// The payload of its messages.
    pub message: Payload,
    /// The payload of its typed replies.
    pub reply: Option<Payload>,
}

/// The payload of messages or replies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Payload {
    /// The type's name, unique among a document's types.
    pub name: String,
    /// The comment on the type.
    pub description: Option<String>,
    /// Its form.
    #[serde(flatten)]
    pub content: PayloadSchema,
}

impl DeclaredTopic {
    /// Creates a public topic without a comment or reply.
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
    /// Creates a payload without a comment.
    pub fn new(name: impl Into<String>, content: PayloadSchema) -> Self {
        Self {
            name: name.into(),
            description: None,
            content,
        }
    }

    fn of(message: &MessageDescriptor, codec: TopicCodec) -> Self {
        let content = match codec {
            TopicCodec::Json => json_schema::content(message),
            TopicCodec::Protobuf => proto_text::content(message),
            TopicCodec::Text => PayloadSchema::Text,
        };
        Self {
            name: message.full_name().to_owned(),
            description: ProtoComments::default()
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
