//! The limits of a node's ports.

use std::time::Duration;

/// The limits of a node's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenLimits {
    /// SDK connections at once.
    pub sessions: usize,
    /// Connections accepted from other nodes at once, shared fairly by agency and node.
    pub peers: usize,
    /// TLS handshakes and upgrades of 3.x SDKs in progress at once, on each port. When all are in use,
    /// the address with the most of them loses the one that has kept the node waiting longest.
    pub handshakes: usize,
    /// TLS handshakes in progress at once from one IPv4 address or IPv6 /64 network, on each
    /// port.
    pub source_handshakes: usize,
    /// How long a new connection to a port may send nothing.
    pub first_byte_time: Duration,
    /// How long the first TLS message of a connection may take.
    pub hello_time: Duration,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long any frame may take to arrive, from its first byte to its last.
    pub frame_time: Duration,
    /// A frame gets one more second each time this number of bytes has arrived. If a frame arrives
    /// more slowly, its connection is closed.
    pub frame_rate: usize,
    /// Bytes of incomplete frames, over all SDKs and nodes, each counted with its whole length;
    /// frames up to 4 KiB from SDKs and 68 KiB from nodes are not counted. An agency gets at most
    /// as much as it leaves free, and a key at most as much as it and its agency leave free. Set it
    /// to several times [`Limits::frame`](crate::Limits::frame).
    pub receiving: usize,
    /// How long a long frame of an overlay node may wait for its next fragment.
    pub fragment_time: Duration,
    /// How long tasks of the node may wait for a processor. While they wait longer, SDKs of the
    /// agencies and keys that cause most work are read from more slowly; each key keeps at least a
    /// twentieth of a processor.
    pub lag: Duration,
    /// HTTP requests at once.
    pub http: usize,
    /// HTTP requests per second; four times this number at once. The addresses that sent requests
    /// lately share it equally. Every 64 KiB read or written count as one more request.
    pub http_rate: usize,
    /// Bytes of HTTP answers that wait to be read, counting only answers over 4 KiB. All answers of
    /// an address get at most half of what is free; a longer answer is refused (503).
    pub http_answers: usize,
    /// How long an HTTP request may take, from the connection to the end of the answer.
    pub http_time: Duration,
}

impl ListenLimits {
    /// Returns the limits with a change.
    ///
    /// ```
    /// let limits = amop_node::ListenLimits::default().with(|limits| limits.sessions = 100);
    /// assert_eq!(limits.sessions, 100);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            sessions: 20_000,
            peers: 1_000,
            handshakes: 1_024,
            source_handshakes: 1_024,
            first_byte_time: Duration::from_secs(3),
            hello_time: Duration::from_secs(5),
            handshake_time: Duration::from_secs(10),
            frame_time: Duration::from_secs(10),
            // This is 2 Mb/s: the longest frame of an SDK has 138 s.
            frame_rate: 256 * 1024,
            receiving: 512 << 20,
            fragment_time: Duration::from_secs(60),
            lag: Duration::from_millis(1),
            http: 64,
            http_rate: 200,
            http_answers: 64 << 20,
            http_time: Duration::from_secs(10),
        }
    }
}
