//! The result of a comparison, and its text.

use std::fmt;

/// The importance of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information; only data that one side does not know is lost.
    Note,
    /// Messages are read, but some of their content is lost or changed.
    Lossy,
    /// Messages are refused, not delivered, or read with another meaning.
    Break,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Lossy => "LOSSY",
            Self::Break => "BREAK",
        })
    }
}

/// The directions in which a finding applies; at least one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directions {
    /// Publishers on the new schema with subscribers on the old one.
    pub forward: bool,
    /// Publishers on the old schema with subscribers on the new one.
    pub backward: bool,
}

impl Directions {
    /// New publishers, old subscribers.
    pub const FORWARD: Self = Self {
        forward: true,
        backward: false,
    };
    /// Old publishers, new subscribers.
    pub const BACKWARD: Self = Self {
        forward: false,
        backward: true,
    };
    /// Both ways.
    pub const BOTH: Self = Self {
        forward: true,
        backward: true,
    };

    fn or(self, other: Self) -> Self {
        Self {
            forward: self.forward || other.forward,
            backward: self.backward || other.backward,
        }
    }
}

/// The part of a topic that a finding concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TopicPart {
    /// The topic itself: its name or codec.
    Topic,
    /// Its messages, which publishers write and subscribers read.
    Message,
    /// Its replies, which subscribers write and publishers read.
    Reply,
}

/// The rule behind a finding, for programs; `Display` gives a name such as `type-changed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The new schema lacks the topic.
    TopicRemoved,
    /// The message has another topic.
    TopicRenamed,
    /// The old schema lacks the topic.
    TopicAdded,
    /// The topic became private, or no longer is.
    PrivacyChanged,
    /// The topic became sealed, or no longer is.
    SealingChanged,
    /// The topic's codec changed.
    CodecChanged,
    /// The topic's typed reply was removed.
    ReplyRemoved,
    /// A typed reply was added to the topic.
    ReplyAdded,
    /// The new schema lacks the field.
    FieldRemoved,
    /// The old schema lacks the field.
    FieldAdded,
    /// The field has another name.
    FieldRenamed,
    /// A number now stands for another field.
    NumberReused,
    /// The field's type changed.
    TypeChanged,
    /// The field became a list or a map, or is no longer one.
    CardinalityChanged,
    /// A reader requires a field that writers may omit.
    RequiredMissing,
    /// The meaning of an unset field has changed.
    DefaultChanged,
    /// Fields exclude each other that did not do so before.
    OneofChanged,
    /// A value of an enum is not known to the reader.
    EnumValueUnknown,
    /// A value of an enum has another name.
    EnumValueRenamed,
    /// A number now stands for another value of an enum.
    EnumValueReused,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TopicRemoved => "topic-removed",
            Self::TopicRenamed => "topic-renamed",
            Self::TopicAdded => "topic-added",
            Self::PrivacyChanged => "privacy-changed",
            Self::SealingChanged => "sealing-changed",
            Self::CodecChanged => "codec-changed",
            Self::ReplyRemoved => "reply-removed",
            Self::ReplyAdded => "reply-added",
            Self::FieldRemoved => "field-removed",
            Self::FieldAdded => "field-added",
            Self::FieldRenamed => "field-renamed",
            Self::NumberReused => "number-reused",
            Self::TypeChanged => "type-changed",
            Self::CardinalityChanged => "cardinality-changed",
            Self::RequiredMissing => "required-missing",
            Self::DefaultChanged => "default-changed",
            Self::OneofChanged => "oneof-changed",
            Self::EnumValueUnknown => "enum-value-unknown",
            Self::EnumValueRenamed => "enum-value-renamed",
            Self::EnumValueReused => "enum-value-reused",
        })
    }
}

/// One difference between two schemas.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Finding {
    /// The topic, by its old name if it was renamed.
    pub topic: String,
    /// Whether the topic's messages, its replies or the topic itself differ.
    pub part: TopicPart,
    /// The place, such as `Settlement.amount.currency`. A type that is used several times is
    /// reported at the first place.
    pub path: String,
    /// The directions in which it applies.
    pub directions: Directions,
    /// Its importance.
    pub severity: Severity,
    /// The rule behind it.
    pub rule: Rule,
    /// The difference and its effect, in one sentence.
    pub reason: String,
    /// The advice; empty if no action is needed.
    pub advice: String,
}

