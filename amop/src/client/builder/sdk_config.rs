//! A builder with the settings of another SDK's configuration file.

use std::path::Path;

use super::*;
use crate::{SdkConfig, SdkConfigError};

/// Connecting with the configuration of another SDK.
impl Client {
    /// Connects with the settings in the `config.toml` of a Java or Go SDK, or in the INI of the C SDK; see
    /// [`ClientBuilder::from_config_file`].
    ///
    /// # Errors
    ///
    /// [`ConnectError::Config`] names the line that cannot be used; the other errors are those of
    /// [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`ClientBuilder::connect`].
    pub async fn from_config(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        ClientBuilder::from_config_file(path)?.connect().await
    }
}

impl ClientBuilder {
    /// Reads the nodes, certificates and private topics from the `config.toml` of a Java or Go SDK, or
    /// from the INI of the C SDK. Paths in it are relative to the working directory, as they are for
    /// those SDKs.
    ///
    /// Files of 3.x may also set the [`timeout`](Self::timeout), and switch TLS off: then everybody on
    /// the way can read and change all messages that are not sealed.
    ///
    /// The `publicKeys` of an `[[amop]]` entry become a [`grant`](Self::grant), its `privateKey` a
    /// [`topic_key`](Self::topic_key). Keys in the file without an effect are logged as warnings.
    /// [`SdkConfig`] reads the file without logging.
    ///
    /// # Errors
    ///
    /// [`SdkConfigError`] names the line that cannot be used: for instance, a `privateKey` whose
    /// file does not exist.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, SdkConfigError> {
        let config = SdkConfig::load(path)?;
        for warning in &config.warnings {
            tracing::warn!(file = %config.path.display(), "{warning}");
        }
        let mut builder = Self::default().endpoints(config.endpoints.iter().map(String::as_str));
        builder = builder.private_topics(&config)?.protocol(config.protocol);
        if let Some(timeout) = config.timeout {
            builder = builder.timeout(timeout);
        }
        let certificates = match config.tls {
            true => Certificates::Sources([config.cert, config.key, config.ca]),
            false => Certificates::Plain,
        };
        Ok(Self {
            certificates,
            ..builder
        })
    }

    /// Takes the grants and keys of private topics.
    #[cfg(feature = "private")]
    fn private_topics(mut self, config: &SdkConfig) -> Result<Self, SdkConfigError> {
        for topic in &config.private_topics {
            let failed = |source| SdkConfigError::PrivateTopic {
                path: config.path.clone(),
                line: topic.line,
                topic: topic.topic.clone(),
                source,
            };
            let name = topic.name(&config.path)?;
            let keys = topic.grants().map_err(failed)?;
            if !keys.is_empty() {
                self = self.grant(name.clone(), keys);
            }
            if let Some(key) = topic.own_key().map_err(failed)? {
                self = self.topic_key(name, &key);
            }
        }
        Ok(self)
    }

    /// Refuses private topics: a program that ignores them would publish nothing to them.
    #[cfg(not(feature = "private"))]
    fn private_topics(self, config: &SdkConfig) -> Result<Self, SdkConfigError> {
        match config.private_topics.first() {
            None => Ok(self),
            Some(topic) => Err(SdkConfigError::Value {
                path: config.path.clone(),
                line: topic.line,
                key: "amop".to_owned(),
                problem: "is a private topic, which needs the feature `private` of the crate amop"
                    .to_owned(),
            }),
        }
    }
}
