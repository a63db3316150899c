//! Reads the options of messages by reflection, and checks them.

use crate::{
    Location, MAX_PRIVATE_LEN, MAX_TOPIC_LEN, SchemaError, SchemaErrorKind, TopicCodec, TopicDecl,
    load::OPTIONS_PROTO_NAME,
};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    Value,
};

/// The field `options` of a message descriptor, for paths into source info.
const OPTIONS_FIELD: i32 = 7;

/// The extensions of `amop/options.proto`.
struct TopicExtensions {
    topic: ExtensionDescriptor,
    reply: ExtensionDescriptor,
    codec: ExtensionDescriptor,
    private: ExtensionDescriptor,
    /// Missing in older versions of the file.
    sealed: Option<ExtensionDescriptor>,
}

impl TopicExtensions {
    /// Finds the extensions in the pool. A descriptor set may have other extensions with these
    /// names.
    fn of(pool: &DescriptorPool) -> Result<Option<Self>, SchemaErrorKind> {
        let get = |name: &str, number, kind: fn(&Kind) -> bool| {
            let Some(extension) = pool.get_extension_by_name(name) else {
                return Ok(None);
            };
            let same = extension.number() == number
                && extension.containing_message().full_name() == "google.protobuf.MessageOptions"
                && !extension.is_list()
                && kind(&extension.kind());
            if same {
                Ok(Some(extension))
            } else {
                Err(SchemaErrorKind::ForeignOptions {
                    extension: name.to_owned(),
                })
            }
        };
        let topic = get("amop.topic", 51870, |kind| matches!(kind, Kind::String))?;
        let reply = get("amop.reply", 51871, |kind| matches!(kind, Kind::String))?;
        let codec = get("amop.codec", 51872, |kind| matches!(kind, Kind::Enum(_)))?;
        let private = get("amop.private", 51873, |kind| matches!(kind, Kind::Bool))?;
        let sealed = get("amop.sealed", 51874, |kind| matches!(kind, Kind::Bool))?;
        Ok((|| {
            Some(Self {
                topic: topic?,
                reply: reply?,
                codec: codec?,
                private: private?,
                sealed,
            })
        })())
    }
}

/// Reads the topics of all files. Mistakes are added to `found`.
pub(super) fn read(
    pool: &DescriptorPool,
    path_of: &dyn Fn(&str) -> String,
    found: &mut Vec<SchemaError>,
) -> Vec<TopicDecl> {
    let options = match TopicExtensions::of(pool) {
        Ok(Some(options)) => options,
        Ok(None) => return Vec::new(),
        Err(kind) => {
            found.push(SchemaError {
                location: Some(Location {
                    file: path_of(OPTIONS_PROTO_NAME),
                    line: 0,
                    column: 0,
                }),
                kind,
            });
            return Vec::new();
        }
    };
    let mut reader = TopicReader {
        options,
        path_of,
        found,
    };
    let mut topics: Vec<TopicDecl> = Vec::new();
    for message in messages(pool) {
        let Some(decl) = reader.message(&message) else {
            continue;
        };
        let first = topics.iter().find(|other| {
            other.topic == decl.topic && other.message.package_name() == message.package_name()
        });
        if let Some(first) = first {
            let kind = SchemaErrorKind::DuplicateTopic {
                topic: decl.topic.clone(),
                message: message.full_name().to_owned(),
                other: first.message.full_name().to_owned(),
                first: first.location.clone(),
            };
            let number = reader.options.topic.number();
            reader.error(&message, number, kind);
        }
        topics.push(decl);
    }
    topics
}

/// Returns all messages, each before its nested messages.
fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    fn walk(message: MessageDescriptor, all: &mut Vec<MessageDescriptor>) {
        let children: Vec<_> = message.child_messages().collect();
        all.push(message);
        for child in children {
            walk(child, all);
        }
    }
    let mut all = Vec::new();
    for file in pool.files() {
        for message in file.messages() {
            walk(message, &mut all);
        }
    }
    all
}

struct TopicReader<'a> {
    options: TopicExtensions,
    path_of: &'a dyn Fn(&str) -> String,
    found: &'a mut Vec<SchemaError>,
}

