//! The files of a certificate folder.
//!
//! The first byte selects which of them is the input: the certificate, the key or `ca.crt`; the
//! others are valid.
#![no_main]
#![forbid(unsafe_code)]

use std::time::Duration;

use amop_fuzz::{assert_error_in_one_line, assert_one_line, pki};
use amop_tls::{Identity, rustls::pki_types::UnixTime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&which, file)) = data.split_first() else {
        return;
    };
    let mut files = [pki::SDK, pki::SDK_KEY, pki::CA];
    files[usize::from(which) % 3] = file;
    let identity = match Identity::from_pem(files[0], files[1], files[2]) {
        Ok(identity) => identity,
        Err(error) => return assert_error_in_one_line(&error),
    };
    assert!(!identity.chain().is_empty());
    assert_one_line(&identity.subject());
    // Any time within the validity of the fixtures.
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
    if let Err(error) = identity.check_chain(now) {
        assert_error_in_one_line(&error);
    }
    identity
        .client_config()
        .expect("an identity that loads can be used");
});
