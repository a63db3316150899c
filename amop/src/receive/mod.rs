//! Receiving: subscriptions, what waits in them, and the answers.
//!
//! A connection gives each message to [`Subscriptions`], the client's table, which puts it into the
//! queues of the topic. A subscription takes it out, and a [`Responder`] answers it over the
//! message's [`ReplyPath`].

mod api;
mod builder;
mod confirm;
mod decode;
mod deliveries;
mod delivery;
mod incoming;
mod members;
mod overflow;
mod queue;
mod raw;
mod reply_path;
mod responder;
mod stats;
mod subscription;
mod subscriptions;
mod table;

pub use builder::SubscriptionBuilder;
pub use decode::DecodeErrors;
pub use deliveries::Deliveries;
pub use delivery::Delivery;
pub(crate) use incoming::Incoming;
pub use overflow::OverflowPolicy;
pub(crate) use queue::DeliveryQueue;
pub use raw::RawSubscription;
pub(crate) use reply_path::{ReplyPath, wake_all};
pub(crate) use responder::Responder;
pub use stats::SubscriptionStats;
pub use subscription::Subscription;
pub(crate) use subscriptions::Subscriptions;
pub(crate) use table::{Disposition, RefusedUnicast};
