//! Writes the answers to JSON-RPC requests.

use std::sync::Arc;

use amop_proto::node::{
    Listing, NodeEvent, Question, SessionId,
    rpc::{NodeFacts, RpcRequest},
};
use bytes::Bytes;

use crate::{apart::Gone, core::Core, turns::Party};

/// Answers a session's question. Returns the length of the answer in bytes.
pub(crate) async fn answer(
    core: &Arc<Core>,
    party: Party,
    session: SessionId,
    question: Question,
) -> Result<usize, Gone> {
    let body = write(core, party, question.request.clone()).await?;
    let len = body.len();
    core.handle([NodeEvent::SessionReply(session, question.reply(body))]);
    Ok(len)
}

/// Writes the answer to a request.
pub(crate) async fn write(
    core: &Arc<Core>,
    party: Party,
    request: RpcRequest,
) -> Result<Bytes, Gone> {
    let needs = request.needs();
    if !needs.peers && !needs.own_topics {
        return Ok(request.answer(&core.facts, &[], &[]));
    }
    let core_of_work = core.clone();
    let work = move || {
        let answer = write_lists(&core_of_work, &core_of_work.facts, &request);
        let len = answer.len();
        (answer, len)
    };
    core.apart.run_costing(party, work).await
}

fn write_lists(core: &Core, facts: &NodeFacts, request: &RpcRequest) -> Bytes {
    let listing = Listing::copy(request.needs(), |piece| piece(&core.lock().machine));
    request.answer(facts, &listing.peers, &listing.own_topics)
}
