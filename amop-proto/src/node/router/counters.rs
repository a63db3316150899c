//! The counters of a router.

/// The router's counters since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Unicasts that came from this node's sessions and from peers: each is answered, ended with an
    /// error, or in flight.
    pub unicasts: u64,
    /// Unicasts that were sent again while they were in flight. They are not counted or delivered
    /// again, and are answered together with the first copy.
    pub repeated: u64,
    /// Unicasts answered by a subscriber.
    pub answered: u64,
    /// Attempts that failed and were followed by another attempt or by an error.
    pub failed_attempts: u64,
    /// Unicasts that ended with an error.
    pub errors: u64,
    /// Multicasts accepted from this node's sessions and from peers.
    pub multicasts: u64,
    /// Copies of multicasts handed to sessions.
    pub delivered: u64,
    /// Copies of multicasts not sent because a session or peer does not keep up.
    pub dropped: u64,
    /// Unicasts refused with result 103 because too many are in flight in total.
    pub over_limit: u64,
    /// Unicasts refused with result 103 because too many of the same session are in flight.
    pub over_session_limit: u64,
    /// Unicasts and multicasts refused with result 103 because of the outgoing bandwidth limit.
    pub over_bandwidth: u64,
    /// Messages from other nodes refused or dropped because they are over the frame limit.
    pub over_frame_limit: u64,
    /// Topics of sessions ignored: over a limit, or not valid AMOP topics.
    pub topics_ignored: u64,
    /// Topic sets of sessions that were replaced by another set before they were in force.
    pub topic_sets_passed_over: u64,
    /// Topic sets of sessions ignored because too many wait to come into force.
    pub topic_sets_refused: u64,
    /// SDK connections refused because there are too many, and no others have more than their fair
    /// share.
    pub sessions_refused: u64,
    /// Connections of nodes refused for the same reason.
    pub peers_refused: u64,
    /// Unicasts ended with result 103 in favour of others, because their senders had more than
    /// their fair share of those in flight.
    pub over_share: u64,
    /// Sessions and nodes closed in favour of others, because their key or agency was furthest
    /// above its fair share of connections or topics.
    pub shares_cut: u64,
    /// Topic sets of sessions ignored as a whole: not a JSON array of strings, or longer than 2
    /// MiB.
    pub bad_topics: u64,
    /// Sessions closed because they do not read.
    pub slow_sessions: u64,
    /// Sessions closed because all queues together were over the limit; the longest queue is closed
    /// first.
    pub queues_cut: u64,
    /// Peers closed because they do not read.
    pub slow_peers: u64,
    /// Peers closed because they announce too many topics.
    pub peers_over_topics: u64,
    /// Connections of nodes closed because they connect too often.
    pub peers_too_often: u64,
    /// Messages passed on for other nodes.
    pub relayed: u64,
    /// Messages to or for other overlay nodes dropped because there was no path at that moment.
    /// Unicasts among them are sent again.
    pub undeliverable: u64,
    /// Copies of multicasts sent again because a link ended before the neighbour had confirmed
    /// them.
    pub multicasts_again: u64,
    /// Copies of multicasts given up: a link to their node was cut and there was no other for 10 s,
    /// or there was no room to store them.
    pub multicasts_lost: u64,
    /// Relayed multicasts that had come before: a link was cut before they were confirmed, or some
    /// node sends them repeatedly.
    pub copies_repeated: u64,
    /// Messages for this node that did not prove their origin.
    pub unproven: u64,
    /// Messages of other nodes that could not be read, or answers without a request.
    pub peer_messages_ignored: u64,
    /// Records of nodes refused: forged, from the far future, over a limit, or of nodes that this
    /// node refuses.
    pub records_refused: u64,
    /// Records of nodes for which there was no room, and nodes forgotten to make room.
    pub over_budget: u64,
    /// Records of nodes that send more statements than are accepted; they are applied later.
    pub statements_late: u64,
    /// Frames with records that bring nothing new, beyond the repeats that several links cause
    /// anyway.
    pub records_repeated: u64,
    /// Subscriber counts of other nodes that were clamped to the limit.
    pub claims_capped: u64,
    /// Questions of neighbours that were not answered because there were too many.
    pub questions_refused: u64,
    /// Private topics of other nodes checked for a publisher that could verify them.
    pub verification_looks: u64,
}

impl Counters {
    /// Returns all counters by name.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        // Listed by hand and complete: a field that is missing here causes a warning.
        let Self {
            unicasts,
            repeated,
            answered,
            failed_attempts,
            errors,
            multicasts,
            delivered,
            dropped,
            over_limit,
            over_session_limit,
            over_bandwidth,
            over_frame_limit,
            topics_ignored,
            topic_sets_passed_over,
            topic_sets_refused,
            sessions_refused,
            peers_refused,
            over_share,
            shares_cut,
            bad_topics,
            slow_sessions,
            queues_cut,
            slow_peers,
            peers_over_topics,
            peers_too_often,
            relayed,
            undeliverable,
            multicasts_again,
            multicasts_lost,
            copies_repeated,
            unproven,
            peer_messages_ignored,
            records_refused,
            over_budget,
            statements_late,
            records_repeated,
            claims_capped,
            questions_refused,
            verification_looks,
        } = *self;
        [
            ("unicasts", unicasts),
            ("repeated", repeated),
            ("answered", answered),
            ("failed_attempts", failed_attempts),
            ("errors", errors),
            ("multicasts", multicasts),
            ("delivered", delivered),
            ("dropped", dropped),
            ("over_limit", over_limit),
            ("over_session_limit", over_session_limit),
            ("over_bandwidth", over_bandwidth),
            ("over_frame_limit", over_frame_limit),
            ("topics_ignored", topics_ignored),
            ("topic_sets_passed_over", topic_sets_passed_over),
            ("topic_sets_refused", topic_sets_refused),
            ("sessions_refused", sessions_refused),
            ("peers_refused", peers_refused),
            ("over_share", over_share),
            ("shares_cut", shares_cut),
            ("bad_topics", bad_topics),
            ("slow_sessions", slow_sessions),
            ("queues_cut", queues_cut),
            ("slow_peers", slow_peers),
            ("peers_over_topics", peers_over_topics),
            ("peers_too_often", peers_too_often),
            ("relayed", relayed),
            ("undeliverable", undeliverable),
            ("multicasts_again", multicasts_again),
            ("multicasts_lost", multicasts_lost),
            ("copies_repeated", copies_repeated),
            ("unproven", unproven),
            ("peer_messages_ignored", peer_messages_ignored),
            ("records_refused", records_refused),
            ("over_budget", over_budget),
            ("statements_late", statements_late),
            ("records_repeated", records_repeated),
            ("claims_capped", claims_capped),
            ("questions_refused", questions_refused),
            ("verification_looks", verification_looks),
        ]
        .into_iter()
    }
}
