//! The log of what a node does that is unusual.

use std::{
    fmt,
    mem::{Discriminant, discriminant},
    time::Instant,
};

use amop_proto::{
    client::SessionNotice,
    log::{LogLimits, LogThrottle},
};

/// Log lines about what a node sends, by kind and by whether they are warnings. If there are too
/// many of a kind, they are only counted.
pub(super) struct NoticeLog(LogThrottle<(Discriminant<SessionNotice>, bool), ()>);

impl NoticeLog {
    pub(super) fn new() -> Self {
        Self(LogThrottle::new(LogLimits::default()))
    }

    /// Logs a notice about the node; if there are too many of its kind, it is only counted.
    pub(super) fn note(&mut self, endpoint: &str, now: Instant, notice: &SessionNotice) {
        let (warning, text) = match describe(notice) {
            Some(described) => described,
            // Handled before.
            None => return,
        };
        let kind = (discriminant(notice), warning);
        if let Some(summary) = self.0.summary(now, &kind) {
            log(endpoint, warning, &summary);
        }
        if let Some(line) = self.0.line(now, kind, (), text) {
            log(endpoint, warning, &line);
        }
    }

    /// Returns when the next summary is due.
    pub(super) fn next_summary(&self) -> Option<Instant> {
        self.0.next_summary()
    }

    /// Logs the summaries of counted notices that are due.
    pub(super) fn tell_held_back(&mut self, endpoint: &str, now: Instant) {
        for ((_, warning), summary) in self.0.summaries(now) {
            log(endpoint, warning, &summary);
        }
    }

    /// Logs all summaries: nothing follows.
    pub(super) fn finish(&mut self, endpoint: &str, now: Instant) {
        for ((_, warning), summary) in self.0.finish(now) {
            log(endpoint, warning, &summary);
        }
    }
}

fn log(endpoint: &str, warning: bool, text: &dyn fmt::Display) {
    if warning {
        tracing::warn!(endpoint, "{text}");
    } else {
        tracing::debug!(endpoint, "{text}");
    }
}

/// Returns whether a notice is a warning, and its text.
fn describe(notice: &SessionNotice) -> Option<(bool, String)> {
    let text = match notice {
        SessionNotice::NoHandshakeAnswer => {
            "no answer to the version handshake, continuing with protocol version 1".to_owned()
        }
        SessionNotice::UnsolicitedResponse(seq) => {
            return Some((
                false,
                format!("ignored an answer that no request waits for, seq={seq}"),
            ));
        }
        SessionNotice::NotSubscribed { kind, topic } => {
            let topic = String::from_utf8_lossy(topic);
            let text =
                format!("refused a message without a subscription, kind={kind:?} topic={topic:?}");
            return Some((false, text));
        }
        SessionNotice::Ignored(kind) => {
            return Some((false, format!("ignored a frame, kind={}", kind.0)));
        }
        SessionNotice::BadVerifyRequest(error) => {
            format!("ignored a request to verify a subscriber: {error}")
        }
        SessionNotice::BadChallenge { route, len } => {
            format!("refused to sign data that is not a challenge, route={route} len={len}")
        }
        SessionNotice::TooManyChallenges(request) => {
            let (topic, node) = (&request.topic, request.node.short());
            format!(
                "too many subscribers are being verified, the node has to ask again, topic={topic} \
                 node={node}"
            )
        }
        // Handled before.
        SessionNotice::Unproven { .. } | SessionNotice::NotGranted(_) => return None,
        other => format!("{other:?}"),
    };
    Some((true, text))
}
