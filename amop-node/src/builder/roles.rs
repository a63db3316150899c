//! Warns of certificates that do not distinguish nodes from SDKs.

use amop_tls::{Identity, Role};

use crate::{AccessLists, config::ChainVersion};

/// Logs what certificates of the chain do not distinguish, and what to do about it.
pub(super) fn warn_of_roles(
    p2p: &Identity,
    sdks_as_nodes: bool,
    lists: &AccessLists,
    version: &ChainVersion,
) {
    if p2p.role() == Role::Sdk && !sdks_as_nodes {
        tracing::error!(
            "this node's own P2P certificate ({}) is an SDK certificate, as its OU says: other \
             overlay nodes and native clients refuse it; use node.crt and node.key, or set [amop] \
             sdk_certificates_as_nodes=true on every node if the chain has no node certificates",
            p2p.subject()
        );
    }
    let why = match p2p.role() {
        _ if lists.whitelist.is_some() => return,
        _ if sdks_as_nodes => "sdk_certificates_as_nodes is on",
        Role::Unknown => "the certificates of this chain do not tell nodes from SDKs",
        Role::Node if !version.has_sdk_certificates() => {
            "in chains made before 2.1, SDKs have node certificates"
        }
        _ => return,
    };
    tracing::warn!(
        "ANY SDK OF THE CHAIN MAY ACT AS A NODE HERE: {why} ({}), and there is no white list; list the \
         nodes that may connect in [certificate_whitelist] cal.N, see docs/security.md",
        p2p.subject()
    );
}
