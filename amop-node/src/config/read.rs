//! Turns the lines of a `config.ini` into a [`NodeConfig`].

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ini::{Ini, IniEntry, IniSection};
use super::{
    CertPaths, ChainVersion, ConfigError, NodeConfig, NodeIdBytes, PeerAddr, Warning, WarningKind,
};
use crate::{Limits, ListenLimits};

const IP: &str = "an IPv4 or IPv6 address such as 127.0.0.1 (not a name)";
const PORT: &str = "a port number from 0 to 65535";
const BOOL: &str = "true or false";
const FILE: &str = "a file or folder name";
const GROUPS: &str = "group ids from 1 to 32767 with commas between, such as 1 or 1,2";
const NODE_ID: &str = "a node id: 128 hexadecimal digits";

/// The sections that are read, with their keys. Keys that end in a dot are numbered
/// lists.
const READ: &[(&str, &[&str])] = &[
    (
        "rpc",
        &[
            "channel_listen_ip",
            "channel_listen_port",
            "jsonrpc_listen_ip",
            "jsonrpc_listen_port",
            "listen_ip",
        ],
    ),
    (
        "p2p",
        &["listen_ip", "listen_port", "enable_compress", "node."],
    ),
    ("certificate_blacklist", &["crl."]),
    ("crl", &["crl."]),
    ("certificate_whitelist", &["cal."]),
    ("cal", &["cal."]),
    ("network_security", &SECURITY_KEYS),
    ("secure", &SECURITY_KEYS),
    (
        "chain",
        &["id", "sm_crypto", "sm_crypto_channel", "rsa_crypto_channel"],
    ),
    ("compatibility", &["supported_version"]),
    ("flow_control", &["outgoing_bandwidth_limit"]),
    (
        "amop",
        &[
            "transit.",
            "sdk_certificates_as_nodes",
            "sha1_client_signatures",
            "groups",
        ],
    ),
    ("sdk_allowlist", &["public_key."]),
    (LIMITS, &LIMIT_KEYS),
];
const SECURITY_KEYS: [&str; 6] = [
    "data_path",
    "key",
    "cert",
    "ca_cert",
    "check_cert_issuer",
    "revocation_list.",
];

/// The section of the limits that only overlay nodes have.
const LIMITS: &str = "amop_limits";

const LIMIT_KEYS: [&str; 36] = [
    "session_queue",
    "session_queues",
    "peer_queue",
    "frame",
    "in_flight",
    "in_flight_bytes",
    "lag",
    "session_in_flight",
    "session_in_flight_bytes",
    "session_topics",
    "session_text",
    "session_topic_changes",
    "topic_changes",
    "subscriptions",
    "topics",
    "peer_topics",
    "nodes",
    "records_bytes",
    "record_bytes",
    "stubs",
    "claimed",
    "sessions",
    "peers",
    "handshakes",
    "source_handshakes",
    "first_byte_time",
    "hello_time",
    "handshake_time",
    "frame_time",
    "frame_rate",
    "receiving",
    "fragment_time",
    "http",
    "http_rate",
    "http_answers",
    "http_time",
];

/// Keys for features that an overlay node does not have: ignored without a warning.
const IGNORED: &[&str] = &[
    "rpc.channel_thread_count",
    "rpc.disable_dynamic_group",
    "p2p.connection_warning",
    "p2p.peers_param_limit",
    "p2p.max_nodes_limit",
];

/// Keys whose effect an operator could miss: ignored with a warning.
const INERT: &[&str] = &[
    "flow_control.limit_req",
    "network_security.ca_path",
    "secure.ca_path",
];

/// Sections of FISCO nodes that do not concern AMOP.
const FOREIGN: &[&str] = &[
    "consensus",
    "event",
    "evm",
    "group",
    "log",
    "state",
    "statistics",
    "storage",
    "storage_security",
    "sync",
    "tx",
    "tx_execute",
    "tx_pool",
];

struct ConfigReader<'a> {
    file: &'a Path,
    ini: &'a Ini,
    warnings: Vec<Warning>,
}

/// A section and its entries, if it exists.
#[derive(Clone, Copy)]
struct SectionKeys<'a> {
    file: &'a Path,
    name: &'static str,
    section: Option<&'a IniSection>,
}

pub(super) fn read(text: &str, file: &Path) -> Result<(NodeConfig, Vec<Warning>), ConfigError> {
    let ini = Ini::parse(text).map_err(|e| ConfigError::Syntax {
        file: file.to_owned(),
        line: e.line,
        problem: e.problem.to_string(),
    })?;
    let mut reader = ConfigReader {
        file,
        ini: &ini,
        warnings: Vec::new(),
    };
    reader.warn_unknown();
    let config = reader.config()?;
    let mut warnings = reader.warnings;
    warnings.sort_by_key(|warning| warning.line);
    Ok((config, warnings))
}

