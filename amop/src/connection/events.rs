//! What a connection does about the events of its session.

use std::{sync::atomic::Ordering, time::Instant};

use amop_proto::{
    TopicName,
    channel::{ProtocolVersion, Seq, result_code},
    client::{Challenge, CloseReason, MAX_CUT_OFFS, RequestOutcome, SessionEvent, SessionNotice},
    log::{OneLine, with_causes},
};

use super::{
    context::PublishContext,
    handle::Connection,
    inner::wire_len,
    settings::Hello,
    state::{ConnectionState, Token},
};
use crate::{
    VerificationFailure,
    receive::{Disposition, Incoming},
    send::{Again, AttemptFailure, Confirmed, Pipelined},
};

/// In all functions, `connection` is the connection that the state belongs to.
impl ConnectionState {
    /// Handles all events of the session.
    pub(super) fn drain_events(&mut self, connection: &Connection, now: Instant) {
        let mut confirmed = Confirmed::default();
        while let Some(event) = self.session.poll_event() {
            self.handle_event(connection, event, &mut confirmed, now);
        }
        let freed = confirmed.finish();
        if freed > 0 {
            connection.0.in_flight.add_permits(freed);
        }
    }

    fn handle_event(
        &mut self,
        connection: &Connection,
        event: SessionEvent<Token>,
        confirmed: &mut Confirmed,
        now: Instant,
    ) {
        match event {
            SessionEvent::Ready {
                version,
                node_version,
                overlay,
            } => self.ready(connection, version, node_version, overlay),
            SessionEvent::TopicsRefused { topics } => self.topics.refusing(topics),
            SessionEvent::TopicsSettled { version } => {
                if let Some(event) = self.topics.refused(connection.endpoint()) {
                    self.subscriptions.report(event);
                }
                self.topics.confirm(version);
            }
            SessionEvent::Finished { token, outcome } => {
                finished(connection, token, outcome, confirmed);
            }
            SessionEvent::Push(push) => {
                let within = self.session.answer_within();
                let incoming = Incoming::new(push, connection.reply_path(), now, within);
                self.deliver(connection, incoming, false, now);
            }
            SessionEvent::Challenged {
                seq,
                route,
                challenge,
            } => self.challenged(connection, seq, &route, &challenge),
            SessionEvent::Signed {
                challenge,
                signature,
            } => self.signed(connection, &challenge, &signature),
            SessionEvent::Notice(notice) => self.noticed(connection, &notice, now),
            SessionEvent::Closed(reason) => self.closed(connection, reason, now),
        }
    }

    fn ready(
        &mut self,
        connection: &Connection,
        version: ProtocolVersion,
        node_version: Option<String>,
        overlay: bool,
    ) {
        let max = self.session.max_frame();
        connection.0.max_frame.store(max, Ordering::Relaxed);
        connection.0.overlay.store(overlay, Ordering::Relaxed);
        let (endpoint, number) = (connection.endpoint(), version.number());
        tracing::debug!(%endpoint, version = number, ?node_version, overlay, "connected");
        // Overlay nodes of 3.x have no version.
        let node_version = node_version.filter(|version| !version.is_empty());
        if let Some(hello) = self.hello.take() {
            // This fails if the caller stopped connecting.
            let _ = hello.send(Hello { node_version });
        }
    }

    // ---- messages ----

    /// Delivers a message to the subscriptions. `held`: it was blocked before.
    pub(super) fn deliver(
        &mut self,
        connection: &Connection,
        incoming: Incoming,
        held: bool,
        now: Instant,
    ) {
        let delivered = self.subscriptions.deliver(incoming, held, now);
        match delivered.disposition {
            Disposition::Settled => {}
            Disposition::Answer {
                seq,
                topic,
                result,
                payload,
            } => {
                self.session.respond(seq, &topic, result, &payload);
            }
            Disposition::Blocked(incoming) => self.held = Some(incoming),
        }
        for mut refused in delivered.refused {
            let ways = refused.ways.len();
            refused.ways.retain(|way| way.id() != connection.id());
            if refused.ways.len() < ways {
                let (seq, topic) = (refused.seq, &refused.topic);
                self.session
                    .respond(seq, topic, result_code::NO_SESSION, b"");
            }
            if !refused.ways.is_empty() {
                self.elsewhere.push(refused);
            }
        }
    }

    // ---- private topics ----

