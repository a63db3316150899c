//! Sending messages over several connections at a time.
//!
//! A FISCO node of 2.x does not deliver to its own subscribers. So a multicast to such nodes is sent over
//! two connections, and, if the program asks for it, a unicast without an answer is sent over
//! another connection as well. All copies have the same seq.

use std::{future::pending, time::Duration};

use amop_proto::{
    channel::Seq,
    client::{AttemptEnd, MessageKind},
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::message::{AttemptFailure, OutgoingMessage};
use crate::{PublishError, PublishErrorKind, client::ClientInner, connection::Connection};

/// The outcome of a message that was sent.
pub(crate) struct SendOutcome {
    /// The result from `connection`.
    pub(crate) result: Result<(Seq, Bytes), AttemptFailure>,
    pub(crate) connection: Connection,
    /// The failures of other connections before.
    pub(crate) failed: Vec<(Connection, AttemptFailure)>,
}

impl SendOutcome {
    fn by(connection: Connection, result: Result<(Seq, Bytes), AttemptFailure>) -> Self {
        Self {
            result,
            connection,
            failed: Vec::new(),
        }
    }

    /// Returns whether a connection may have delivered the message.
    pub(super) fn may_have_been_delivered(&self) -> bool {
        let failures = self.failed.iter().map(|(_, failure)| failure);
        let mut failures = failures.chain(self.result.as_ref().err());
        self.result.is_ok() || failures.any(AttemptFailure::may_have_been_delivered)
    }
}

impl ClientInner {
    /// Sends a message over a connection, and to FISCO nodes over others as well. `copied`: other
    /// nodes have already taken copies of it.
    pub(crate) async fn send(
        &self,
        connection: Connection,
        message: &mut OutgoingMessage<'_>,
        copied: &mut bool,
    ) -> SendOutcome {
        if !connection.is_overlay() {
            match (message.kind, message.options.ask_another) {
                (MessageKind::Multicast, _) if message.options.copies > 1 && !*copied => {
                    return self.send_copies(connection, message, copied).await;
                }
                (MessageKind::Unicast, Some(pause)) => {
                    return self.ask_several(connection, message, pause).await;
                }
                _ => {}
            }
        }
        let result = connection.exchange(message).await;
        SendOutcome::by(connection, result)
    }

    /// Sends a multicast over several connections. It succeeds if all nodes that could be reached
    /// have taken it.
    async fn send_copies(
        &self,
        connection: Connection,
        message: &mut OutgoingMessage<'_>,
        copied: &mut bool,
    ) -> SendOutcome {
        self.name(message);
        let copy = *message;
        let (first, others) = tokio::join!(
            connection.exchange(message),
            self.copies(connection.id(), copy)
        );
        *copied = others.taken > 0;
        let result = match (first, others.error) {
            (Ok(_), Some(error)) => Err(AttemptFailure::Final(error.after_attempt(true))),
            (first, _) => first,
        };
        SendOutcome {
            result,
            connection,
            failed: others.failed,
        }
    }

    /// Gives a message a seq, which all of its copies have.
    fn name(&self, message: &mut OutgoingMessage<'_>) {
        if message.seq.is_none() {
            message.sent_as(self.new_seq());
        }
    }

    /// Sends the copies of a multicast whose first connection has the number `first`.
    async fn copies(&self, first: u64, message: OutgoingMessage<'_>) -> CopyOutcomes {
        let mut copies = CopyOutcomes::default();
        let mut asked = vec![first];
        while copies.taken + 1 < message.options.copies {
            let Some(other) = self.pick_other(message.topic, MessageKind::Multicast, &asked) else {
                break;
            };
            asked.push(other.id());
            match other.exchange(&mut message.clone()).await {
                Ok(_) => copies.taken += 1,
                Err(AttemptFailure::Final(error)) => {
                    copies.error = Some(error);
                    break;
                }
                Err(failed) => {
                    let costly = matches!(failed, AttemptFailure::Retry(AttemptEnd::CutOff, _));
                    copies.failed.push((other, failed));
                    if costly {
                        break;
                    }
                }
            }
        }
        copies
    }

    /// Sends a unicast over one connection after the other, with a pause between them, until an
    /// answer comes.
    async fn ask_several(
        &self,
        first: Connection,
        message: &mut OutgoingMessage<'_>,
        pause: Duration,
    ) -> SendOutcome {
        self.name(message);
        let message = *message;
        let ask = |connection: Connection| {
            let mut message = message;
            async move {
                let result = connection.exchange(&mut message).await;
                (connection, result)
            }
        };
        let mut asked = vec![first.id()];
        let mut failed = Vec::new();
        let mut running = FuturesUnordered::from_iter([ask(first)]);
        let mut next = Some(Instant::now() + pause);
        loop {
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((connection, result)) = running.next() => {
                    let is_last = running.is_empty();
                    match result {
                        Err(this) if !is_last && !is_answer(&this) => failed.push((connection, this)),
                        result => {
                            // What others have said before an answer came is of no interest.
                            if result.is_ok() {
                                failed.clear();
                            }
                            return SendOutcome {
                                result,
                                connection,
                                failed,
                            };
                        }
                    }
                }
                () = due => {
                    let other = self.pick_other(message.topic, MessageKind::Unicast, &asked);
                    next = other.as_ref().map(|_| Instant::now() + pause);
                    if let Some(other) = other {
                        asked.push(other.id());
                        running.push(ask(other));
                    }
                }
            }
        }
    }
}

/// The outcome of the copies of a multicast.
#[derive(Default)]
struct CopyOutcomes {
    taken: usize,
    error: Option<PublishError>,
    failed: Vec<(Connection, AttemptFailure)>,
}

/// Returns whether an error is a subscriber's answer, which another node would not change.
fn is_answer(failed: &AttemptFailure) -> bool {
    use PublishErrorKind::{NoReply, Rejected, SubscriberFailed, Undecodable};
    match failed {
        AttemptFailure::Final(error) => matches!(
            error.kind(),
            NoReply | Rejected { .. } | SubscriberFailed | Undecodable
        ),
        _ => false,
    }
}
