use std::{collections::BTreeSet, time::Duration};

use amop_proto::{TopicError, client::CloseReason, log::with_causes};
use amop_seal::{OpenError, SealError};
use bytes::Bytes;

use super::{PublishError, PublishErrorKind as Kind, *};
use crate::CodecError;

const AFTER: Duration = Duration::from_secs(10);
const SEQ: Seq = Seq(*b"0123456789abcdef0123456789abcdef");

/// Returns the number of a kind. A new kind needs a new number here, and an example below.
fn number(kind: &Kind) -> usize {
    match kind {
        Kind::InvalidTopic(_) => 0,
        Kind::Encode(_) => 1,
        Kind::TooLarge { .. } => 2,
        Kind::CutOff { .. } => 3,
        Kind::Congested { .. } => 4,
        Kind::NoSubscriber { .. } => 5,
        Kind::NotGranted => 6,
        Kind::NotSealed => 7,
        Kind::Seal(_) => 8,
        Kind::UnprovenAnswer(_) => 9,
        Kind::NoVerifiedSubscriber { .. } => 10,
        Kind::Unanswered => 11,
        Kind::NodeTimeout => 12,
        Kind::OverLimit => 13,
        Kind::Undecodable => 14,
        Kind::NoReply => 15,
        Kind::SubscriberFailed => 16,
        Kind::Rejected { .. } => 17,
        Kind::Timeout { .. } => 18,
        Kind::Offline { .. } => 19,
        Kind::Disconnected { .. } => 20,
        Kind::Closed { .. } => 21,
        Kind::Reply(_) => 22,
        Kind::NoPrivateTopics => 23,
        Kind::SubscriberLeft => 24,
    }
}

fn lost() -> CloseReason {
    CloseReason::Transport {
        kind: std::io::ErrorKind::BrokenPipe,
        message: "the line is cut".to_owned(),
    }
}

/// Returns an example of every kind.
fn examples() -> Vec<Kind> {
    let fisco = true;
    let after = AFTER;
    vec![
        Kind::InvalidTopic(TopicError::Tab("a\tb".to_owned())),
        Kind::Encode(CodecError::new("json", "a number is missing")),
        Kind::TooLarge { len: 9, max: 8 },
        Kind::CutOff { len: 9, longest: 8 },
        Kind::Congested { after },
        Kind::NoSubscriber { fisco },
        Kind::NotGranted,
        Kind::NoPrivateTopics,
        Kind::NotSealed,
        Kind::Seal(SealError::NoRecipient),
        Kind::UnprovenAnswer(OpenError::NotRecipient),
        Kind::NoVerifiedSubscriber { after },
        Kind::Unanswered,
        Kind::SubscriberLeft,
        Kind::NodeTimeout,
        Kind::OverLimit,
        Kind::Undecodable,
        Kind::NoReply,
        Kind::SubscriberFailed,
        Kind::Rejected {
            code: 7,
            payload: Bytes::new(),
        },
        Kind::Timeout { after, fisco },
        Kind::Offline {
            endpoints: "node:1, node:2".to_owned(),
        },
        Kind::Disconnected { reason: lost() },
        Kind::Closed {
            endpoints: "node:1, node:2".to_owned(),
            reason: lost(),
        },
        Kind::Reply(CodecError::new("json", "a number is missing")),
    ]
}

fn name(kind: &Kind) -> String {
    let shown = format!("{kind:?}");
    shown.split([' ', '(']).next().unwrap().to_owned()
}

fn error(kind: Kind) -> PublishError {
    PublishError::of_name(kind, "hello").at("node:1")
}

#[test]
fn there_is_an_example_of_every_kind() {
    let numbers: BTreeSet<usize> = examples().iter().map(number).collect();
    assert!(numbers.iter().copied().eq(0..25), "{numbers:?}");
}

/// The table in the documentation is what the two questions answer.
#[test]
fn the_table_is_right() {
    let documented: Vec<Vec<&str>> = include_str!("kind.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// | [`"))
        .map(|row| row.split(" | ").collect())
        .collect();
    let yes = |cell: &str| match cell.split([' ', ',', ':']).next() {
        Some("yes") => true,
        Some("no") => false,
        _ => panic!("{cell:?} is neither yes nor no"),
    };
    let shown: Vec<(String, bool, bool)> = documented
        .iter()
        .map(|row| {
            let (kind, _) = row[0].split_once('`').unwrap();
            (kind.to_owned(), yes(row[1]), yes(row[2]))
        })
        .collect();
    let real: Vec<(String, bool, bool)> = examples()
        .into_iter()
        .map(|kind| {
            let name = name(&kind);
            let error = error(kind);
            let answers = (error.is_retryable(), error.may_have_been_delivered());
            (name, answers.0, answers.1)
        })
        .collect();
    assert_eq!(shown, real);
}

/// What the table adds about a lost connection.
#[test]
fn a_client_that_was_closed_cannot_send_again() {
    let closed = error(Kind::Disconnected {
        reason: CloseReason::Local,
    });
    assert!(!closed.is_retryable() && closed.may_have_been_delivered());
}

/// A text says which topic it is about and does not contain its cause; the chain contains both.
#[test]
fn texts_do_not_repeat_their_causes() {
    for kind in examples() {
        let error = error(kind).with_seq(Some(SEQ));
        let text = error.to_string();
        assert!(!text.is_empty() && !text.starts_with(" ("), "{error:?}");
        if !matches!(error.kind(), Kind::InvalidTopic(_)) {
            assert!(text.contains("\"hello\""), "{text}");
        }
        assert!(
            text.ends_with(" (seq 0123456789abcdef0123456789abcdef)"),
            "{text}"
        );
        let chain = with_causes(&error).to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            assert!(!text.contains(&cause_text), "{text}");
            assert_eq!(chain.matches(&cause_text).count(), 1, "{chain}");
            source = cause.source();
        }
        // What is for people only is in the text, too: no cause gets lost.
        let has_cause = matches!(
            error.kind(),
            Kind::InvalidTopic(_)
                | Kind::Encode(_)
                | Kind::Seal(_)
                | Kind::UnprovenAnswer(_)
                | Kind::Disconnected { .. }
                | Kind::Closed { .. }
                | Kind::Reply(_)
        );
        assert_eq!(error.source().is_some(), has_cause, "{error:?}");
    }
}

#[test]
fn an_earlier_attempt_counts() {
    let offline = || {
        error(Kind::Offline {
            endpoints: "node:1".to_owned(),
        })
    };
    let text = offline().to_string();
    assert!(!offline().may_have_been_delivered() && !text.contains("earlier"));
    let again = offline().after_attempt(true);
    assert!(again.may_have_been_delivered() && again.is_retryable());
    assert!(again.to_string().contains("earlier attempt"), "{again}");
    // Such a text says already that it may have been delivered.
    let timeout = error(Kind::NodeTimeout).after_attempt(true).to_string();
    assert!(!timeout.contains("earlier"), "{timeout}");
}

#[test]
fn a_result_with_it_is_small() {
    assert_eq!(size_of::<PublishError>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), PublishError>>(), size_of::<usize>());
}

#[test]
fn a_flush_shows_the_first_error_once() {
    let flush = FlushError {
        topic: "hello".to_owned(),
        failed: 2,
        first: error(Kind::Disconnected { reason: lost() }),
    };
    assert!(!flush.to_string().contains("node:1"), "{flush}");
    let chain = with_causes(&flush).to_string();
    for part in ["2 of the messages", "node:1", "the line is cut"] {
        assert_eq!(chain.matches(part).count(), 1, "{chain}");
    }
}
