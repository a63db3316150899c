//! A file of certificate revocation lists. Whatever it contains, only lists that an authority has
//! signed count.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use amop_fuzz::{assert_error_in_one_line, node, pki};
use amop_tls::{
    Identity, ServerOptions, Side,
    rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject},
};
use libfuzzer_sys::fuzz_target;

static NODE: LazyLock<Identity> = LazyLock::new(node);

/// A node and an SDK with certificates of the chain.
static CHAINS: LazyLock<[Vec<CertificateDer<'static>>; 2]> = LazyLock::new(|| {
    [pki::NODE1, pki::SDK].map(|pem| {
        let certificates = CertificateDer::pem_slice_iter(pem);
        certificates.collect::<Result<_, _>>().unwrap()
    })
});

fuzz_target!(|file: &[u8]| {
    let listed = match NODE.clone().with_revocation("lists.crl", file) {
        Ok(listed) => listed,
        Err(error) => return assert_error_in_one_line(&error),
    };
    // The fixtures' chain has signed no list. So each list was signed by an authority in the file
    // itself, and it contains none of the chain's certificates.
    assert!(file.windows(16).any(|part| part == b"BEGIN CERTIFICAT"));
    let verifier = listed.verifier_of_sdks(ServerOptions::default()).unwrap();
    for chain in &*CHAINS {
        let judged = verifier.verify(chain, Side::Client, UnixTime::now());
        assert!(judged.is_ok(), "{judged:?}");
    }
});
