//! The data that a subscriber of a sealed topic gets from others: messages and answers, key files,
//! public keys, and the data that its replay guard finds in its store.
//!
//! The first byte selects the kind.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use amop_fuzz::assert_error_in_one_line;
use amop_seal::{
    ReplaySettings, ReplayWindow, SealedKind, SealedReader, SealingKey, SealingPublicKey,
    open_reply,
};
use libfuzzer_sys::fuzz_target;

const KEY: &str = include_str!("../../amop-seal/tests/data/openssl.pem");
const NOW: u64 = 1_700_000_000_000;

static OWN: LazyLock<SealingKey> =
    LazyLock::new(|| SealingKey::from_pem(KEY).expect("the fixture is good"));

fuzz_target!(|data: &[u8]| {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    match which % 4 {
        0 => message(data),
        1 => state(data),
        which => {
            let Ok(text) = std::str::from_utf8(data) else {
                return;
            };
            if which == 2 {
                key(text)
            } else {
                public_key(text)
            }
        }
    }
});

/// It has no valid signature, so it is refused.
fn message(message: &[u8]) {
    let own = &*OWN;
    let public = [own.public_key()];
    let window = ReplayWindow::first(ReplaySettings::default(), NOW);
    let reader =
        SealedReader::new("settlement", own.as_ref(), &public, window).expect("it has keys");
    for kind in [SealedKind::Multicast, SealedKind::Unicast] {
        let refused = reader
            .open(message, kind, NOW)
            .expect_err("it is not signed");
        assert_error_in_one_line(&refused);
    }
    let refused = open_reply(message, own, &public, "settlement", &[0; 32]);
    assert_error_in_one_line(&refused.expect_err("it is not signed"));
}

fn state(state: &[u8]) {
    match ReplayWindow::restored(ReplaySettings::default(), state) {
        Ok(window) => drop(window.closed_state()),
        Err(error) => assert_error_in_one_line(&error),
    }
}

fn key(text: &str) {
    match SealingKey::from_pem(text) {
        Ok(key) => {
            let again = SealingKey::from_pem(&key.to_pem()).expect("it was written by us");
            assert_eq!(again.public_key(), key.public_key());
        }
        Err(error) => assert_error_in_one_line(&error),
    }
}

fn public_key(text: &str) {
    match text.parse::<SealingPublicKey>() {
        Ok(key) => assert_eq!(key.to_string().parse::<SealingPublicKey>().ok(), Some(key)),
        Err(error) => assert_error_in_one_line(&error),
    }
}
