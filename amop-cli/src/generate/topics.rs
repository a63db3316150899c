//! The topics of a schema as the templates see them.

use std::collections::BTreeSet;

use amop_schema::{Schema, TopicDecl};

use super::{
    names,
    programs::{Programs, ReplySample, TopicAccess},
    sample,
};

/// A topic as the templates see it.
pub(super) struct GeneratedTopic<'a> {
    pub(super) decl: &'a TopicDecl,
    /// The module with the parts that the topic's programs share.
    pub(super) module: String,
    /// The path of the message below the module `proto`.
    pub(super) path: String,
    /// The path of the reply, if its type is generated.
    pub(super) reply_path: Option<String>,
    pub(super) programs: Programs,
}

pub(super) fn topics<'a>(schema: &'a Schema, lib: &str) -> Vec<GeneratedTopic<'a>> {
    let single = schema.topics.len() == 1;
    let mut taken = BTreeSet::new();
    let topic = |decl: &'a TopicDecl| {
        let name = names::unique(names::topic(decl), &mut taken);
        let module = format!("{name}_topic");
        let type_name = names::shared_type(&decl.message);
        let sample = sample::message(decl, &type_name);
        let reply = decl.reply.as_ref();
        // Types of `google.protobuf` are built-in Rust types or types of a crate.
        let generated = reply.filter(|reply| reply.package_name() != "google.protobuf");
        let reply_type = generated.map(|reply| {
            if *reply == decl.message {
                type_name.clone()
            } else {
                names::reply_type(reply, &type_name)
            }
        });
        GeneratedTopic {
            decl,
            path: names::path(&decl.message),
            reply_path: generated.map(names::path),
            programs: Programs {
                prefix: if single {
                    String::new()
                } else {
                    format!("{name}_")
                },
                module: format!("{lib}::{module}"),
                type_name,
                text_field: sample.text_field,
                message: sample.message,
                uses_number: sample.uses_number,
                access: match (decl.private, decl.sealed) {
                    (_, true) => TopicAccess::Sealed,
                    (true, _) => TopicAccess::Private,
                    _ => TopicAccess::Plain,
                },
                reply: reply.map(|reply| ReplySample {
                    expression: sample::reply(reply, reply_type.as_deref()),
                    type_name: reply_type,
                }),
                accessors: names::accessors(&decl.message),
            },
            module,
        }
    };
    schema.topics.iter().map(topic).collect()
}
