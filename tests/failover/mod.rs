//! Clients with several endpoints, while nodes stop and come back on their ports.

mod chain;
mod cuts;
mod restarts;
mod sdk_config;
mod slow;
