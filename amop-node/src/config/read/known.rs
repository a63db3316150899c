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
            "v3_config",
            "v3_on_channel_port",
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

/// The sections and keys of one kind of file.
pub(super) struct KnownKeys {
    read: &'static [(&'static str, &'static [&'static str])],
    ignored: &'static [&'static str],
    inert: &'static [&'static str],
    foreign: &'static [&'static str],
}

/// The files of 2.x chains.
pub(super) const V2: KnownKeys = KnownKeys {
    read: READ,
    ignored: IGNORED,
    inert: INERT,
    foreign: FOREIGN,
};

/// The files of 3.x chains.
pub(super) const V3: KnownKeys = KnownKeys {
    read: &[
        (
            "rpc",
            &[
                "listen_ip",
                "listen_port",
                "sm_ssl",
                "disable_ssl",
                "enable_ssl",
            ],
        ),
        (
            "p2p",
            &[
                "listen_ip",
                "listen_port",
                "sm_ssl",
                "nodes_path",
                "nodes_file",
                "enable_compression",
                "enable_ssl_verify",
                "allow_max_msg_size",
            ],
        ),
        ("certificate_blacklist", &["crl."]),
        ("certificate_whitelist", &["cal."]),
        (
            "cert",
            &[
                "ca_path",
                "ca_cert",
                "node_key",
                "node_cert",
                "multi_ca_path",
            ],
        ),
        ("amop", &["chain_id", "groups"]),
        (LIMITS, &LIMIT_KEYS),
    ],
    ignored: &[
        "rpc.thread_count",
        "rpc.return_input_params",
        "rpc.filter_timeout",
        "rpc.filter_max_process_block",
        "rpc.need_retry",
        "rpc.tarsRpcPort",
        "rpc.tars_rpc_host",
        "rpc.tars_rpc_port",
        "rpc.tars_rpc_thread_count",
        "p2p.thread_count",
        "p2p.enable_rip_protocol",
        "p2p.session_recv_buffer_size",
        "p2p.session_max_read_data_size",
        "p2p.session_max_send_data_size",
        "p2p.session_max_send_msg_count",
        "p2p.uuid",
        // Without sm_ssl, FISCO nodes do not use these either.
        "cert.sm_ca_cert",
        "cert.sm_node_key",
        "cert.sm_node_cert",
        "cert.sm_ennode_key",
        "cert.sm_ennode_cert",
    ],
    inert: &["p2p.readonly"],
    foreign: &[
        "chain",
        "consensus",
        "crypto",
        "executor",
        "experimental",
        "failover",
        "flow_control",
        "gateway",
        "log",
        "others",
        "redis",
        "scheduler",
        "security",
        "service",
        "storage",
        "storage_security",
        "sync",
        "tx_gas",
        "txpool",
        "web3_rpc",
    ],
};

/// Returns the sections and keys that have no effect, with their lines.
pub(super) fn without_effect(ini: &Ini, all: &KnownKeys) -> Vec<(usize, WarningKind)> {
    let mut found = Vec::new();
    for section in &ini.sections {
        let name = section.name.as_str();
        let known = all.read.iter().find(|(known, _)| *known == name);
        if let Some((_, keys)) = known {
            let kinds = section.entries.iter().filter_map(|entry| {
                let kind = key_without_effect(name, (all, keys), entry)?;
                Some((entry.line, kind))
            });
            found.extend(kinds);
        } else if !all.foreign.contains(&name) {
            let kind = WarningKind::UnknownSection(name.to_owned());
            found.push((section.line.max(1), kind));
        }
    }
    found
}

fn key_without_effect(
    section: &str,
    (all, keys): (&KnownKeys, &[&str]),
    entry: &IniEntry,
) -> Option<WarningKind> {
    let key = entry.key.as_str();
    let matches = |known: &&str| key == *known || known.ends_with('.') && key.starts_with(*known);
    let full = format!("{section}.{key}");
    if keys.iter().any(matches) || all.ignored.contains(&full.as_str()) {
        return None;
    }
    if all.inert.contains(&full.as_str()) {
        return (!entry.value.is_empty()).then_some(WarningKind::NoEffect(full));
    }
    Some(WarningKind::UnknownKey(full))
}
