//! Sealed topics, whose messages are encrypted and signed here, before a node sees them.
//!
//! The protocol is in the crate `amop-seal`; this module adds the clock, the randomness and the
//! streams.

mod api;
mod clock;
mod delivery;
mod publisher;
mod sealer;
mod seen;
mod subscribe;
mod subscription;
mod topic;
mod unsealer;

pub use delivery::SealedDelivery;
pub use publisher::SealedPublisher;
pub use sealer::Sealer;
pub(crate) use seen::SealedTopics;
pub use subscribe::SealedSubscriptionBuilder;
pub use subscription::{SealedDeliveries, SealedSubscription};
pub use topic::{SealedRequest, SealedTopic};
pub use unsealer::SealedRefusals;