impl<'a> ConfigReader<'a> {
    fn config(&mut self) -> Result<NodeConfig, ConfigError> {
        let supported_version = self.version()?;
        let rsa_channel = self.crypto(&supported_version)?;
        let (rpc, p2p) = (self.keys("rpc"), self.keys("p2p"));

        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let shared_ip = rpc.get("listen_ip", IP, parse)?;
        let ip = |key, default| -> Result<IpAddr, ConfigError> {
            Ok(rpc.get(key, IP, parse)?.or(shared_ip).unwrap_or(default))
        };
        let channel_port = rpc.get("channel_listen_port", PORT, parse)?;
        let channel_listen =
            SocketAddr::new(ip("channel_listen_ip", any)?, channel_port.unwrap_or(20200));
        let jsonrpc_ip = ip("jsonrpc_listen_ip", Ipv4Addr::LOCALHOST.into())?;
        let jsonrpc_port = rpc.get("jsonrpc_listen_port", PORT, parse)?;
        let jsonrpc_listen = jsonrpc_port.map(|port| SocketAddr::new(jsonrpc_ip, port));
        let p2p_listen = SocketAddr::new(
            p2p.get("listen_ip", IP, parse)?.unwrap_or(any),
            p2p.get("listen_port", PORT, parse)?.unwrap_or(30300),
        );
        let peer = "host:port, with an IPv6 address as [address]:port";
        let peers: Vec<PeerAddr> = p2p.list("node.", peer, parse)?;

        let security = self.aliased("network_security", "secure");
        let check_cert_issuer = security.get("check_cert_issuer", BOOL, boolean)?;
        let (p2p_certs, rsa_certs) = self.certificates(security)?;

        let blacklist = self.aliased("certificate_blacklist", "crl");
        let blacklist = blacklist.list("crl.", NODE_ID, node_id)?;
        let whitelist = self.aliased("certificate_whitelist", "cal");
        let whitelist = whitelist.list("cal.", NODE_ID, node_id)?;

        let key = "an SDK's public key: 128 hexadecimal digits, as in sdk.publickey";
        let sdk_allowlist = self.keys("sdk_allowlist");
        let sdk_allowlist = sdk_allowlist.list("public_key.", key, node_id)?;
        let revocation_lists = security.list("revocation_list.", FILE, non_empty)?;
        let data = self.data_path(security)?;
        let (limits, listen_limits) = self.limits()?;
        let amop = self.keys("amop");
        let transit = amop.list("transit.", NODE_ID, node_id)?;
        let sdks_as_nodes = amop.get("sdk_certificates_as_nodes", BOOL, boolean)?;
        let sha1_client_signatures = amop.get("sha1_client_signatures", BOOL, boolean)?;
        let groups = amop.get("groups", GROUPS, groups)?;

        let chain_id = "a whole number from 0 to 9223372036854775807";
        let chain_id = self.keys("chain").get("id", chain_id, |value| {
            value.parse::<i64>().ok().filter(|id| *id >= 0)
        })?;
        let limit = "a positive number of Mb/s such as 2.5";
        let outgoing_bandwidth_limit =
            self.keys("flow_control")
                .get("outgoing_bandwidth_limit", limit, |value| {
                    let limit = value.parse::<f64>().ok()?;
                    (limit.is_finite() && limit > 0.0).then_some(limit)
                })?;
        self.warn_encrypted_storage();

        Ok(NodeConfig {
            channel_listen,
            jsonrpc_listen,
            p2p_listen,
            peers,
            send_compressed: p2p.get("enable_compress", BOOL, boolean)?.unwrap_or(false),
            channel_certs: if rsa_channel {
                rsa_certs
            } else {
                p2p_certs.clone()
            },
            rsa_channel,
            p2p_certs,
            check_cert_issuer: check_cert_issuer.unwrap_or(true),
            blacklist,
            whitelist: (!whitelist.is_empty()).then_some(whitelist),
            sdk_allowlist: (!sdk_allowlist.is_empty()).then_some(sdk_allowlist),
            revocation_lists: revocation_lists
                .iter()
                .map(|file| data.join(file))
                .collect(),
            limits,
            listen_limits,
            transit,
            sdk_certificates_as_nodes: sdks_as_nodes.unwrap_or(false),
            sha1_client_signatures: sha1_client_signatures.unwrap_or(true),
            groups: groups.unwrap_or_default(),
            chain_id: chain_id.unwrap_or(1).to_string(),
            supported_version,
            outgoing_bandwidth_limit,
        })
    }

