//! Creates certificates like those of a FISCO BCOS 2.x chain, and with [`ChainV3Authority`] like those
//! of a 3.x chain.
//!
//! The chain's deployment script calls OpenSSL; this module creates certificates of the same form
//! without it, for development networks and tests. These certificates are unusual: the roots, and
//! all certificates in RSA mode, are X.509 v1 without extensions, none has a subjectAltName, and
//! they are valid until after 2050 (channel-v2 section 2.3).
//!
//! ```
//! use amop_tls::pki::{Authority, Leaf};
//!
//! # fn main() -> Result<(), amop_tls::pki::PkiError> {
//! let chain = Authority::new_ec("chain")?;
//! let agency = chain.agency("agency")?;
//! let node = agency.issue(Leaf::Node, "node0")?;
//! // Leaf, agency and root, in this order.
//! assert_eq!(node.cert_pem.matches("BEGIN CERTIFICATE").count(), 3);
//! assert_eq!(node.node_id().len(), 128);
//! # Ok(())
//! # }
//! ```
//!
//! Keys are returned as unencrypted PKCS#8. This module writes no files.

mod agency;
mod authority;
mod chain_v3;
mod error;
mod files;
mod keys;
mod leaf;
mod name;
mod rsa;
mod validity;
mod x509;

pub use self::agency::Agency;
pub use self::authority::Authority;
pub use self::chain_v3::ChainV3Authority;
pub use self::error::PkiError;
pub use self::files::public_key;
pub use self::leaf::{Issued, Leaf};
pub use self::name::check_name;
pub use self::rsa::{RsaAuthority, RsaIssued};
pub use self::validity::Validity;
