//! A file of certificate revocation lists. Whatever is in it, only lists that an authority has signed
//! count.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use amop_fuzz::{assert_one_line, node};
use amop_tls::Identity;
use libfuzzer_sys::fuzz_target;

static NODE: LazyLock<Identity> = LazyLock::new(node);

fuzz_target!(|file: &[u8]| {
    match NODE.clone().with_revocation("lists.crl", file) {
        // The chain of the fixtures has signed none, so each was made by an authority of the file itself.
        Ok(_) => assert!(file.windows(16).any(|part| part == b"BEGIN CERTIFICAT")),
        Err(error) => assert_one_line(&error),
    }
});
