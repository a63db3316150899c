//! Work that takes longer than a message: long texts are read, and answers with lists written, apart from
//! the tasks of the connections and never while the machine is locked.

use std::{panic::resume_unwind, sync::Arc};

use amop_proto::{
    channel::rpc::{NodeFacts, Request},
    node::{Event, Listing, Question, SessionId},
};
use bytes::Bytes;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::core::Core;

/// Texts up to this length are read where they come: that takes some 10 microseconds.
pub(crate) const SHORT: usize = 4 * 1024;

/// One thread for such work, on threads where nobody waits behind it. However many ask, the others have
/// the rest of the processors.
#[derive(Debug, Clone)]
pub(crate) struct Apart(Arc<Semaphore>);

/// The runtime is about to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone;

impl Default for Apart {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Apart {
    /// Does some work when it is its turn. If the caller stops waiting, work that has begun ends in the
    /// background, within milliseconds.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Gone> {
        // It moves with the work, so that the next one waits for its end and not for the caller's.
        let turn = self.0.clone().acquire_owned().await.map_err(|_| Gone)?;
        let working = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match working.await {
            Ok(result) => Ok(result),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err(Gone),
        }
    }
}

/// Does some work on a thread of its own, since other connections must not wait behind it. A panic of the
/// work goes on here. If the runtime ends first, the future is never ready: it is dropped with the runtime.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await,
    }
}

/// Answers a session's question. Returns the length of the answer in bytes.
pub(crate) async fn answer(
    core: &Arc<Core>,
    session: SessionId,
    question: Question,
) -> Result<usize, Gone> {
    let body = write(core, question.request.clone()).await?;
    let len = body.len();
    core.handle([Event::SessionReply(session, question.reply(body))]);
    Ok(len)
}

/// Writes the answer to a request.
pub(crate) async fn write(core: &Arc<Core>, request: Request) -> Result<Bytes, Gone> {
    let needs = request.needs();
    if !needs.peers && !needs.own_topics {
        return Ok(request.answer(&core.facts, &[], &[]));
    }
    let core_of_work = core.clone();
    let work = move || write_lists(&core_of_work, &core_of_work.facts, &request);
    core.apart.run(work).await
}

fn write_lists(core: &Core, facts: &NodeFacts, request: &Request) -> Bytes {
    let listing = Listing::copy(request.needs(), |piece| piece(&core.lock().machine));
    request.answer(facts, &listing.peers, &listing.own_topics)
}
