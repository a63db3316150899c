//! Limits of the link-state protocol that several parts use.

use std::time::Duration;

use super::bucket::TokenBucket;

/// The number of frames with this node's record that are waited for; a later acknowledgement covers
/// the earlier frames.
pub(super) const MAX_AWAITED: usize = 1024;

/// Versions are times. A version this far ahead of this node's clock leaves the node that it
/// belongs to no room to outbid it, and is refused; clocks are not that wrong.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Records that came too often, or for which there was no room, are asked for again after this
/// time; if that does not help, after twice this time, and so on up to eight times.
pub(super) const ASK_LATER: Duration = Duration::from_secs(5);

/// Flooding brings each record over every link. So each link may repeat as many records as are new
/// (`ECHOES` at most), and in addition a burst and a number per second: a link that comes up has
/// its own news.
pub(super) const REPEATS: TokenBucket = TokenBucket::new(1024, Duration::from_millis(50));

/// When memory is short, a node that has been out of reach for this long is forgotten first. The
/// links of a new node have this long to become known.
pub(super) const UNNEEDED: Duration = Duration::from_secs(2);

/// A neighbour tells what it knows when a connection comes up, and sometimes after it had no room.
pub(super) const TELLS: TokenBucket = TokenBucket::new(4, Duration::from_secs(4));

/// The rate at which a neighbour may ask for records: a burst, and then 4 MiB a second.
pub(super) const ASKS: TokenBucket = TokenBucket::new(4096, Duration::from_millis(4));
