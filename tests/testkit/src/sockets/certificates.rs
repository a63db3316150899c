//! Certificates of chains that exist only in a test.

use std::{fs, path::Path};

use amop_node::Network;
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Issued, Leaf},
};
use tempfile::TempDir;

/// Returns an agency of a new chain.
///
/// # Panics
///
/// If its certificates cannot be made.
pub fn agency() -> Agency {
    let chain = Authority::new_ec("chain").unwrap();
    chain.agency("agency").unwrap()
}

/// Issues new certificates of an agency.
///
/// # Panics
///
/// If they cannot be made.
pub fn identity(agency: &Agency, leaf: Leaf, name: &str) -> Identity {
    issued_by(agency, &agency.issue(leaf, name).unwrap())
}

/// Returns the identity of certificates that an agency has issued.
///
/// # Panics
///
/// If they are not those of the agency.
pub fn issued_by(agency: &Agency, issued: &Issued) -> Identity {
    identity_of(&issued.cert_pem, &issued.key_pem, agency.root_pem())
}

/// Returns an identity from the texts of its three files.
///
/// # Panics
///
/// If they do not belong together.
pub fn identity_of(cert: &str, key: &str, ca: &str) -> Identity {
    Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap()
}

/// Issues certificates of an agency and writes them into a folder, with the file names that the
/// chain's script uses: `ca.crt`, `sdk.crt` and `sdk.key`, or `node.crt` and `node.key`.
///
/// # Panics
///
/// If they cannot be made or written.
pub fn write_certificates(agency: &Agency, leaf: Leaf, folder: &Path) {
    let name = match leaf {
        Leaf::Sdk => "sdk",
        _ => "node",
    };
    let issued = agency.issue(leaf, name).unwrap();
    fs::create_dir_all(folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("ca.crt", agency.root_pem());
    write(&format!("{name}.crt"), &issued.cert_pem);
    write(&format!("{name}.key"), &issued.key_pem);
}

/// Returns a folder with an SDK's certificates of a network's agency.
///
/// # Panics
///
/// If they cannot be made or written.
pub fn sdk_folder(network: &Network) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(network.agency(), Leaf::Sdk, folder.path());
    folder
}
