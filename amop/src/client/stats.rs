//! The counts of a client.

use super::{api::Client, inner::ClientInner};

/// What a client has done since its start, over all of its connections and handles. Returned by
/// [`Client::stats`].
///
/// Every published message is counted once at its start, in [`unicasts`](Self::unicasts) or
/// [`multicasts`](Self::multicasts), and once at its end: in [`answered`](Self::answered),
/// [`confirmed`](Self::confirmed) or one of the counts of failures. Messages whose topic or payload
/// is refused before they are published, for example by the codec, are not counted. The counts are
/// read one after the other, so while messages are being published they do not add up exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Unicasts and requests that were published. A sealed unicast that is sent again counts again.
    pub unicasts: u64,
    /// Multicasts that were published, alone or by publishers. Those of a publisher are counted when
    /// it accepts or refuses them.
    pub multicasts: u64,
    /// Unicasts that a subscriber took, with or without a reply.
    pub answered: u64,
    /// Multicasts that a node took.
    pub confirmed: u64,
    /// Messages that failed before anything was sent: they were too long, there was no room or no
    /// connection, or the topic may not be published to in this way.
    pub not_sent: u64,
    /// Messages for which the nodes knew of no subscriber, or of no verified one.
    pub no_subscriber: u64,
    /// Messages that no subscriber took, or that a node did not route because of its limits.
    pub not_taken: u64,
    /// Messages that a subscriber answered with an error: it refused them, could not decode them,
    /// or failed; or its answer was not proven.
    pub refused: u64,
    /// Messages that got no answer in time.
    pub timed_out: u64,
    /// Messages whose connection was lost, or that of their subscriber, or whose publisher was dropped
    /// before they were confirmed.
    pub lost: u64,
    /// Messages whose futures were dropped before their end.
    pub cancelled: u64,
    /// Messages that are being published now.
    pub in_flight: usize,

    /// Messages that came for subscriptions, each counted once, however many subscriptions the topic
    /// has.
    pub received: u64,
    /// Copies of messages that had come before. The program does not get them.
    pub duplicates: u64,
    /// Multicasts that were dropped because a subscription's queue was full.
    pub dropped: u64,
    /// Unicasts that were refused because a subscription's queue was full or was not read.
    pub turned_away: u64,
    /// Messages that subscriptions could not decode.
    pub undecodable: u64,
    /// Unicasts that wait for the program's answer now, those in queues included.
    pub unanswered: usize,

    /// Connections that became ready to use. Each one after the first to an endpoint is a reconnect.
    pub connections_made: u64,
    /// Connections that were ready and have ended.
    pub connections_lost: u64,
    /// Tries to connect that failed.
    pub connections_failed: u64,
    /// Connections that can be used now.
    pub connected: usize,
    /// Bytes written to connections, before TLS.
    pub bytes_sent: u64,
    /// Bytes read from connections, after TLS.
    pub bytes_received: u64,
}

/// Counts.
impl Client {
    /// Returns what the client has counted since its start. This takes no message's time: it reads
    /// counters, and looks at the connections and subscriptions once.
    ///
    /// ```no_run
    /// # async fn run(client: amop::Client) {
    /// let stats = client.stats();
    /// println!("{} published, {} lost", stats.unicasts + stats.multicasts, stats.lost);
    /// # }
    /// ```
    pub fn stats(&self) -> ClientStats {
        self.inner().stats()
    }
}

impl ClientInner {
    fn stats(&self) -> ClientStats {
        let counters = &self.counters;
        ClientStats {
            unicasts: counters.unicasts.get(),
            multicasts: counters.multicasts.get(),
            answered: counters.answered.get(),
            confirmed: counters.confirmed.get(),
            not_sent: counters.not_sent.get(),
            no_subscriber: counters.no_subscriber.get(),
            not_taken: counters.not_taken.get(),
            refused: counters.refused.get(),
            timed_out: counters.timed_out.get(),
            lost: counters.lost.get(),
            cancelled: counters.cancelled.get(),
            in_flight: self.publishing.count(),
            received: counters.received.get(),
            duplicates: counters.duplicates.get(),
            dropped: counters.dropped.get(),
            turned_away: counters.turned_away.get(),
            undecodable: counters.undecodable.get(),
            unanswered: self.subscriptions.pending(),
            connections_made: counters.connections_made.get(),
            connections_lost: counters.connections_lost.get(),
            connections_failed: counters.connections_failed.get(),
            connected: self.lock().open().count(),
            bytes_sent: counters.bytes_sent.get(),
            bytes_received: counters.bytes_received.get(),
        }
    }
}
