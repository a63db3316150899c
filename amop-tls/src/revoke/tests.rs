use std::time::SystemTime;

use der::Encode;

use super::*;
use crate::pki::{Authority, Validity};

/// `openssl ca -gencrl` writes no version unless extensions are configured.
#[test]
fn lists_of_version_1_are_read() {
    let root = Authority::new_ec("chain").unwrap();
    let validity = Validity::starting(SystemTime::now());
    let list = root.revoke(&[root.cert_pem()], validity).unwrap();
    let der = lists_in("the list", list.as_bytes()).unwrap().remove(0);
    let mut signed = SignedList::from_der(&der).unwrap();
    assert_eq!(signed.tbs.version, Some(Version::V2));
    signed.tbs.version = None;
    let again = SignedList::from_der(&signed.to_der().unwrap()).unwrap();
    assert_eq!(again.tbs.version, None);
    assert_eq!(again.tbs.revoked.unwrap().len(), 1);
}