impl Finding {
    /// Returns the affected sides, such as `new publishers -> old subscribers`.
    fn parties(&self) -> &'static str {
        let Directions { forward, backward } = self.directions;
        match (self.part, forward, backward) {
            (_, true, true) => "both directions",
            (TopicPart::Reply, true, _) => "replies of old subscribers -> new publishers",
            (TopicPart::Reply, false, _) => "replies of new subscribers -> old publishers",
            (_, true, _) => "new publishers -> old subscribers",
            (_, false, _) => "old publishers -> new subscribers",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            severity,
            rule,
            reason,
            advice,
            ..
        } = self;
        write!(f, "{severity:<5} {path} ({}): {reason}", self.parties())?;
        if !advice.is_empty() {
            write!(f, "; {advice}")?;
        }
        write!(f, " [{rule}]")
    }
}

/// The result of comparing two schemas.
///
/// `Display` lists the findings by topic and ends with a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompatReport {
    /// The findings, by topic.
    pub findings: Vec<Finding>,
    /// The number of topics that both schemas have.
    pub topics_compared: usize,
}

impl CompatReport {
    /// Returns whether nothing breaks in either direction.
    pub fn is_compatible(&self) -> bool {
        self.is_forward_compatible() && self.is_backward_compatible()
    }

    /// Returns whether subscribers on the old schema can read publishers on the new one, and these
    /// publishers can read their replies.
    pub fn is_forward_compatible(&self) -> bool {
        !self.breaks().any(|finding| finding.directions.forward)
    }

    /// Returns whether subscribers on the new schema can read publishers on the old one, and these
    /// publishers can read their replies.
    pub fn is_backward_compatible(&self) -> bool {
        !self.breaks().any(|finding| finding.directions.backward)
    }

    /// Returns whether some content of messages is lost or changed, in either direction, without a
    /// break there.
    pub fn is_lossy(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Lossy)
    }

    fn breaks(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Break)
    }

    /// Adds a finding. If the same finding exists for the other direction, the direction is added
    /// to it.
    pub(super) fn add(&mut self, finding: Finding) {
        let same = self.findings.iter_mut().find(|known| {
            let directions = known.directions;
            **known
                == Finding {
                    directions,
                    ..finding.clone()
                }
        });
        match same {
            Some(known) => known.directions = known.directions.or(finding.directions),
            None => self.findings.push(finding),
        }
    }

    /// Sorts the findings in the order in which they are shown.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |finding: &Finding| (finding.part, std::cmp::Reverse(finding.severity));
            (&a.topic, key(a), &a.path).cmp(&(&b.topic, key(b), &b.path))
        });
    }
}

impl fmt::Display for CompatReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut topic = None;
        for finding in &self.findings {
            if topic != Some(&finding.topic) {
                topic = Some(&finding.topic);
                writeln!(f, "topic {:?}", finding.topic)?;
            }
            writeln!(f, "  {finding}")?;
        }
        let topics = match self.topics_compared {
            1 => "1 topic".to_owned(),
            n => format!("{n} topics"),
        };
        write!(f, "{topics} compared: ")?;
        match (self.is_forward_compatible(), self.is_backward_compatible()) {
            (true, true) if self.is_lossy() => writeln!(
                f,
                "compatible in both directions, but the LOSSY parts are lost or changed"
            ),
            (true, true) => writeln!(f, "compatible in both directions"),
            (true, false) => writeln!(
                f,
                "not compatible: subscribers on the new schema do not understand publishers on \
                 the old one, so upgrade publishers first"
            ),
            (false, true) => writeln!(
                f,
                "not compatible: subscribers on the old schema do not understand publishers on \
                 the new one, so upgrade subscribers first"
            ),
            (false, false) => writeln!(f, "not compatible in either direction"),
        }
    }
}