impl TopicReader<'_> {
    /// Returns the message's topic, if it has a usable one. Mistakes that leave a usable topic are
    /// reported as well.
    fn message(&mut self, message: &MessageDescriptor) -> Option<TopicDecl> {
        let given = message.options();
        let name = || message.full_name().to_owned();
        let own_codec = self.codec(message, &given);
        let Some(topic) = string(&given, &self.options.topic) else {
            let sealed = self.options.sealed.as_ref();
            let needs_topic = [
                (&self.options.reply, "reply"),
                (&self.options.private, "private"),
            ]
            .into_iter()
            .chain(sealed.map(|sealed| (sealed, "sealed")));
            let stray: Vec<_> = needs_topic
                .filter(|(extension, _)| given.has_extension(extension))
                .map(|(extension, option)| (extension.number(), option))
                .collect();
            for (number, option) in stray {
                let message_name = name();
                self.error(
                    message,
                    number,
                    SchemaErrorKind::OptionWithoutTopic {
                        message: message_name,
                        option,
                    },
                );
            }
            return None;
        };

        let private = matches!(
            *given.get_extension(&self.options.private),
            Value::Bool(true)
        );
        let sealed = self.options.sealed.as_ref();
        let sealed_number = sealed.map(ExtensionDescriptor::number);
        let sealed = sealed.is_some_and(|it| matches!(*given.get_extension(it), Value::Bool(true)));
        if let Some(number) = sealed_number.filter(|_| private && sealed) {
            self.error(
                message,
                number,
                SchemaErrorKind::PrivateAndSealed { message: name() },
            );
        }
        let wrong = if topic.is_empty() {
            Some(SchemaErrorKind::EmptyTopic { message: name() })
        } else if topic.len() > MAX_TOPIC_LEN {
            Some(SchemaErrorKind::TopicTooLong {
                message: name(),
                len: topic.len(),
            })
        } else if private && topic.len() > MAX_PRIVATE_LEN {
            Some(SchemaErrorKind::PrivateTopicTooLong {
                message: name(),
                len: topic.len(),
            })
        } else if topic.contains('\t') {
            Some(SchemaErrorKind::TabInTopic { message: name() })
        } else {
            None
        };
        let usable = wrong.is_none();
        if let Some(kind) = wrong {
            self.error(message, self.options.topic.number(), kind);
        }

        let codec = own_codec.unwrap_or_default();
        if codec == TopicCodec::Text {
            self.check_text(message, message, self.options.codec.number());
        }
        let reply = self.reply(message, &given);
        let mut reply_codec = codec;
        if let Some(reply) = &reply {
            reply_codec = self.reply_codec(reply).unwrap_or(codec);
            if reply_codec == TopicCodec::Text {
                self.check_text(message, reply, self.options.reply.number());
            }
        }

        usable.then(|| TopicDecl {
            topic,
            codec,
            private,
            sealed,
            reply,
            reply_codec,
            message: message.clone(),
            location: self.location(message, self.options.topic.number()),
            comment: comment(message),
        })
    }

    /// Returns the codec in the message's own option. An unknown codec is reported.
    fn codec(&mut self, message: &MessageDescriptor, given: &DynamicMessage) -> Option<TopicCodec> {
        let number = codec_number(given, &self.options.codec)?;
        let codec = TopicCodec::from_number(number);
        if codec.is_none() {
            let kind = SchemaErrorKind::UnknownCodec {
                message: message.full_name().to_owned(),
                number,
            };
            self.error(message, self.options.codec.number(), kind);
        }
        codec
    }

    /// Returns the codec in the option of the reply's type. An unknown codec is reported when that
    /// type itself is read.
    fn reply_codec(&self, reply: &MessageDescriptor) -> Option<TopicCodec> {
        TopicCodec::from_number(codec_number(&reply.options(), &self.options.codec)?)
    }

    fn reply(
        &mut self,
        message: &MessageDescriptor,
        given: &DynamicMessage,
    ) -> Option<MessageDescriptor> {
        let wanted = string(given, &self.options.reply)?;
        let reply = resolve(message, &wanted);
        if reply.is_none() {
            let kind = SchemaErrorKind::UnknownReply {
                message: message.full_name().to_owned(),
                hint: hint(message, &wanted),
                reply: wanted,
            };
            self.error(message, self.options.reply.number(), kind);
        }
        reply
    }

    /// Reports `text` if it does not have the shape that the text codec needs, at an option of
    /// `message`.
    fn check_text(&mut self, message: &MessageDescriptor, text: &MessageDescriptor, option: u32) {
        let fields: Vec<FieldDescriptor> = text.fields().collect();
        let found = match fields.as_slice() {
            [field] if is_plain_string(field) => return,
            [field] => format!(
                "has the field `{}`, which is {}",
                field.name(),
                describe(field)
            ),
            [] => "has no field".to_owned(),
            fields => format!("has {} fields", fields.len()),
        };
        let kind = SchemaErrorKind::NotText {
            message: text.full_name().to_owned(),
            found,
        };
        self.error(message, option, kind);
    }

    fn error(&mut self, message: &MessageDescriptor, option: u32, kind: SchemaErrorKind) {
        let location = Some(self.location(message, option));
        self.found.push(SchemaError { location, kind });
    }

    /// Returns the place of an option of a message, or of the message if the place is not known.
    fn location(&self, message: &MessageDescriptor, option: u32) -> Location {
        let file = message.parent_file_descriptor_proto();
        let message_path = message.path();
        let mut option_path = message_path.to_vec();
        option_path.push(OPTIONS_FIELD);
        option_path.extend(i32::try_from(option));

        let locations = file
            .source_code_info
            .as_ref()
            .map_or(&[][..], |info| &info.location);
        let place = locations
            .iter()
            .find(|location| location.path == option_path)
            .or_else(|| {
                locations
                    .iter()
                    .find(|location| location.path == message_path)
            });
        let position = |index: usize| {
            place
                .and_then(|place| place.span.get(index))
                .and_then(|&position| u32::try_from(position).ok())
                .map_or(0, |position| position.saturating_add(1))
        };
        Location {
            file: (self.path_of)(file.name()),
            line: position(0),
            column: position(1),
        }
    }
}

