//! Servers of request topics: a handler answers every request.

mod answer;
mod api;
mod refusal;
mod server;
mod stats;

pub use refusal::Refusal;
pub use server::Server;
pub use stats::ServerStats;
