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
    config::{ConfigWarning, SdkConfig, SdkLayout},
    ini_text::is_ini,
    table::{TomlTable, TomlValue},
};
use crate::{Protocol, SdkConfigError, client::endpoint};

/// Tables that the Go SDK uses and AMOP does not need.
const GO_OTHER: [&str; 3] = ["account", "chain", "log"];

/// What is wrong with a file of a chain with national cryptography.
pub(super) const NO_SM: &str =
    "must be false: chains with national cryptography are not supported yet";

pub(super) struct SdkConfigReader<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
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
        if is_ini(self.text) {
            let mut config = self.ini()?;
            config.warnings = self.warnings;
            return Ok(config);
        }
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
            protocol: Protocol::V2,
            tls: true,
            timeout: None,
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

    /// Returns the file name of certificate and key in a folder: `sdk`, or `node` on chains before
    /// 2.1.
    pub(super) fn default_names(&self, folder: &str) -> &'static str {
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

    /// Reads a flag, which may be a text.
    pub(super) fn flag(&self, value: &TomlValue<'_>) -> Result<bool, SdkConfigError> {
        match (value.value.as_bool(), value.value.as_str()) {
            (Some(flag), _) => Ok(flag),
            (None, Some("true")) => Ok(true),
            (None, Some("false")) => Ok(false),
            _ => Err(self.wrong(value, "must be true or false")),
        }
    }

    pub(super) fn refuse_sm(&self, value: Option<TomlValue<'_>>) -> Result<(), SdkConfigError> {
        match value {
            Some(value) if self.flag(&value)? => Err(self.wrong(&value, NO_SM)),
            _ => Ok(()),
        }
    }

    pub(super) fn table<'t>(
        &self,
        value: &TomlValue<'t>,
        any_case: bool,
    ) -> Result<TomlTable<'t>, SdkConfigError> {
        let entries = value.value.as_table();
        let entries = entries.ok_or_else(|| self.wrong(value, "must be a table"))?;
        Ok(TomlTable::new(&value.key, entries, any_case))
    }

    pub(super) fn list<'t>(
        &self,
        value: &TomlValue<'t>,
    ) -> Result<Vec<TomlValue<'t>>, SdkConfigError> {
        let items = value.value.as_array();
        let items = items.ok_or_else(|| self.wrong(value, "must be a list"))?;
        let named = |(index, item): (usize, &'t Spanned<DeValue<'t>>)| TomlValue {
            key: format!("{}[{index}]", value.key),
            value: item.get_ref(),
            span: item.span(),
        };
        Ok(items.iter().enumerate().map(named).collect())
    }

    pub(super) fn text<'t>(&self, value: &TomlValue<'t>) -> Result<&'t str, SdkConfigError> {
        let text = value.value.as_str();
        text.ok_or_else(|| self.wrong(value, "must be a text in quotes"))
    }

    pub(super) fn endpoint(&self, value: &TomlValue<'_>) -> Result<String, SdkConfigError> {
        let text = self.text(value)?;
        Self::checked_endpoint(text).map_err(|problem| self.wrong(value, &problem))
    }

    /// Returns an endpoint as the client shows it, or what is wrong with it.
    pub(super) fn checked_endpoint(text: &str) -> Result<String, String> {
        let parsed = endpoint::parse(text);
        let parsed = parsed.map(|endpoint| endpoint.to_string());
        parsed.map_err(|error| format!("cannot be used: {error}"))
    }

    /// Returns the file for a path: relative to the working directory, or if nothing is there, to
    /// the folder of the configuration file.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        let given = PathBuf::from(path);
        if given.is_absolute() || given.exists() {
            return given;
        }
        let beside = self.path.parent().map(|folder| folder.join(&given));
        beside.filter(|path| path.exists()).unwrap_or(given)
    }

    // ---- what is wrong ----

    pub(super) fn warn_unknown(&mut self, table: &TomlTable<'_>) {
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

    pub(super) fn warn(&mut self, span: Range<usize>, message: String) {
        let line = self.line(span);
        self.warn_at(line, message);
    }

    pub(super) fn warn_at(&mut self, line: usize, message: String) {
        self.warnings.push(ConfigWarning { line, message });
    }

    pub(super) fn wrong(&self, value: &TomlValue<'_>, problem: &str) -> SdkConfigError {
        SdkConfigError::Value {
            path: self.path.to_owned(),
            line: self.line(value.span.clone()),
            key: value.key.clone(),
            problem: problem.to_owned(),
        }
    }

    pub(super) fn missing(&self, key: &'static str, hint: &'static str) -> SdkConfigError {
        SdkConfigError::Missing {
            path: self.path.to_owned(),
            key,
            hint,
        }
    }

    pub(super) fn line(&self, span: Range<usize>) -> usize {
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

pub(super) fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
