//! Dialling: connections to endpoints, over TCP and TLS, to nodes of both generations.

mod dialer;
pub(crate) mod endpoint;
#[cfg(feature = "legacy-rsa")]
mod legacy;
mod line;
mod node_stream;
mod race;
mod rustls;
mod target;
mod tcp;

pub(crate) use dialer::{Budget, DialWay, Dialed, Dialer};
#[cfg(feature = "legacy-rsa")]
pub(super) use legacy::LegacySecurity;
#[cfg(test)]
pub(crate) use node_stream::NodeStream;
pub(super) use target::{DialTarget, RustlsSecurity, TargetSecurity};
pub(super) use tcp::TcpDialer;
