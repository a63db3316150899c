//! The extension packet by which nodes of this project tell each other their subscriber counts.
//!
//! Real nodes synchronise names only, so a unicast can be uniform over nodes at best. Our nodes also
//! send how many sessions hold each topic, as changes: the first packet of a connection holds every
//! topic, later ones only those whose count changed; 0 removes a topic. The connection keeps the
//! order, so sender and receiver agree after each packet.
//!
//! Body: for each topic a length byte, the topic, and the count as four bytes, big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::MAX_TOPIC_LEN;

/// How many subscribers a node has for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCount {
    /// The topic.
    pub topic: Bytes,
    /// Its sessions; 0 once the last has left.
    pub count: u32,
}

/// Writes the body. Topics longer than [`MAX_TOPIC_LEN`] cannot be addressed and are left out.
pub fn encode_counts<'a>(counts: impl IntoIterator<Item = (&'a [u8], u32)>) -> Bytes {
    let mut body = BytesMut::new();
    for (topic, count) in counts {
        if topic.len() <= MAX_TOPIC_LEN {
            body.put_u8(topic.len() as u8);
            body.put_slice(topic);
            body.put_u32(count);
        }
    }
    body.freeze()
}

/// Reads a body of at most `max` entries.
///
/// # Errors
///
/// [`CountsError`] if it ends inside an entry or holds more of them.
pub fn decode_counts(mut body: Bytes, max: usize) -> Result<Vec<TopicCount>, CountsError> {
    let mut counts = Vec::new();
    while body.has_remaining() {
        if counts.len() == max {
            return Err(CountsError::TooMany { max });
        }
        let len = usize::from(body.get_u8());
        if body.remaining() < len + 4 {
            return Err(CountsError::Truncated);
        }
        let topic = body.split_to(len);
        counts.push(TopicCount {
            topic,
            count: body.get_u32(),
        });
    }
    Ok(counts)
}

/// Why a packet was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountsError {
    /// It ends inside an entry.
    #[error("the subscriber count packet ends inside an entry")]
    Truncated,
    /// It holds more entries than this node takes.
    #[error("the peer announces more than {max} topics, this node's limit")]
    TooMany {
        /// The limit in force.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_truncation() {
        let body = encode_counts([(&b"hello"[..], 3), (b"", 0), (&[b't'; 254], u32::MAX)]);
        let counts = decode_counts(body.clone(), 3).unwrap();
        assert_eq!(counts.len(), 3);
        assert_eq!((&counts[0].topic[..], counts[0].count), (&b"hello"[..], 3));
        assert_eq!(counts[2].count, u32::MAX);
        assert_eq!(
            decode_counts(body.clone(), 2),
            Err(CountsError::TooMany { max: 2 })
        );
        for end in 1..body.len() {
            // Cuts between entries read fine, all others are refused; none panics.
            let cut = decode_counts(body.slice(..end), 3);
            assert_eq!(cut.is_ok(), end == 10 || end == 15, "cut at {end}");
        }
    }
}
