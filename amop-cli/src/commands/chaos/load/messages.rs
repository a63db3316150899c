//! What messages and answers contain.

use std::collections::BTreeSet;

use amop::MessageKind;
use bytes::Bytes;

/// The length of a message, in bytes.
const LEN: usize = 64;

/// Returns the text of a message: its kind and number.
pub(super) fn write_message(kind: MessageKind, message: usize) -> Bytes {
    let letter = match kind {
        MessageKind::Unicast => 'u',
        MessageKind::Multicast => 'm',
    };
    Bytes::from(format!("{:.<LEN$}", format!("{letter} {message} ")))
}

pub(super) fn read_message(payload: &[u8]) -> Option<(MessageKind, usize)> {
    let text = str::from_utf8(payload).ok()?;
    let (kind, rest) = text.split_once(' ')?;
    let (number, _) = rest.split_once(' ')?;
    let kind = match kind {
        "u" => MessageKind::Unicast,
        "m" => MessageKind::Multicast,
        _ => return None,
    };
    Some((kind, number.parse().ok()?))
}

pub(super) fn write_answer(subscriber: usize, message: usize) -> String {
    format!("{subscriber} {message}")
}

/// Returns whether an answer to this message is from one of these subscribers.
pub(super) fn is_answer(payload: &[u8], message: usize, subscribers: &BTreeSet<usize>) -> bool {
    let mut expected = subscribers.iter().map(|&s| write_answer(s, message));
    expected.any(|answer| answer.as_bytes() == payload)
}

#[cfg(test)]
mod tests;