fn string(given: &DynamicMessage, extension: &ExtensionDescriptor) -> Option<String> {
    given
        .has_extension(extension)
        .then(|| given.get_extension(extension).as_str().map(str::to_owned))?
}

fn codec_number(given: &DynamicMessage, extension: &ExtensionDescriptor) -> Option<i32> {
    given
        .has_extension(extension)
        .then(|| given.get_extension(extension).as_enum_number())?
}

/// Finds a type as seen from inside `message`, from the innermost scope outwards.
fn resolve(message: &MessageDescriptor, wanted: &str) -> Option<MessageDescriptor> {
    let pool = message.parent_pool();
    if let Some(absolute) = wanted.strip_prefix('.') {
        return pool.get_message_by_name(absolute);
    }
    let mut scope = message.full_name();
    loop {
        if let Some(found) = pool.get_message_by_name(&format!("{scope}.{wanted}")) {
            return Some(found);
        }
        match scope.rsplit_once('.') {
            Some((outer, _)) => scope = outer,
            None => return pool.get_message_by_name(wanted),
        }
    }
}

/// Returns the advice for a type that does not exist.
fn hint(message: &MessageDescriptor, wanted: &str) -> String {
    let last = wanted.rsplit('.').next().unwrap_or(wanted);
    let pool = message.parent_pool();
    if wanted.is_empty() {
        return "name the reply's message type, or remove the option".to_owned();
    }
    let similar = messages(pool).into_iter().find(|known| {
        known.name().eq_ignore_ascii_case(last)
            && known.full_name() != message.full_name()
            && !known.full_name().starts_with("google.")
    });
    match similar {
        Some(known) => format!("did you mean `{}`?", known.full_name()),
        None => format!("declare `message {last} {{ ... }}` or import the file that declares it"),
    }
}

/// Returns whether the generated field is a `String`, not an optional or repeated one.
fn is_plain_string(field: &FieldDescriptor) -> bool {
    field.kind() == Kind::String
        && !field.is_list()
        && (!field.supports_presence() || field.is_required())
}

fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        _ if field.is_map() => return "a map".to_owned(),
        Kind::Message(message) => format!("`{}`", message.full_name()),
        Kind::Enum(of) => format!("`{}`", of.full_name()),
        scalar => format!("`{scalar:?}`").to_lowercase(),
    };
    if field.is_list() {
        format!("a list of {kind}")
    } else if field.kind() == Kind::String {
        let oneof = field.containing_oneof();
        match oneof.filter(|oneof| !oneof.is_synthetic()) {
            Some(oneof) => format!("in the oneof `{}`", oneof.name()),
            None => "optional".to_owned(),
        }
    } else {
        format!("of type {kind}")
    }
}

fn comment(message: &MessageDescriptor) -> Option<String> {
    let file = message.parent_file_descriptor_proto();
    let info = file.source_code_info.as_ref()?;
    let place = info
        .location
        .iter()
        .find(|location| location.path == message.path())?;
    // One space after the comment signs belongs to them.
    let lines: Vec<_> = place
        .leading_comments()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    let comment = lines.join("\n").trim().to_owned();
    (!comment.is_empty()).then_some(comment)
}
