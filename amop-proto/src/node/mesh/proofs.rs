//! Proves messages to other nodes, and checks their proofs.

use super::{Mesh, limits::MAX_AHEAD, pairs::SealProof};
use crate::p2p::mesh::{Seal, Statement};

impl Mesh {
    /// Seals a message for its target; `None` if too little is known of the target.
    pub(in crate::node) fn seal(&mut self, statement: &Statement) -> Option<Seal> {
        let clock = self.clock().max(self.own.version());
        let owner = self.owner(statement.target);
        let state = self.database.get(owner)?;
        let other = (owner, &state.node, &state.agreement?);
        self.pairs.seal(clock, other, statement)
    }

    /// Returns what a message's seal proves.
    pub(in crate::node) fn prove(&mut self, statement: &Statement, seal: &Seal) -> SealProof {
        // Counters are times, like versions.
        let latest = self
            .clock()
            .saturating_add(2 * MAX_AHEAD.as_micros() as u64);
        let Some(state) = self.database.get(statement.voucher) else {
            return SealProof::None;
        };
        let Some(theirs) = &state.agreement else {
            return SealProof::None;
        };
        let other = (statement.voucher, &state.node, theirs);
        let versions = (state.version, latest);
        self.pairs.open(versions, other, statement, seal)
    }
}
