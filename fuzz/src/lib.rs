//! Helpers that the fuzz targets share.
#![forbid(unsafe_code)]

pub mod machine;
pub mod relayed;
mod script;

use std::{error::Error, fmt::Display, sync::LazyLock};

use amop_proto::log::with_causes;
use amop_tls::{
    Identity,
    rustls::pki_types::{CertificateDer, pem::PemObject},
};

pub use self::script::Script;

/// Certificates as the chain's script makes them, all of one chain.
pub mod pki {
    macro_rules! file {
        ($name:ident, $path:literal) => {
            #[doc = concat!("`", $path, "`.")]
            pub const $name: &[u8] =
                include_bytes!(concat!("../../amop-tls/tests/data/tls/ec/", $path));
        };
    }
    file!(CA, "node0/ca.crt");
    file!(NODE0, "node0/node.crt");
    file!(NODE0_KEY, "node0/node.key");
    file!(NODE1, "node1/node.crt");
    file!(SDK, "sdk/sdk.crt");
    file!(SDK_KEY, "sdk/sdk.key");
}

/// Returns the identity of the node whose ports are tested.
pub fn node() -> Identity {
    Identity::from_pem(pki::NODE0, pki::NODE0_KEY, pki::CA).expect("the fixtures are good")
}

/// Asserts that a text about outside input is one line, so that it cannot add its own lines to a
/// log.
///
/// # Panics
///
/// If it is more than one line.
pub fn assert_one_line(text: &impl Display) {
    let text = text.to_string();
    assert!(
        !text.chars().any(char::is_control),
        "a message of several lines: {text:?}"
    );
}

/// Asserts that an error about outside input is one line together with its causes, as
/// [`assert_one_line`] does.
///
/// # Panics
///
/// If it is more than one line.
pub fn assert_error_in_one_line(error: &(dyn Error + 'static)) {
    assert_one_line(&with_causes(error));
}

/// Returns everything that the authority of the chain has signed: the first element of each
/// certificate. The authority's own certificate is included, because the holder of its key can sign
/// anything.
pub fn issued() -> &'static [Vec<u8>] {
    static ISSUED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let first = |pem| CertificateDer::from_pem_slice(pem).expect("the fixtures are good");
        [pki::NODE0, pki::NODE1, pki::SDK, pki::CA]
            .map(|pem| {
                signed_part(&first(pem))
                    .expect("the fixtures are good")
                    .to_vec()
            })
            .to_vec()
    });
    &ISSUED
}

/// Returns the signed part of a certificate: the first element inside the outermost one.
pub fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let inside = element(der)?.1;
    let (header, content) = element(inside)?;
    inside.get(..header + content.len())
}

/// Returns the length of the header of a DER element, and its content.
fn element(der: &[u8]) -> Option<(usize, &[u8])> {
    let first = usize::from(*der.get(1)?);
    let (header, len) = if first < 0x80 {
        (2, first)
    } else {
        let digits = der.get(2..2 + (first & 0x7f))?;
        let len = digits.iter().try_fold(0_usize, |len, &digit| {
            len.checked_mul(256)?.checked_add(digit.into())
        })?;
        (2 + digits.len(), len)
    };
    Some((header, der.get(header..header.checked_add(len)?)?))
}
