//! Reads the files of Java SDKs, 2.x and 3.x.

use std::time::Duration;

use amop_tls::PemSource;
use toml::de::DeTable;
use zeroize::Zeroizing;

use super::{
    config::{PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout},
    read::{SdkConfigReader, joined},
    table::{TomlTable, TomlValue},
};
use crate::{Protocol, SdkConfigError};

/// The folder of an SDK's certificates if the file does not name one.
const CERT_PATH: &str = "conf";

/// Tables that these SDKs use and AMOP does not need.
const JAVA_OTHER: [&str; 4] = ["account", "threadPool", "cryptoProvider", "system"];

/// Keys of `[cryptoMaterial]` that belong to national cryptography, or to keys in hardware.
const JAVA_UNUSED: [&str; 3] = ["enSslCert", "enSslKey", "enableHsm"];

/// Keys that only version 3 of the Java SDK has, by their tables.
const CRYPTO_3: [&str; 3] = ["disableSsl", "enableSsl", "enableHsm"];
const NETWORK_3: [&str; 2] = ["defaultGroup", "messageTimeout"];

impl SdkConfigReader<'_> {
    pub(super) fn java(&mut self, mut root: TomlTable<'_>) -> Result<SdkConfig, SdkConfigError> {
        let empty = DeTable::new();
        let crypto = root.get("cryptoMaterial");
        let mut crypto = match &crypto {
            Some(value) => self.table(value, false)?,
            None => TomlTable::new("cryptoMaterial", &empty, false),
        };
        let crypto_is_v3 = has_any(&crypto, &CRYPTO_3);
        let tls = self.java_tls(&mut crypto)?;
        let sm = crypto.get("useSMCrypto");
        if tls {
            self.refuse_sm(sm)?;
        }
        let [cert, key, ca] = self.java_files(crypto)?;
        let network = root.get("network").ok_or_else(|| {
            self.missing("[network]", "write peers = [\"127.0.0.1:20200\"] below it")
        })?;
        let mut network = self.table(&network, false)?;
        let is_v3 = crypto_is_v3 || has_any(&network, &NETWORK_3);
        let timeout = self.java_timeout(&mut network)?;
        let endpoints = self.java_peers(network)?;
        let mut private_topics = Vec::new();
        if let Some(topics) = root.get("amop") {
            for topic in self.list(&topics)? {
                private_topics.push(self.private_topic(&topic)?);
            }
        }
        for key in JAVA_OTHER {
            root.get(key);
        }
        self.warn_unknown(&root);
        Ok(SdkConfig {
            path: self.path.to_owned(),
            layout: if is_v3 {
                SdkLayout::JavaV3
            } else {
                SdkLayout::Java
            },
            // A file without such keys may be that of either version.
            protocol: if is_v3 { Protocol::V3 } else { Protocol::Auto },
            tls,
            timeout,
            endpoints,
            ca,
            cert,
            key,
            private_topics,
            warnings: Vec::new(),
        })
    }

    /// Reads where the certificate, the key and the CA are.
    fn java_files(&mut self, mut crypto: TomlTable<'_>) -> Result<[PemSource; 3], SdkConfigError> {
        let folder = match crypto.get("certPath") {
            Some(value) => self.text(&value)?.to_owned(),
            None => CERT_PATH.to_owned(),
        };
        let names = self.default_names(&folder);
        let mut file = |key, default: &str| match crypto.get(key) {
            Some(value) => Ok(PemSource::File(self.place(self.text(&value)?))),
            None => Ok(PemSource::File(self.place(&joined(&folder, default)))),
        };
        let ca = file("caCert", "ca.crt")?;
        let cert = file("sslCert", &format!("{names}.crt"))?;
        let key = file("sslKey", &format!("{names}.key"))?;
        for key in JAVA_UNUSED {
            crypto.get(key);
        }
        self.warn_unknown(&crypto);
        Ok([cert, key, ca])
    }

    /// Reads the nodes.
    fn java_peers(&mut self, mut network: TomlTable<'_>) -> Result<Vec<String>, SdkConfigError> {
        let peers = network
            .get("peers")
            .ok_or_else(|| self.missing("network.peers", "write peers = [\"127.0.0.1:20200\"]"))?;
        let mut endpoints = Vec::new();
        for peer in self.list(&peers)? {
            endpoints.push(self.endpoint(&peer)?);
        }
        if endpoints.is_empty() {
            return Err(self.wrong(&peers, "is empty; name at least one node as \"host:port\""));
        }
        network.get("defaultGroup");
        self.warn_unknown(&network);
        Ok(endpoints)
    }

    fn private_topic(&mut self, value: &TomlValue<'_>) -> Result<PrivateTopic, SdkConfigError> {
        let mut table = self.table(value, false)?;
        let topic = table
            .get("topicName")
            .ok_or_else(|| self.wrong(value, "has no topicName; write topicName = \"...\""))?;
        let topic = self.text(&topic)?.to_owned();
        let mut public_keys = Vec::new();
        if let Some(keys) = table.get("publicKeys") {
            for key in self.list(&keys)? {
                public_keys.push(self.place(self.text(&key)?));
            }
        }
        let private_key = match table.get("privateKey") {
            Some(key) => Some(self.private_key(self.text(&key)?)),
            None => None,
        };
        let password = match table.get("password") {
            Some(password) => {
                let is_pem = |key: &PrivateKeySource| match key {
                    PrivateKeySource::File(path) => path
                        .extension()
                        .is_some_and(|name| name.eq_ignore_ascii_case("pem")),
                    PrivateKeySource::Hex(_) => true,
                };
                if private_key.as_ref().is_none_or(is_pem) {
                    let message = "amop.password is for a PKCS#12 privateKey and has no effect";
                    self.warn(password.span.clone(), message.to_owned());
                }
                Some(self.text(&password)?.to_owned())
            }
            None => None,
        };
        if public_keys.is_empty() && private_key.is_none() {
            let problem = "has neither publicKeys (to publish) nor privateKey (to subscribe)";
            return Err(self.wrong(value, problem));
        }
        self.warn_unknown(&table);
        Ok(PrivateTopic {
            line: self.line(value.span.clone()),
            topic,
            public_keys,
            private_key,
            password,
        })
    }

    /// Reads whether there is TLS. `enableSsl` counts if both are there.
    fn java_tls(&self, crypto: &mut TomlTable<'_>) -> Result<bool, SdkConfigError> {
        let disabled = crypto.get("disableSsl");
        let disabled = disabled.map(|value| self.flag(&value)).transpose()?;
        let enabled = crypto.get("enableSsl");
        let enabled = enabled.map(|value| self.flag(&value)).transpose()?;
        Ok(enabled
            .or(disabled.map(|disabled| !disabled))
            .unwrap_or(true))
    }

    /// Reads how long calls may take, in milliseconds.
    fn java_timeout(
        &self,
        network: &mut TomlTable<'_>,
    ) -> Result<Option<Duration>, SdkConfigError> {
        let Some(value) = network.get("messageTimeout") else {
            return Ok(None);
        };
        let text = match (value.value.as_integer(), value.value.as_str()) {
            (Some(number), _) => number.as_str(),
            (None, Some(text)) => text,
            (None, None) => "",
        };
        match text.trim().parse() {
            Ok(0) => Ok(None),
            Ok(millis) => Ok(Some(Duration::from_millis(millis))),
            Err(_) => Err(self.wrong(&value, "must be a number of milliseconds")),
        }
    }

    /// Returns where a private key is: `text` is a file name or the key itself. A text that is not
    /// like a file name is a key, even with a mistake in it: as a file name, it would be shown in
    /// errors.
    fn private_key(&self, text: &str) -> PrivateKeySource {
        let place = self.place(text);
        let is_key = text.trim().len() >= 32 && !text.contains(['.', '/', '\\']);
        if is_key && !place.exists() {
            PrivateKeySource::Hex(Zeroizing::new(text.to_owned()))
        } else {
            PrivateKeySource::File(place)
        }
    }
}

fn has_any(table: &TomlTable<'_>, keys: &[&str]) -> bool {
    keys.iter().any(|key| table.entries.contains_key(*key))
}
