//! The client: what a program holds, and the task that keeps it connected.
//!
//! [`Client`] is a handle to [`ClientInner`], which all tasks and handles share. The supervisor
//! dials endpoints and reports to it what happens to the connections.

mod api;
mod builder;
mod call;
mod certificates;
mod dial;
mod drain;
mod event;
mod events;
mod expiry;
mod handles;
mod inner;
mod lifecycle;
mod node_info;
mod policy;
mod protocol;
mod settings;
mod state;
mod stats;
mod supervisor;
mod tls;

pub use api::Client;
pub use builder::ClientBuilder;
pub(crate) use call::CallOptions;
pub use certificates::find_certificates;
pub(crate) use dial::endpoint;
#[cfg(test)]
pub(crate) use dial::{Budget, DialWay, Dialed, Dialer, NodeStream};
pub use event::Event;
pub(crate) use events::EventReporter;
pub use events::Events;
pub(crate) use inner::ClientInner;
pub use node_info::NodeInfo;
pub use policy::{ConnectionPolicy, OfflinePolicy, ReconnectPolicy};
pub use protocol::{Generation, Protocol};
pub(crate) use state::Picked;
pub use stats::ClientStats;
pub use tls::Tls;
