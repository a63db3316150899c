//! The errors of this crate's parts.

mod material;
mod verify;

pub use self::material::TlsError;
pub use self::verify::VerifyError;
