//! The body of a 0x32 frame.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::channel::{SetTopics, encode_topics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let read = SetTopics::parse(body);
    if let SetTopics::Replace(topics) = &read {
        // The topics that were understood must be as a native client would have written them.
        let written = encode_topics(topics.iter().map(String::as_str));
        assert_eq!(SetTopics::parse(&written), read);
    }
});
