//! Compares topics: whether they exist, their codecs, and their replies.

use super::{
    CompatOptions, CompatReport, Directions, Finding, Rule, Severity, TopicPart, json, protobuf,
    walk::SchemaWalk,
};
use crate::{TopicCodec, TopicDecl};
use prost_reflect::MessageDescriptor;

/// Compares the topics of two schemas.
pub(super) fn check(old: &[TopicDecl], new: &[TopicDecl], options: CompatOptions) -> CompatReport {
    let mut report = CompatReport::default();
    for was in old {
        match counterpart(was, old, new) {
            Some(is) => {
                report.topics_compared += 1;
                topic(&mut report, options, was, is);
            }
            None => removed(&mut report, was, old, new),
        }
    }
    for is in new {
        let renamed = || {
            old.iter().any(|was| {
                counterpart(was, old, new).is_none()
                    && renamed_to(was, old, new).is_some_and(|to| std::ptr::eq(to, is))
            })
        };
        if counterpart(is, new, old).is_none() && !renamed() {
            add(
                &mut report,
                is,
                Directions::BOTH,
                Severity::Note,
                Rule::TopicAdded,
                "the topic is new".to_owned(),
                "",
            );
        }
    }
    report.sort();
    report
}

/// Returns the declaration of the same topic in the other schema. If several packages share a
/// topic, the message decides.
fn counterpart<'a>(
    decl: &TopicDecl,
    own: &[TopicDecl],
    other: &'a [TopicDecl],
) -> Option<&'a TopicDecl> {
    let same = |of: &&TopicDecl| of.topic == decl.topic;
    let message = |of: &&TopicDecl| of.message.full_name() == decl.message.full_name();
    let mut found = other.iter().filter(same);
    match (found.next(), found.next()) {
        (Some(only), None) if own.iter().filter(same).count() == 1 => Some(only),
        _ => other.iter().filter(same).find(message),
    }
}

/// Returns the new topic of a message whose old topic no longer exists.
fn renamed_to<'a>(
    was: &TopicDecl,
    old: &[TopicDecl],
    new: &'a [TopicDecl],
) -> Option<&'a TopicDecl> {
    new.iter().find(|is| {
        is.message.full_name() == was.message.full_name() && counterpart(is, new, old).is_none()
    })
}

fn removed(report: &mut CompatReport, was: &TopicDecl, old: &[TopicDecl], new: &[TopicDecl]) {
    let (rule, reason, advice) = match renamed_to(was, old, new) {
        Some(is) => (
            Rule::TopicRenamed,
            format!(
                "the topic is called {:?} now, so neither side receives the other side's messages",
                is.topic
            ),
            "keep the topic, or publish to both until all subscribers are upgraded",
        ),
        None => (
            Rule::TopicRemoved,
            "the topic was removed, so old subscribers receive nothing and old publishers reach no \
             subscriber"
                .to_owned(),
            "keep the topic until no program uses it",
        ),
    };
    add(
        report,
        was,
        Directions::BOTH,
        Severity::Break,
        rule,
        reason,
        advice,
    );
}

fn topic(report: &mut CompatReport, options: CompatOptions, was: &TopicDecl, is: &TopicDecl) {
    if was.private != is.private {
        let now = if is.private {
            "is private now"
        } else {
            "is no longer private"
        };
        add(
            report,
            was,
            Directions::BOTH,
            Severity::Break,
            Rule::PrivacyChanged,
            format!("the topic {now}, which gives it another name on the wire"),
            "give the topic another name and use both until all programs are upgraded",
        );
    }
    if was.sealed != is.sealed {
        let now = if is.sealed {
            "is sealed now"
        } else {
            "is no longer sealed"
        };
        add(
            report,
            was,
            Directions::BOTH,
            Severity::Break,
            Rule::SealingChanged,
            format!("the topic {now}, so each side refuses the other side's messages"),
            "give the topic another name and use both until all programs are upgraded",
        );
    }
    let message = (&was.message, &is.message);
    part(
        report,
        options,
        was,
        TopicPart::Message,
        (was.codec, is.codec),
        message,
    );
    match (&was.reply, &is.reply) {
        (Some(old), Some(new)) => {
            let codecs = (was.reply_codec, is.reply_codec);
            part(report, options, was, TopicPart::Reply, codecs, (old, new));
        }
        (Some(old), None) => reply_only_in(report, was, old, Directions::BACKWARD),
        (None, Some(new)) => reply_only_in(report, was, new, Directions::FORWARD),
        (None, None) => {}
    }
}

/// Compares the messages or the replies of a topic.
fn part(
    report: &mut CompatReport,
    options: CompatOptions,
    decl: &TopicDecl,
    part: TopicPart,
    (was, is): (TopicCodec, TopicCodec),
    (old, new): (&MessageDescriptor, &MessageDescriptor),
) {
    if was != is {
        report.add(Finding {
            topic: decl.topic.clone(),
            part,
            path: old.name().to_owned(),
            directions: Directions::BOTH,
            severity: Severity::Break,
            rule: Rule::CodecChanged,
            reason: format!("the codec was {was} and is {is} now"),
            advice: "use a new topic for messages with the new codec".to_owned(),
        });
        return;
    }
    let compare = match is {
        TopicCodec::Protobuf => protobuf::compare,
        TopicCodec::Json => json::compare,
        // The payload is the single string. Its name and number do not matter.
        TopicCodec::Text => return,
    };
    for directions in [Directions::FORWARD, Directions::BACKWARD] {
        SchemaWalk::new(report, options, &decl.topic, part, directions).run(old, new, compare);
    }
}

/// Reports a typed reply that only one of the schemas has. Publishers on that schema ask for it and
/// get the empty acknowledgement of subscribers on the other schema, in the direction `breaks`. In
/// the other direction, publishers ignore the replies that they get.
fn reply_only_in(
    report: &mut CompatReport,
    decl: &TopicDecl,
    reply: &MessageDescriptor,
    breaks: Directions,
) {
    let added = breaks.forward;
    let rule = if added {
        Rule::ReplyAdded
    } else {
        Rule::ReplyRemoved
    };
    let (askers, silent) = if added {
        ("new", "old")
    } else {
        ("old", "new")
    };
    let mut add = |directions, severity, reason, advice: &str| {
        report.add(Finding {
            topic: decl.topic.clone(),
            part: TopicPart::Reply,
            path: reply.name().to_owned(),
            directions,
            severity,
            rule,
            reason,
            advice: advice.to_owned(),
        });
    };
    add(
        breaks,
        Severity::Break,
        format!(
            "{askers} publishers ask for a reply that {silent} subscribers do not give: they get \
             an empty one"
        ),
        if added {
            "upgrade the subscribers first"
        } else {
            "upgrade the publishers first"
        },
    );
    add(
        Directions {
            forward: breaks.backward,
            backward: breaks.forward,
        },
        Severity::Note,
        format!("{silent} publishers ignore the replies of {askers} subscribers"),
        "",
    );
}

fn add(
    report: &mut CompatReport,
    decl: &TopicDecl,
    directions: Directions,
    severity: Severity,
    rule: Rule,
    reason: String,
    advice: &str,
) {
    report.add(Finding {
        topic: decl.topic.clone(),
        part: TopicPart::Topic,
        path: decl.message.name().to_owned(),
        directions,
        severity,
        rule,
        reason,
        advice: advice.to_owned(),
    });
}
