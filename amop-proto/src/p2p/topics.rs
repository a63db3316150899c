//! Topic synchronisation between nodes (p2p-v2 section 6).

use bytes::{BufMut, Bytes, BytesMut};

/// The body of a SendTopics packet: a sequence number, then a tab before each topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicList {
    /// The sender's topic sequence number.
    pub seq: u32,
    /// The sender's topics: UTF-8 by convention, not checked.
    pub topics: Vec<Bytes>,
}

impl TopicList {
    /// Writes the body.
    pub fn encode(&self) -> Bytes {
        let mut body = BytesMut::new();
        body.put_slice(self.seq.to_string().as_bytes());
        for topic in &self.topics {
            body.put_u8(b'\t');
            body.put_slice(topic);
        }
        body.freeze()
    }

    /// Reads a body. Splits it at every tab, as FISCO nodes do, and accepts at most `max_topics`
    /// topics.
    ///
    /// # Errors
    ///
    /// [`TopicListError`] if the sequence number is invalid or there are too many topics.
    pub fn parse(body: &Bytes, max_topics: usize) -> Result<Self, TopicListError> {
        let mut parts = body.split(|&byte| byte == b'\t');
        let seq = parse_topic_seq(parts.next().unwrap_or_default())?;
        let mut topics = Vec::new();
        for part in parts {
            if topics.len() == max_topics {
                return Err(TopicListError::TooMany { max: max_topics });
            }
            topics.push(body.slice_ref(part));
        }
        Ok(Self { seq, topics })
    }
}

/// Reads a topic sequence number: plain decimal text.
///
/// # Errors
///
/// [`TopicListError::BadNumber`] for any other text.
pub fn parse_topic_seq(text: &[u8]) -> Result<u32, TopicListError> {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(TopicListError::BadNumber)
}

/// Why a topic packet could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicListError {
    /// The sequence number is not plain decimal text of 32 bits.
    #[error("the topic sequence number is not a decimal number of 32 bits")]
    BadNumber,
    /// The list has more topics than this node accepts.
    #[error("the peer announces more than {max} topics, this node's limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
}