    fn version(&mut self) -> Result<ChainVersion, ConfigError> {
        let keys = self.keys("compatibility");
        let expected = "a version of a 2.x chain such as 2.11.1";
        let Some(version) = keys.get("supported_version", expected, parse::<ChainVersion>)? else {
            self.warn(None, WarningKind::NoVersion);
            return Ok(ChainVersion::DEFAULT);
        };
        if version.has_rc1_header() {
            return Err(ConfigError::Rc1Header {
                file: self.file.to_owned(),
                line: keys.line("supported_version"),
                version: version.to_string(),
            });
        }
        Ok(version)
    }

    /// Returns whether the channel uses RSA; refuses guomi.
    fn crypto(&mut self, version: &ChainVersion) -> Result<bool, ConfigError> {
        let chain = self.keys("chain");
        for (key, name) in [
            ("sm_crypto", "chain.sm_crypto"),
            ("sm_crypto_channel", "chain.sm_crypto_channel"),
        ] {
            if chain.get(key, BOOL, boolean)? == Some(true) {
                return Err(ConfigError::Guomi {
                    file: self.file.to_owned(),
                    line: chain.line(key),
                    key: name,
                });
            }
        }
        let key = "rsa_crypto_channel";
        let rsa = chain.get(key, BOOL, boolean)?.unwrap_or(false);
        if rsa && !version.has_rsa_channel() {
            let kind = WarningKind::RsaTooOld(version.to_string());
            self.warn(Some(chain.line(key)), kind);
            return Ok(false);
        }
        Ok(rsa)
    }

    /// Returns the P2P certificates, and the RSA ones for the channel (channel-v2 section 2.2).
    fn certificates(
        &self,
        security: SectionKeys<'a>,
    ) -> Result<(CertPaths, CertPaths), ConfigError> {
        let name = |key, default| -> Result<&str, ConfigError> {
            Ok(security.get(key, FILE, non_empty)?.unwrap_or(default))
        };
        let data = self.data_path(security)?;
        let p2p = CertPaths {
            key: data.join(name("key", "node.key")?),
            cert: data.join(name("cert", "node.crt")?),
            ca: data.join(name("ca_cert", "ca.crt")?),
        };
        let channel = data.join("channel_cert");
        let rsa = CertPaths {
            key: channel.join("node.key"),
            cert: channel.join("node.crt"),
            ca: channel.join("ca.crt"),
        };
        Ok((p2p, rsa))
    }

    fn data_path(&self, security: SectionKeys<'a>) -> Result<PathBuf, ConfigError> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let data = security.get("data_path", FILE, non_empty)?;
        Ok(folder.join(data.unwrap_or("./conf/")))
    }

    fn limits(&self) -> Result<(Limits, ListenLimits), ConfigError> {
        let keys = self.keys(LIMITS);
        let (mut limits, mut listen) = (Limits::default(), ListenLimits::default());
        let fields = [
            ("session_queue", &mut limits.session_queue),
            ("session_queues", &mut limits.session_queues),
            ("peer_queue", &mut limits.peer_queue),
            ("frame", &mut limits.frame),
            ("in_flight", &mut limits.in_flight),
            ("in_flight_bytes", &mut limits.in_flight_bytes),
            ("session_in_flight", &mut limits.session_in_flight),
            (
                "session_in_flight_bytes",
                &mut limits.session_in_flight_bytes,
            ),
            ("session_topics", &mut limits.session_topics),
            ("session_topic_changes", &mut limits.session_topic_changes),
            ("topic_changes", &mut limits.topic_changes),
            ("session_text", &mut limits.session_text),
            ("subscriptions", &mut limits.subscriptions),
            ("topics", &mut limits.topics),
            ("peer_topics", &mut limits.peer_topics),
            ("nodes", &mut limits.nodes),
            ("records_bytes", &mut limits.records_bytes),
            ("record_bytes", &mut limits.record_bytes),
            ("stubs", &mut limits.stubs),
            ("sessions", &mut listen.sessions),
            ("peers", &mut listen.peers),
            ("handshakes", &mut listen.handshakes),
            ("source_handshakes", &mut listen.source_handshakes),
            ("frame_rate", &mut listen.frame_rate),
            ("receiving", &mut listen.receiving),
            ("http", &mut listen.http),
            ("http_rate", &mut listen.http_rate),
            ("http_answers", &mut listen.http_answers),
        ];
        let count = "a whole number from 1 to 4294967295";
        let number = |key| keys.get(key, count, |value| value.parse().ok().filter(|n| *n > 0u32));
        for (key, field) in fields {
            if let Some(value) = number(key)? {
                *field = value as usize;
            }
        }
        if let Some(millis) = number("lag")? {
            listen.lag = Duration::from_millis(u64::from(millis));
        }
        limits.claimed = number("claimed")?.unwrap_or(limits.claimed);
        for (key, field) in [
            ("first_byte_time", &mut listen.first_byte_time),
            ("hello_time", &mut listen.hello_time),
            ("handshake_time", &mut listen.handshake_time),
            ("frame_time", &mut listen.frame_time),
            ("fragment_time", &mut listen.fragment_time),
            ("http_time", &mut listen.http_time),
        ] {
            if let Some(seconds) = number(key)? {
                *field = Duration::from_secs(seconds.into());
            }
        }
        Ok((limits, listen))
    }

