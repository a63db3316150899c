//! The configuration files of other SDKs: the `config.toml` of the Java SDK 2.x and of the Go SDK
//! 1.x.

mod config;
mod load;
mod read;
mod table;
#[cfg(test)]
mod tests;

pub use config::{ConfigWarning, PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout};
