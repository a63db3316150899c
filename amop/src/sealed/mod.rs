//! Sealed topics, whose messages are encrypted and signed here, before a node sees them.
//!
//! The protocol is in the crate `amop-seal`; this module adds the clock, the randomness and the
//! streams.

mod delivery;
mod publisher;
mod sealer;
mod seen;
mod subscribe;
mod subscription;
mod topic;
mod unsealer;

use std::time::{SystemTime, UNIX_EPOCH};

pub use delivery::SealedDelivery;
pub use publisher::SealedPublisher;
pub use sealer::Sealer;
pub(crate) use seen::SealedTopics;
pub use subscribe::SealedSubscriptionBuilder;
pub use subscription::{SealedDeliveries, SealedSubscription};
pub use topic::{SealedRequest, SealedTopic};
pub use unsealer::SealedRefusals;

/// Returns the time in milliseconds since 1970; 0 if the clock shows an earlier time.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