    fn keys(&self, name: &'static str) -> SectionKeys<'a> {
        SectionKeys {
            file: self.file,
            name,
            section: self.ini.section(name),
        }
    }

    /// Returns a section that also has an older name; the newer name wins, as on FISCO nodes.
    fn aliased(&mut self, name: &'static str, old: &'static str) -> SectionKeys<'a> {
        let (new, older) = (self.keys(name), self.keys(old));
        match (new.section, older.section) {
            (Some(_), Some(section)) => {
                let (ignored, used) = (old, name);
                let kind = WarningKind::ShadowedSection { ignored, used };
                self.warn(Some(section.line), kind);
                new
            }
            (None, Some(_)) => older,
            _ => new,
        }
    }

    fn warn(&mut self, line: Option<usize>, kind: WarningKind) {
        let file = self.file.to_owned();
        self.warnings.push(Warning { file, line, kind });
    }

    fn warn_unknown(&mut self) {
        let ini = self.ini;
        for section in &ini.sections {
            let name = section.name.as_str();
            let known = READ.iter().find(|(known, _)| *known == name);
            if let Some((_, keys)) = known {
                for entry in &section.entries {
                    self.warn_unknown_key(name, keys, entry);
                }
            } else if !FOREIGN.contains(&name) {
                let kind = WarningKind::UnknownSection(name.to_owned());
                self.warn(Some(section.line.max(1)), kind);
            }
        }
    }

    fn warn_unknown_key(&mut self, section: &str, keys: &[&str], entry: &IniEntry) {
        let key = entry.key.as_str();
        let matches =
            |known: &&str| key == *known || known.ends_with('.') && key.starts_with(*known);
        let full = format!("{section}.{key}");
        if keys.iter().any(matches) || IGNORED.contains(&full.as_str()) {
            return;
        }
        if INERT.contains(&full.as_str()) {
            if !entry.value.is_empty() {
                self.warn(Some(entry.line), WarningKind::NoEffect(full));
            }
        } else {
            self.warn(Some(entry.line), WarningKind::UnknownKey(full));
        }
    }

    fn warn_encrypted_storage(&mut self) {
        let section = self.ini.section("storage_security");
        if let Some(entry) = section.and_then(|section| section.get("enable"))
            && boolean(&entry.value) == Some(true)
        {
            self.warn(Some(entry.line), WarningKind::EncryptedStorage);
        }
    }
}

impl<'a> SectionKeys<'a> {
    fn get<T>(
        self,
        key: &str,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(entry) = self.section.and_then(|section| section.get(key)) else {
            return Ok(None);
        };
        self.value(entry, expected, parse).map(Some)
    }

    /// Returns the values of a numbered list, in file order without duplicates.
    fn list<T: Clone + Eq + Hash>(
        self,
        prefix: &str,
        expected: &'static str,
        parse: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let entries = self.section.map_or(&[][..], |section| &section.entries);
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        for entry in entries.iter().filter(|e| e.key.starts_with(prefix)) {
            let value = self.value(entry, expected, &parse)?;
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn value<T>(
        self,
        entry: &'a IniEntry,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&entry.value).ok_or_else(|| ConfigError::Value {
            file: self.file.to_owned(),
            line: entry.line,
            key: format!("{}.{}", self.name, entry.key),
            value: entry.value.chars().take(160).collect(),
            expected,
        })
    }

    /// Returns the line of a key that exists.
    fn line(self, key: &str) -> usize {
        let entry = self.section.and_then(|section| section.get(key));
        entry.map_or(0, |entry| entry.line)
    }
}

fn parse<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// Parses a boolean as FISCO nodes do.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Parses group ids and returns them without duplicates, in ascending order, as a FISCO node lists
/// them.
fn groups(value: &str) -> Option<BTreeSet<u16>> {
    let group = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|id| (1..=0x7fff).contains(id))
    };
    value.split(',').map(group).collect()
}

fn non_empty(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

fn node_id(value: &str) -> Option<NodeIdBytes> {
    let digits = value.as_bytes();
    let mut id = [0; 64];
    if digits.len() != 2 * id.len() {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16);
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(id)
}