    /// Answers a publisher's challenge.
    fn challenged(
        &mut self,
        connection: &Connection,
        seq: Seq,
        route: &TopicName,
        challenge: &[u8],
    ) {
        match self.subscriptions.private().sign(route, challenge) {
            Some(signature) => {
                let (endpoint, shown) = (connection.endpoint(), OneLine::new(route));
                tracing::debug!(%endpoint, route = %shown, "signed a publisher's challenge");
                self.session
                    .respond(seq, route, result_code::SUCCESS, &signature);
            }
            None => {
                self.session
                    .respond(seq, route, result_code::NO_SESSION, b"");
            }
        }
    }

    /// Checks a subscriber's answer to its challenge.
    fn signed(&mut self, connection: &Connection, challenge: &Challenge, signature: &[u8]) {
        let private = self.subscriptions.private();
        if private.judge(&*connection.0, challenge, signature) {
            self.session.verified(&challenge.request);
            // After the result is queued, so that messages sent now come after it.
            private.told_verified();
        }
    }

    fn noticed(&mut self, connection: &Connection, notice: &SessionNotice, now: Instant) {
        let private = self.subscriptions.private();
        match notice {
            SessionNotice::Unproven { request, outcome } => {
                let failure = VerificationFailure::of(outcome);
                private.unverified(&*connection.0, request, failure);
            }
            SessionNotice::NotGranted(request) => {
                let failure = VerificationFailure::NotGranted;
                private.unverified(&*connection.0, request, failure);
            }
            notice => self.log.note(connection.endpoint(), now, notice),
        }
    }

    // ---- the end ----

    fn closed(&mut self, connection: &Connection, reason: CloseReason, now: Instant) {
        let taken = self.session.longest_taken();
        connection
            .0
            .longest_taken
            .fetch_max(taken, Ordering::Relaxed);
        self.closed = Some(reason.clone());
        self.hello = None;
        self.held = None;
        self.topics.close();
        connection.0.in_flight.close();
        connection.0.room.close();
        let suspect = self.session.suspect_above(&reason);
        self.subscriptions
            .connection_lost(&connection.reply_path(), suspect);
        connection.0.lost.send_replace(Some(reason.clone()));
        // Last, so that a panic in the log leaves no caller waiting.
        let endpoint = connection.endpoint();
        self.log.finish(endpoint, now);
        if reason == CloseReason::Local {
            tracing::debug!(%endpoint, "closing");
        } else {
            let reason = with_causes(&reason);
            tracing::warn!(%endpoint, %reason, "connection lost");
        }
    }
}

/// Passes on the outcome of a message.
fn finished(
    connection: &Connection,
    token: Token,
    outcome: RequestOutcome,
    confirmed: &mut Confirmed,
) {
    match (token, outcome) {
        (Token::Exchange(sender), outcome) => {
            let _ = sender.send(outcome);
        }
        (Token::Pipelined(message), RequestOutcome::Answered(_)) => confirmed.add(message),
        (Token::Pipelined(message), outcome) => {
            connection.0.in_flight.add_permits(1);
            pipelined_failed(connection, message, outcome);
        }
    }
}

/// Tells a pipeline that a message was not taken, or that it is not known whether it was.
fn pipelined_failed(connection: &Connection, message: Pipelined, outcome: RequestOutcome) {
    let again = match outcome {
        RequestOutcome::Disconnected => Again::Anywhere,
        // It may have been too long for the node: it is tried once more.
        RequestOutcome::CutOff { .. }
            if message.pipeline.cut_off(message.number) < MAX_CUT_OFFS =>
        {
            Again::Anywhere
        }
        RequestOutcome::NoSubscriber | RequestOutcome::Unanswered => Again::Elsewhere,
        outcome => {
            let pipeline = &message.pipeline;
            let context = PublishContext {
                connection,
                topic: pipeline.topic(),
                len: wire_len(pipeline.topic(), &message.payload),
                seq: Some(message.seq),
                timeout: pipeline.timeout(),
            };
            // This locks the state only for the outcomes that are handled above.
            if let Err(AttemptFailure::Final(error) | AttemptFailure::Retry(_, error)) =
                context.result(outcome)
            {
                let failed = (message.copy, message.payload.len());
                pipeline.failed(message.number, failed, error);
            }
            return;
        }
    };
    message.lost(again);
}
