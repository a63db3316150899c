//! The configuration files of other SDKs: the `config.toml` of the Java SDK 2.x and 3.x and of the Go
//! SDK 1.x, and the INI of the C SDK 3.x.

mod config;
mod ini;
mod ini_text;
mod java;
mod load;
mod read;
mod table;
#[cfg(test)]
mod tests;

pub use config::{ConfigWarning, PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout};
