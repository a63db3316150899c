//! The sections and keys that are known; others cause warnings.

use super::super::WarningKind;
use super::super::ini::{Ini, IniEntry};
use super::limits::{LIMIT_KEYS, LIMITS};

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

/// Returns the sections and keys that have no effect, with their lines.
pub(super) fn without_effect(ini: &Ini) -> Vec<(usize, WarningKind)> {
    let mut found = Vec::new();
    for section in &ini.sections {
        let name = section.name.as_str();
        let known = READ.iter().find(|(known, _)| *known == name);
        if let Some((_, keys)) = known {
            let kinds = section.entries.iter().filter_map(|entry| {
                let kind = key_without_effect(name, keys, entry)?;
                Some((entry.line, kind))
            });
            found.extend(kinds);
        } else if !FOREIGN.contains(&name) {
            let kind = WarningKind::UnknownSection(name.to_owned());
            found.push((section.line.max(1), kind));
        }
    }
    found
}

fn key_without_effect(section: &str, keys: &[&str], entry: &IniEntry) -> Option<WarningKind> {
    let key = entry.key.as_str();
    let matches = |known: &&str| key == *known || known.ends_with('.') && key.starts_with(*known);
    let full = format!("{section}.{key}");
    if keys.iter().any(matches) || IGNORED.contains(&full.as_str()) {
        return None;
    }
    if INERT.contains(&full.as_str()) {
        return (!entry.value.is_empty()).then_some(WarningKind::NoEffect(full));
    }
    Some(WarningKind::UnknownKey(full))
}
