//! Reads the files of the C SDK, which SDKs in other languages use, too.

use std::time::Duration;

use amop_tls::PemSource;

use super::{
    config::{SdkConfig, SdkLayout},
    ini_text::{IniValue, values},
    read::{NO_SM, SdkConfigReader, joined},
};
use crate::{Protocol, SdkConfigError};

/// The folder of the certificates if the file does not name one.
const CA_PATH: &str = "./conf";

/// Keys that the SDK uses and AMOP does not need.
const UNUSED: [(&str, &str); 7] = [
    ("common", "thread_pool_size"),
    ("common", "reconnect_period_ms"),
    ("common", "heartbeat_period_ms"),
    ("common", "send_rpc_request_to_highest_block_node"),
    ("cert", "sm_ca_cert"),
    ("cert", "sm_sdk_cert"),
    ("cert", "sm_sdk_key"),
];

impl SdkConfigReader<'_> {
    pub(super) fn ini(&mut self) -> Result<SdkConfig, SdkConfigError> {
        let entries = values(self.text).map_err(|line| SdkConfigError::Syntax {
            path: self.path.to_owned(),
            line,
            message: "neither a section, a comment nor key=value".to_owned(),
        })?;
        let get = |section: &str, key: &str| {
            let mut entries = entries.iter();
            entries.find(|entry| entry.section == section && entry.key == key)
        };
        let flag = |key| {
            get("common", key)
                .map(|entry| self.ini_flag(entry))
                .transpose()
        };
        let disabled = flag("disable_ssl")?;
        let tls = flag("enable_ssl")?.or(disabled.map(|disabled| !disabled));
        let tls = tls.unwrap_or(true);
        if let Some(kind) = get("cert", "ssl_type").filter(|_| tls) {
            self.check_ssl_type(kind)?;
        }
        let timeout = get("common", "message_timeout_ms");
        let timeout = timeout
            .map(|entry| self.ini_millis(entry))
            .transpose()?
            .flatten();
        let text = |key, default| get("cert", key).map_or(default, |entry| entry.value);
        let folder = text("ca_path", CA_PATH);
        let file = |key, default| PemSource::File(self.place(&joined(folder, text(key, default))));
        let files = [
            file("ca_cert", "ca.crt"),
            file("sdk_cert", "sdk.crt"),
            file("sdk_key", "sdk.key"),
        ];
        let endpoints = self.ini_peers(&entries)?;
        self.warn_unknown_keys(&entries);
        let [ca, cert, key] = files;
        Ok(SdkConfig {
            path: self.path.to_owned(),
            layout: SdkLayout::C,
            protocol: Protocol::V3,
            tls,
            timeout,
            endpoints,
            ca,
            cert,
            key,
            private_topics: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn ini_peers(&self, entries: &[IniValue<'_>]) -> Result<Vec<String>, SdkConfigError> {
        let mut endpoints = Vec::new();
        for entry in entries.iter().filter(|entry| is_peer(entry)) {
            let endpoint = Self::checked_endpoint(entry.value);
            let endpoint = endpoint.map_err(|problem| self.wrong_entry(entry, &problem))?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        if endpoints.is_empty() {
            return Err(self.missing("peers.node.0", "write node.0=127.0.0.1:20200 below [peers]"));
        }
        Ok(endpoints)
    }

    fn check_ssl_type(&self, entry: &IniValue<'_>) -> Result<(), SdkConfigError> {
        match entry.value {
            "ssl" => Ok(()),
            "sm_ssl" => Err(self.wrong_entry(entry, &NO_SM.replace("false", "ssl"))),
            _ => Err(self.wrong_entry(entry, "must be ssl")),
        }
    }

    fn ini_flag(&self, entry: &IniValue<'_>) -> Result<bool, SdkConfigError> {
        match entry.value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.wrong_entry(entry, "must be true or false")),
        }
    }

    fn ini_millis(&self, entry: &IniValue<'_>) -> Result<Option<Duration>, SdkConfigError> {
        match entry.value.parse() {
            Ok(0) => Ok(None),
            Ok(millis) => Ok(Some(Duration::from_millis(millis))),
            Err(_) => Err(self.wrong_entry(entry, "must be a number of milliseconds")),
        }
    }

    fn warn_unknown_keys(&mut self, entries: &[IniValue<'_>]) {
        for entry in entries {
            if !is_known(entry) {
                let message = format!(
                    "{} is not a key of this layout and has no effect; check its spelling",
                    entry.full()
                );
                self.warn_at(entry.line, message);
            }
        }
    }

    fn wrong_entry(&self, entry: &IniValue<'_>, problem: &str) -> SdkConfigError {
        SdkConfigError::Value {
            path: self.path.to_owned(),
            line: entry.line,
            key: entry.full(),
            problem: problem.to_owned(),
        }
    }
}

fn is_peer(entry: &IniValue<'_>) -> bool {
    entry.section == "peers" && entry.key.starts_with("node.")
}

fn is_known(entry: &IniValue<'_>) -> bool {
    let used = match entry.section {
        "common" => matches!(
            entry.key,
            "disable_ssl" | "enable_ssl" | "message_timeout_ms"
        ),
        "cert" => {
            let keys = ["ssl_type", "ca_path", "ca_cert", "sdk_cert", "sdk_key"];
            keys.contains(&entry.key) || entry.key.starts_with("sm_")
        }
        _ => is_peer(entry),
    };
    used || UNUSED.contains(&(entry.section, entry.key))
}
