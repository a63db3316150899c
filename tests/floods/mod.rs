//! Floods: connections that never finish TLS, unknown clients on all places, slow bytes, a million
//! topics, subscribers that do not read. Meanwhile a pair of bystanders exchanges messages, and
//! everything that is refused is counted. The limits are those of `docs/operations.md`, which the
//! tests read.

mod connections;
mod document;
mod readers;
mod shares;
mod strangers;
mod texts;
mod topics;

use amop_node::{Node, Stats};
use amop_testkit::within;

/// Waits until a node's counters fulfil `ready`.
async fn counted(node: &Node, what: &str, ready: impl Fn(&Stats) -> bool) {
    within(what, async {
        while !ready(&node.stats()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}
