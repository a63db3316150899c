//! The names that certificates may have.

use super::error::PkiError;

/// The limit of X.520 for a common name.
const MAX_NAME: usize = 64;

/// Checks a name for a certificate; a valid name is also a safe file name.
///
/// The chain's script accepts the same names: 1 to 64 of `A-Z a-z 0-9 . _ -`; in addition, names of
/// only dots are refused here.
///
/// # Errors
/// [`PkiError::Name`] with the name.
pub fn check_name(name: &str) -> Result<(), PkiError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let ok = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(allowed)
        && name.bytes().any(|b| b != b'.');
    if ok {
        Ok(())
    } else {
        Err(PkiError::Name(name.chars().take(2 * MAX_NAME).collect()))
    }
}
