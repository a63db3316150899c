//! The packet by which nodes of this project tell each other of links and subscribers.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::p2p::mesh::{MAX_VERSION, Record};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

const MAX: usize = 64;

fuzz_target!(|body: &[u8]| {
    let body = Bytes::copy_from_slice(body);
    let Ok(records) = Record::decode_all(body, MAX) else {
        return;
    };
    let mut written = BytesMut::new();
    for record in &records {
        assert!(record.topics.len() <= MAX);
        assert!(record.base < record.version && record.version <= MAX_VERSION);
        record.encode(&mut written);
    }
    assert_eq!(Record::decode_all(written.freeze(), MAX), Ok(records));
});
