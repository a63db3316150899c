//! The packet by which overlay nodes tell each other of links and subscribers.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::p2p::mesh::{MAX_VERSION, SignedRecord};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const MAX: usize = 64;

fuzz_target!(|body: &[u8]| {
    let body = Bytes::copy_from_slice(body);
    let Ok(records) = SignedRecord::decode_all(body, MAX) else {
        return;
    };
    let mut written = Vec::new();
    for signed in &records {
        let record = signed.record();
        assert!(record.topics.len() <= MAX);
        assert!(record.base < record.version && record.version <= MAX_VERSION);
        assert!(record.topics.windows(2).all(|pair| pair[0].0 < pair[1].0));
        written.extend_from_slice(signed.bytes());
    }
    assert_eq!(SignedRecord::decode_all(written.into(), MAX), Ok(records));
});
