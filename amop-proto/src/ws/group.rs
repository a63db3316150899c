//! The description of a group, which SDKs get with the handshake's answer (ws-v3 section 8).

use serde::{Deserialize, Serialize};

/// The description of one group: what a node sends in its handshake answer and in
/// [`WsType::GROUP_NOTIFY`](super::WsType::GROUP_NOTIFY).
///
/// SDKs refuse the whole handshake if a member is missing that is not optional. Members are written
/// in the order of a FISCO node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The chain's id.
    #[serde(rename = "chainID")]
    pub chain_id: String,
    /// The genesis configuration, as JSON text. SDKs in Java fail to make a client of the group if
    /// it is empty.
    #[serde(rename = "genesisConfig", default)]
    pub genesis_config: String,
    /// The group's id, e.g. `group0`.
    #[serde(rename = "groupID")]
    pub group_id: String,
    /// The group's configuration; may be empty.
    #[serde(rename = "iniConfig")]
    pub ini_config: String,
    /// The nodes of the group.
    #[serde(rename = "nodeList")]
    pub node_list: Vec<GroupNode>,
}

/// A node of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupNode {
    /// The features that are switched on.
    #[serde(rename = "featureKeys", default)]
    pub feature_keys: Vec<String>,
    /// The node's configuration: JSON text with at least `isWasm` and `smCryptoType`.
    #[serde(rename = "iniConfig")]
    pub ini_config: String,
    /// Whether the node is made of several programs.
    #[serde(rename = "microService", default)]
    pub micro_service: bool,
    /// The node's name, by which JSON-RPC calls are sent to it.
    pub name: String,
    /// The node's public key in hex.
    #[serde(rename = "nodeID", default)]
    pub node_id: String,
    /// The versions of transactions that the node speaks.
    #[serde(default)]
    pub protocol: GroupProtocol,
    /// The parts of the node.
    #[serde(rename = "serviceInfo")]
    pub service_info: Vec<ServiceInfo>,
    /// The settings that the node supports.
    #[serde(rename = "supportConfigs", default)]
    pub support_configs: Vec<String>,
    /// 0 for a node with usual cryptography, 1 for one of guomi.
    #[serde(rename = "type")]
    pub kind: u32,
}

/// The versions of transactions that a node of a group speaks. They do not concern AMOP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GroupProtocol {
    /// The version that the group's data are compatible with, e.g. `0x03000000` for 3.0.0.
    pub compatibility_version: u32,
    /// The highest version.
    pub max_supported_version: u32,
    /// The lowest version.
    pub min_supported_version: u32,
}

impl Default for GroupProtocol {
    /// The values that an AMOP node sends: from 3.3.0 on, SDKs in Java would ask it for more.
    fn default() -> Self {
        Self {
            compatibility_version: 0x0300_0000,
            max_supported_version: 2,
            min_supported_version: 0,
        }
    }
}

/// A part of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The part's name.
    #[serde(rename = "serviceName")]
    pub service_name: String,
    /// The part's number.
    #[serde(rename = "type")]
    pub kind: u32,
}

/// The members of a node's `iniConfig` that SDKs read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeIni<'a> {
    #[serde(rename = "chainID")]
    chain_id: &'a str,
    #[serde(rename = "groupID")]
    group_id: &'a str,
    is_auth_check: bool,
    is_serial_execute: bool,
    is_wasm: bool,
    sm_crypto_type: bool,
}

impl GroupInfo {
    /// Returns the description of a group without a chain, with one node of the given name: as much
    /// as `getClient` of java-sdk needs, in addition to an answer to `getBlockNumber`.
    ///
    /// ```
    /// use amop_proto::ws::GroupInfo;
    ///
    /// let group = GroupInfo::without_chain("chain0", "group0", "node0");
    /// assert_eq!(group.genesis_config, "{}");
    /// assert_eq!(group.node_list[0].name, "node0");
    /// ```
    pub fn without_chain(chain_id: &str, group_id: &str, node: &str) -> Self {
        let ini = NodeIni {
            chain_id,
            group_id,
            is_auth_check: false,
            is_serial_execute: false,
            is_wasm: false,
            sm_crypto_type: false,
        };
        let node = GroupNode {
            feature_keys: Vec::new(),
            // Strings and flags always serialise.
            ini_config: serde_json::to_string(&ini).unwrap_or_default(),
            micro_service: false,
            name: node.to_owned(),
            node_id: String::new(),
            protocol: GroupProtocol::default(),
            service_info: Vec::new(),
            support_configs: Vec::new(),
            kind: 0,
        };
        Self {
            chain_id: chain_id.to_owned(),
            // SDKs in Java parse it as JSON, and an empty text is not JSON.
            genesis_config: "{}".to_owned(),
            group_id: group_id.to_owned(),
            ini_config: String::new(),
            node_list: vec![node],
        }
    }
}
