//! The text of a node's `config.ini`, and adding peers to an existing one.

use crate::config::{ChainVersion, IniLine, PeerAddr, classify, lines};

/// The values that differ from node to node.
pub(super) struct NodeIni<'a> {
    pub(super) ip: &'a str,
    pub(super) channel_port: u16,
    pub(super) rpc_port: u16,
    pub(super) p2p_port: u16,
    pub(super) peers: &'a [PeerAddr],
    pub(super) rsa: bool,
    pub(super) chain_id: u64,
    pub(super) version: &'a ChainVersion,
}

impl NodeIni<'_> {
    /// Returns the whole file with all sections of a node made by the chain's script, so that a
    /// FISCO node can use the folder, too.
    pub(super) fn text(&self) -> String {
        let Self {
            ip,
            channel_port,
            rpc_port,
            p2p_port,
            rsa,
            chain_id,
            version,
            ..
        } = self;
        let peers = peer_lines(self.peers, 0, "    ", "\n");
        format!(
            "\
; Configuration of one node. Paths are relative to this file.
[rpc]
    ; SDKs connect to the channel port
    channel_listen_ip={ip}
    channel_listen_port={channel_port}
    ; JSON-RPC over HTTP, without certificates; off if there is no port
    jsonrpc_listen_ip={ip}
    jsonrpc_listen_port={rpc_port}
    ; used by consensus nodes only
    disable_dynamic_group=false

[p2p]
    ; other nodes connect here
    listen_ip={ip}
    listen_port={p2p_port}
    ; the nodes of the network; the entry of this one is skipped
{peers}
[certificate_blacklist]
    ; nodes that may not connect, by node id (128 hexadecimal digits)
    ;crl.0=

[certificate_whitelist]
    ; if there is any entry, only these nodes may connect
    ;cal.0=

[group]
    ; used by consensus nodes only
    group_data_path=data/
    group_config_path=conf/

[network_security]
    ; folder of the four files below
    data_path=conf/
    key=node.key
    cert=node.crt
    ca_cert=ca.crt
    ; whether SDKs must have a certificate of this node's agency
    ;check_cert_issuer=true

[storage_security]
    ; used by consensus nodes only
    enable=false
    key_manager_ip=
    key_manager_port=
    cipher_data_key=

[chain]
    id={chain_id}
    ; SM (guomi) cryptography; fixed for the life of a chain
    sm_crypto=false
    sm_crypto_channel=false
    ; RSA certificates on the channel port, in conf/channel_cert/
    rsa_crypto_channel={rsa}

[compatibility]
    ; the version that this node reports to nodes and SDKs
    supported_version={version}

[log]
    ; used by consensus nodes only
    enable=true
    log_path=./log
    level=info
    max_log_file_size=200
    flush=true

[amop]
    ; read by overlay nodes only
    ; the groups that this node reports to SDKs; the chain's Java demos need group 1
    groups=1
    ; whether SDKs with secp256k1 keys may sign their TLS handshakes with SHA-1, as Java before 16 does
    ;sha1_client_signatures=true

[flow_control]
    ; requests per second, used by consensus nodes only
    ;limit_req=1000
    ; AMOP messages beyond this many Mb/s are refused; fractions are allowed
    ;outgoing_bandwidth_limit=2
"
        )
    }
}

fn peer_lines(peers: &[PeerAddr], first: u64, indent: &str, end: &str) -> String {
    (first..)
        .zip(peers)
        .map(|(index, peer)| format!("{indent}node.{index}={peer}{end}"))
        .collect()
}

/// The position of the list of peers in a file.
struct PeerList {
    /// Index of the line after which new entries belong.
    line: usize,
    /// Whether this line is an entry of the list, which takes precedence over others.
    in_list: bool,
}

/// Adds peers after the last `node.N` of section `[p2p]`. Everything else stays as it is: comments,
/// order, indentation, line ends. The text must have been parsed before.
pub(super) fn add_peers(text: &str, peers: &[PeerAddr]) -> String {
    let mut section = "";
    let mut list: Option<PeerList> = None;
    let mut next = 0;
    for (line, text) in lines(text).enumerate() {
        match classify(text) {
            IniLine::Blank => {}
            IniLine::Header(name) => {
                section = name;
                // A section without entries may occur again, with entries.
                if section == "p2p" && !list.as_ref().is_some_and(|list| list.in_list) {
                    let in_list = false;
                    list = Some(PeerList { line, in_list });
                }
            }
            IniLine::Pair(key, _) if section == "p2p" => {
                let number = key.strip_prefix("node.");
                if let Some(number) = number.and_then(short_number) {
                    next = next.max(number + 1);
                }
                let in_list = number.is_some();
                if in_list || !list.as_ref().is_some_and(|list| list.in_list) {
                    list = Some(PeerList { line, in_list });
                }
            }
            IniLine::Pair(..) => {}
        }
    }
    let Some(list) = list else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return format!(
            "{text}{gap}[p2p]\n{}",
            peer_lines(peers, next, "    ", "\n")
        );
    };
    insert_after(text, list.line, peers, next)
}

/// Returns `None` for longer numbers. They do not matter, because new numbers never reach them.
fn short_number(digits: &str) -> Option<u64> {
    if digits.len() > 9 {
        return None;
    }
    digits.parse().ok()
}

fn insert_after(text: &str, line: usize, peers: &[PeerAddr], next: u64) -> String {
    let mut result = String::with_capacity(text.len() + 32 * peers.len());
    for (index, old) in text.split_inclusive('\n').enumerate() {
        result.push_str(old);
        if index != line {
            continue;
        }
        let end = if old.ends_with("\r\n") { "\r\n" } else { "\n" };
        if !old.ends_with('\n') {
            result.push_str(end);
        }
        let body = old.trim_start_matches('\u{feff}');
        let indent = match classify(old) {
            IniLine::Pair(..) => &body[..body.len() - body.trim_start().len()],
            _ => "    ",
        };
        result.push_str(&peer_lines(peers, next, indent, end));
    }
    result
}

#[cfg(test)]
mod tests;
