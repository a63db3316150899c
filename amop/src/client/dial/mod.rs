//! Dialling: TCP and TLS connections to endpoints.

mod dialer;
pub(crate) mod endpoint;
#[cfg(feature = "legacy-rsa")]
mod legacy;
mod race;
mod rustls;

pub(crate) use dialer::{Budget, Dialed, Dialer};
#[cfg(feature = "legacy-rsa")]
pub(super) use legacy::LegacyDialer;
pub(super) use rustls::RustlsDialer;
