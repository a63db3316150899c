//! The topic set of a session, 0x32 (channel-v2 section 6).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// Writes the body of a 0x32 frame: a JSON array of the topics.
pub fn encode_topics<'a>(topics: impl IntoIterator<Item = &'a str>) -> Bytes {
    let topics: Vec<&str> = topics.into_iter().collect();
    // Strings always serialise.
    serde_json::to_vec(&topics).unwrap_or_default().into()
}

/// What a 0x32 body asks for, read as leniently as a real node reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetTopics {
    /// The session's whole new set, in the order given.
    Replace(Vec<String>),
    /// Not understood, or too long to be read: the old set stays.
    Keep,
}

/// The longest body read, in bytes: room for thousands of the longest topics. Parsed JSON can take
/// 30 times the memory of its text, so a frame's limit alone would not bound it.
const MAX_BODY: usize = 2 * 1024 * 1024;

impl SetTopics {
    /// Reads a body (channel-v2 section 6.1).
    pub fn parse(body: &[u8]) -> Self {
        if body.len() > MAX_BODY {
            return Self::Keep;
        }
        // Only the first value counts; text after it is ignored.
        match Value::deserialize(&mut serde_json::Deserializer::from_slice(body)) {
            Ok(Value::Array(items)) => items
                .into_iter()
                .map(element)
                .collect::<Option<_>>()
                .map_or(Self::Keep, Self::Replace),
            Ok(Value::Object(object)) if !object.is_empty() => Self::Keep,
            Ok(_) => Self::Replace(Vec::new()),
            Err(_) => Self::Keep,
        }
    }
}

fn element(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(topics: &[&str]) -> SetTopics {
        SetTopics::Replace(topics.iter().map(|t| (*t).to_owned()).collect())
    }

    #[test]
    fn bodies_are_read_as_a_real_node_reads_them() {
        let cases = [
            (r#"["a","b"]"#, replace(&["a", "b"])),
            (
                r#"["\u8bdd",1,true,null]"#,
                replace(&["话", "1", "true", ""]),
            ),
            ("[]", replace(&[])),
            ("null", replace(&[])),
            (r#""text""#, replace(&[])),
            ("{}", replace(&[])),
            (r#"["a"] and more"#, replace(&["a"])),
            (r#"{"a":"b"}"#, SetTopics::Keep),
            (r#"["a",]"#, SetTopics::Keep),
            (r#"["a",["b"]]"#, SetTopics::Keep),
            ("", SetTopics::Keep),
        ];
        for (body, expected) in cases {
            assert_eq!(SetTopics::parse(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn bodies_too_long_to_read_are_not_understood() {
        let mut body = b"[\"a\"]".to_vec();
        body.resize(MAX_BODY, b' ');
        assert_eq!(SetTopics::parse(&body), replace(&["a"]));
        body.push(b' ');
        assert_eq!(SetTopics::parse(&body), SetTopics::Keep);
    }

    #[test]
    fn encoding_is_compact_and_keeps_utf8() {
        assert_eq!(
            &encode_topics(["话题", "a\"b"])[..],
            "[\"话题\",\"a\\\"b\"]".as_bytes()
        );
    }
}
