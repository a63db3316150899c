//! Messages of other nodes that prove their source, over time: see [`amop_fuzz::relayed`].
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| amop_fuzz::relayed::run(data));
