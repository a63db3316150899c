//! Compares two versions of a message field by field, for one direction.

use super::{CompatOptions, CompatReport, Directions, Finding, Rule, Severity, TopicPart, types};
use prost_reflect::{Cardinality, FieldDescriptor, MessageDescriptor};
use std::collections::{HashSet, VecDeque};

/// A comparison: its writer and reader, and the types that are still to be compared.
pub(super) struct SchemaWalk<'a> {
    pub(super) report: &'a mut CompatReport,
    pub(super) options: CompatOptions,
    topic: &'a str,
    part: TopicPart,
    directions: Directions,
    /// Pairs that were seen. Types that refer to each other must not be compared forever.
    seen: HashSet<(String, String)>,
    /// A queue instead of recursion: a schema may nest deeper than the stack.
    queue: VecDeque<MessagePair>,
}

/// Two versions of a message.
pub(super) struct MessagePair {
    pub(super) writer: MessageDescriptor,
    pub(super) reader: MessageDescriptor,
    pub(super) path: String,
}

impl<'a> SchemaWalk<'a> {
    /// Creates a comparison of a topic's messages or of its replies.
    pub(super) fn new(
        report: &'a mut CompatReport,
        options: CompatOptions,
        topic: &'a str,
        part: TopicPart,
        directions: Directions,
    ) -> Self {
        Self {
            report,
            options,
            topic,
            part,
            directions,
            seen: HashSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// Compares the message of a topic and all types that it uses, with `compare`.
    pub(super) fn run(
        mut self,
        old: &MessageDescriptor,
        new: &MessageDescriptor,
        compare: fn(&mut Self, &MessagePair),
    ) {
        let (writer, reader) = if self.writer_is_new() {
            (new, old)
        } else {
            (old, new)
        };
        self.enqueue(writer, reader, old.name().to_owned());
        while let Some(pair) = self.queue.pop_front() {
            compare(&mut self, &pair);
        }
    }

    /// Returns whether the writer is on the new schema. Publishers write messages and subscribers
    /// write replies.
    pub(super) fn writer_is_new(&self) -> bool {
        self.directions.forward == (self.part != TopicPart::Reply)
    }

    /// Queues two messages for comparison, unless they were queued before.
    pub(super) fn enqueue(
        &mut self,
        writer: &MessageDescriptor,
        reader: &MessageDescriptor,
        path: String,
    ) {
        let names = (writer.full_name().to_owned(), reader.full_name().to_owned());
        if self.seen.insert(names) {
            self.queue.push_back(MessagePair {
                writer: writer.clone(),
                reader: reader.clone(),
                path,
            });
        }
    }

    /// Returns the writer's and the reader's item in the order old, new.
    pub(super) fn old_new<T>(&self, writer: T, reader: T) -> (T, T) {
        if self.writer_is_new() {
            (reader, writer)
        } else {
            (writer, reader)
        }
    }

    /// Adds a finding.
    pub(super) fn add(
        &mut self,
        path: &str,
        severity: Severity,
        rule: Rule,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.report.add(Finding {
            topic: self.topic.to_owned(),
            part: self.part,
            path: path.to_owned(),
            directions: self.directions,
            severity,
            rule,
            reason: reason.into(),
            advice: advice.into(),
        });
    }

    /// Reports a field that only the reader knows and does not require.
    pub(super) fn only_reader(&mut self, path: &str, field: &FieldDescriptor) {
        let name = field.name();
        if self.writer_is_new() {
            self.add(
                path,
                Severity::Lossy,
                Rule::FieldRemoved,
                format!("`{name}` is no longer written, so old readers find it unset"),
                "keep writing it until they are upgraded",
            );
        } else {
            self.add(
                path,
                Severity::Note,
                Rule::FieldAdded,
                format!("old writers do not know `{name}`, so new readers find it unset"),
                "",
            );
        }
    }

    /// Reports a field that only the writer knows, if readers skip such fields.
    pub(super) fn only_writer(&mut self, path: &str, field: &FieldDescriptor) {
        let name = field.name();
        let (rule, reason) = if self.writer_is_new() {
            (
                Rule::FieldAdded,
                format!("old readers skip the new field `{name}`"),
            )
        } else {
            (
                Rule::FieldRemoved,
                format!("new readers skip the removed field `{name}`"),
            )
        };
        self.add(path, Severity::Note, rule, reason, "");
    }

    /// Reports a required field that may be missing. Returns whether it did.
    pub(super) fn misses_required(
        &mut self,
        path: &str,
        writer: Option<&FieldDescriptor>,
        reader: &FieldDescriptor,
    ) -> bool {
        let required = |field: &FieldDescriptor| field.cardinality() == Cardinality::Required;
        let missing = required(reader) && !writer.is_some_and(required);
        if missing {
            let (readers, writers) = if self.writer_is_new() {
                ("old", "new")
            } else {
                ("new", "old")
            };
            self.add(
                path,
                Severity::Break,
                Rule::RequiredMissing,
                format!(
                    "{readers} readers require `{}`, which {writers} writers may leave out",
                    reader.name()
                ),
                "keep the field as it was; only fields that no reader requires can change",
            );
        }
        missing
    }

    /// Compares the meaning of an unset field.
    pub(super) fn default(
        &mut self,
        path: &str,
        writer: &FieldDescriptor,
        reader: &FieldDescriptor,
    ) {
        // A required field is never unset.
        let required = writer.cardinality() == Cardinality::Required;
        if required || types::is_many(writer) || types::is_many(reader) {
            return;
        }
        let (was, is) = (types::default(writer), types::default(reader));
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            self.add(
                path,
                Severity::Lossy,
                Rule::DefaultChanged,
                format!("an unset field means {was} to the writer and {is} to the reader"),
                "set the field always, or keep the default",
            );
        }
    }

    /// Reports fields that are alternatives for readers although writers may set several of them.
    ///
    /// `written` returns the writer's field for a field of the reader.
    pub(super) fn oneofs(
        &mut self,
        pair: &MessagePair,
        written: impl Fn(&FieldDescriptor) -> Option<FieldDescriptor>,
        severity: Severity,
        consequence: &str,
    ) {
        for oneof in pair.reader.oneofs() {
            let members: Vec<_> = oneof.fields().filter_map(|field| written(&field)).collect();
            let apart = members.iter().enumerate().any(|(i, a)| {
                members[..i].iter().any(|b| {
                    a.containing_oneof().is_none() || a.containing_oneof() != b.containing_oneof()
                })
            });
            if apart {
                let names: Vec<_> = members.iter().map(|field| field.name()).collect();
                self.add(
                    &format!("{}.{}", pair.path, oneof.name()),
                    severity,
                    Rule::OneofChanged,
                    format!(
                        "`{}` can be set together by the writer but are alternatives to the \
                         reader, which {consequence}",
                        names.join("`, `")
                    ),
                    "leave existing fields out of a oneof, or move one of them only",
                );
            }
        }
    }
}
