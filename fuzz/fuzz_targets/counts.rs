//! The packet by which nodes of this project tell each other their subscriber counts.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::{
    MAX_TOPIC_LEN,
    p2p::{decode_counts, encode_counts},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const MAX: usize = 64;

fuzz_target!(|body: &[u8]| {
    let body = Bytes::copy_from_slice(body);
    let Ok(counts) = decode_counts(body.clone(), MAX) else {
        return;
    };
    assert!(counts.len() <= MAX);
    let written = encode_counts(counts.iter().map(|entry| (&entry.topic[..], entry.count)));
    // Topics of 255 bytes can be read but never written.
    if counts
        .iter()
        .all(|entry| entry.topic.len() <= MAX_TOPIC_LEN)
    {
        assert_eq!(written, body);
    }
});
