//! Reads the two layouts.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use amop_tls::PemSource;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::{
    config::{ConfigWarning, PrivateKeySource, PrivateTopic, SdkConfig, SdkLayout},
    table::{TomlTable, TomlValue},
};
use crate::{SdkConfigError, client::endpoint};

/// The folder of an SDK's certificates if the file does not name one.
const CERT_PATH: &str = "conf";

/// Tables that these SDKs use and AMOP does not need.
const JAVA_OTHER: [&str; 4] = ["account", "threadPool", "cryptoProvider", "system"];
const GO_OTHER: [&str; 3] = ["account", "chain", "log"];

/// Keys of `[cryptoMaterial]` that belong to national cryptography.
const JAVA_SM: [&str; 2] = ["enSslCert", "enSslKey"];

/// Keys that only version 3 of the Java SDK has, by their tables.
const JAVA_3: [(&str, &[&str]); 2] = [
    ("cryptoMaterial", &["disableSsl", "enableSsl", "enableHsm"]),
    ("network", &["defaultGroup", "messageTimeout"]),
];

pub(super) struct SdkConfigReader<'a> {
    path: &'a Path,
    text: &'a str,
    warnings: Vec<ConfigWarning>,
}

impl<'a> SdkConfigReader<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self {
            path,
            text,
            warnings: Vec::new(),
        }
    }

    pub(super) fn read(mut self) -> Result<SdkConfig, SdkConfigError> {
        let root = DeTable::parse(self.text).map_err(|error| SdkConfigError::Syntax {
            path: self.path.to_owned(),
            line: self.line(error.span().unwrap_or_default()),
            message: error.message().to_owned(),
        })?;
        let root = root.get_ref();
        let has = |key: &str| root.iter().any(|(name, _)| name.get_ref() == key);
        let mut config = if is_go(root) {
            self.go(TomlTable::new("", root, true))?
        } else if has("cryptoMaterial") || has("network") {
            self.java(TomlTable::new("", root, false))?
        } else {
            return Err(self.missing(
                "[network]",
                "write peers = [\"127.0.0.1:20200\"] below it as for the Java SDK, or use the Go \
                 SDK's [Network]",
            ));
        };
        config.warnings = self.warnings;
        config.warnings.sort_by_key(|warning| warning.line);
        Ok(config)
    }

    fn java(&mut self, mut root: TomlTable<'_>) -> Result<SdkConfig, SdkConfigError> {
        self.refuse_version_3(&mut root)?;
        let [cert, key, ca] = self.java_files(&mut root)?;
        let endpoints = self.java_peers(&mut root)?;
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
            layout: SdkLayout::Java,
            endpoints,
            ca,
            cert,
            key,
            private_topics,
            warnings: Vec::new(),
        })
    }

    /// Reads where the certificate, the key and the CA are.
    fn java_files(&mut self, root: &mut TomlTable<'_>) -> Result<[PemSource; 3], SdkConfigError> {
        let empty = DeTable::new();
        let crypto = root.get("cryptoMaterial");
        let mut crypto = match &crypto {
            Some(value) => self.table(value, false)?,
            None => TomlTable::new("cryptoMaterial", &empty, false),
        };
        self.refuse_sm(crypto.get("useSMCrypto"))?;
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
        for key in JAVA_SM {
            crypto.get(key);
        }
        self.warn_unknown(&crypto);
        Ok([cert, key, ca])
    }

    /// Reads the nodes.
    fn java_peers(&mut self, root: &mut TomlTable<'_>) -> Result<Vec<String>, SdkConfigError> {
        let network = root.get("network").ok_or_else(|| {
            self.missing("[network]", "write peers = [\"127.0.0.1:20200\"] below it")
        })?;
        let mut network = self.table(&network, false)?;
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

    fn go(&mut self, mut root: TomlTable<'_>) -> Result<SdkConfig, SdkConfigError> {
        if let Some(chain) = root.get("Chain") {
            let sm = self.table(&chain, true)?.get("SMCrypto");
            self.refuse_sm(sm)?;
        }
        let network = root.get("Network").ok_or_else(|| {
            self.missing(
                "[Network]",
                "write it with CAFile, Cert, Key and Connection",
            )
        })?;
        let mut network = self.table(&network, true)?;
        if let Some(kind) = network.get("Type")
            && !self.text(&kind)?.eq_ignore_ascii_case("channel")
        {
            let problem = "must be \"channel\": AMOP goes over the node's channel port";
            return Err(self.wrong(&kind, problem));
        }
        let [cert, key, ca] = self.go_files(&mut network)?;
        let endpoints = self.go_connections(&mut network)?;
        self.warn_unknown(&network);
        for key in GO_OTHER {
            root.get(key);
        }
        self.warn_unknown(&root);
        Ok(SdkConfig {
            path: self.path.to_owned(),
            layout: SdkLayout::Go,
            endpoints,
            ca,
            cert,
            key,
            private_topics: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Reads where the certificate, the key and the CA are, or what they are.
    fn go_files(&self, network: &mut TomlTable<'_>) -> Result<[PemSource; 3], SdkConfigError> {
        let names = self.default_names("");
        let mut source = |text, key, default: &str| {
            let given = network.get(text);
            let file = network.get(key);
            // An empty text means that the file is used, as in the Go SDK.
            if let Some(given) = given
                && let text = self.text(&given)?
                && !text.is_empty()
            {
                let place = format!("{} in {}", given.key, self.path.display());
                return Ok(PemSource::Text {
                    name: place,
                    text: Zeroizing::new(text.to_owned()),
                });
            }
            let path = match &file {
                Some(file) => self.text(file)?,
                None => default,
            };
            Ok(PemSource::File(self.place(path)))
        };
        let ca = source("CAContext", "CAFile", "ca.crt")?;
        let cert = source("CertContext", "Cert", &format!("{names}.crt"))?;
        let key = source("KeyContext", "Key", &format!("{names}.key"))?;
        Ok([cert, key, ca])
    }

    /// Reads the nodes.
    fn go_connections(
        &mut self,
        network: &mut TomlTable<'_>,
    ) -> Result<Vec<String>, SdkConfigError> {
        let connections = network.get("Connection").ok_or_else(|| {
            let hint = "write [[Network.Connection]] with NodeURL = \"127.0.0.1:20200\"";
            self.missing("Network.Connection", hint)
        })?;
        let mut endpoints = Vec::new();
        for connection in self.list(&connections)? {
            let mut table = self.table(&connection, true)?;
            let url = table.get("NodeURL").ok_or_else(|| {
                self.wrong(&connection, "has no NodeURL; write NodeURL = \"host:port\"")
            })?;
            let endpoint = self.endpoint(&url)?;
            // The file has one entry for each group of a node.
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
            if let Some(group) = table.get("GroupID")
                && group.value.as_integer().is_none()
            {
                return Err(self.wrong(&group, "must be a number"));
            }
            self.warn_unknown(&table);
        }
        if endpoints.is_empty() {
            return Err(self.wrong(&connections, "is empty; name at least one node"));
        }
        Ok(endpoints)
    }

    // ---- values ----

    fn refuse_version_3(&self, root: &mut TomlTable<'_>) -> Result<(), SdkConfigError> {
        for (name, keys) in JAVA_3 {
            let Some(value) = root.get(name) else {
                continue;
            };
            let mut table = self.table(&value, false)?;
            if let Some(value) = keys.iter().find_map(|key| table.get(key)) {
                return Err(SdkConfigError::Version3 {
                    path: self.path.to_owned(),
                    line: self.line(value.span),
                    key: value.key,
                });
            }
        }
        Ok(())
    }

    /// Returns the file name of certificate and key in a folder: `sdk`, or `node` on chains before
    /// 2.1.
    fn default_names(&self, folder: &str) -> &'static str {
        let is_there = |name: &str| {
            let ends = [".crt", ".key"].iter();
            let mut paths = ends.map(|end| self.place(&joined(folder, &format!("{name}{end}"))));
            paths.any(|path| path.exists())
        };
        if !is_there("sdk") && is_there("node") {
            "node"
        } else {
            "sdk"
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

    fn refuse_sm(&self, value: Option<TomlValue<'_>>) -> Result<(), SdkConfigError> {
        let Some(value) = value else { return Ok(()) };
        let flag = match (value.value.as_bool(), value.value.as_str()) {
            (Some(flag), _) => flag,
            (None, Some("true")) => true,
            (None, Some("false")) => false,
            _ => return Err(self.wrong(&value, "must be true or false")),
        };
        if flag {
            let problem = "must be false: chains with national cryptography are not supported";
            return Err(self.wrong(&value, problem));
        }
        Ok(())
    }

    fn table<'t>(
        &self,
        value: &TomlValue<'t>,
        any_case: bool,
    ) -> Result<TomlTable<'t>, SdkConfigError> {
        let entries = value.value.as_table();
        let entries = entries.ok_or_else(|| self.wrong(value, "must be a table"))?;
        Ok(TomlTable::new(&value.key, entries, any_case))
    }

    fn list<'t>(&self, value: &TomlValue<'t>) -> Result<Vec<TomlValue<'t>>, SdkConfigError> {
        let items = value.value.as_array();
        let items = items.ok_or_else(|| self.wrong(value, "must be a list"))?;
        let named = |(index, item): (usize, &'t Spanned<DeValue<'t>>)| TomlValue {
            key: format!("{}[{index}]", value.key),
            value: item.get_ref(),
            span: item.span(),
        };
        Ok(items.iter().enumerate().map(named).collect())
    }

    fn text<'t>(&self, value: &TomlValue<'t>) -> Result<&'t str, SdkConfigError> {
        let text = value.value.as_str();
        text.ok_or_else(|| self.wrong(value, "must be a text in quotes"))
    }

    fn endpoint(&self, value: &TomlValue<'_>) -> Result<String, SdkConfigError> {
        let text = self.text(value)?;
        match endpoint::parse(text) {
            Ok(endpoint) => Ok(endpoint.to_string()),
            Err(error) => Err(self.wrong(value, &format!("cannot be used: {error}"))),
        }
    }

    /// Returns the file for a path: relative to the working directory, or if nothing is there, to
    /// the folder of the configuration file.
    fn place(&self, path: &str) -> PathBuf {
        let given = PathBuf::from(path);
        if given.is_absolute() || given.exists() {
            return given;
        }
        let beside = self.path.parent().map(|folder| folder.join(&given));
        beside.filter(|path| path.exists()).unwrap_or(given)
    }

    // ---- what is wrong ----

    fn warn_unknown(&mut self, table: &TomlTable<'_>) {
        for (name, _) in table.entries {
            if !table.known.contains(name.get_ref().as_ref()) {
                let message = format!(
                    "{} is not a key of this layout and has no effect; check its spelling",
                    table.full(name.get_ref())
                );
                self.warn(name.span(), message);
            }
        }
    }

    fn warn(&mut self, span: Range<usize>, message: String) {
        let line = self.line(span);
        self.warnings.push(ConfigWarning { line, message });
    }

    fn wrong(&self, value: &TomlValue<'_>, problem: &str) -> SdkConfigError {
        SdkConfigError::Value {
            path: self.path.to_owned(),
            line: self.line(value.span.clone()),
            key: value.key.clone(),
            problem: problem.to_owned(),
        }
    }

    fn missing(&self, key: &'static str, hint: &'static str) -> SdkConfigError {
        SdkConfigError::Missing {
            path: self.path.to_owned(),
            key,
            hint,
        }
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }
}

/// Returns whether a file is a Go SDK's. Its keys may be in any case, so that its `[network]` may
/// have the name of the Java SDK's; the keys in it are different.
fn is_go(root: &DeTable<'_>) -> bool {
    const GO: [&str; 8] = [
        "Type",
        "CAFile",
        "Cert",
        "Key",
        "CAContext",
        "CertContext",
        "KeyContext",
        "Connection",
    ];
    let has = |table: &DeTable<'_>, wanted: &str| {
        let mut names = table.iter().map(|(name, _)| name.get_ref());
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    if root.contains_key("cryptoMaterial") {
        return false;
    }
    match root.get("network") {
        None => has(root, "network"),
        Some(network) => network.get_ref().as_table().is_some_and(|network| {
            !network.contains_key("peers") && GO.iter().any(|key| has(network, key))
        }),
    }
}

fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
