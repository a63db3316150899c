//! The texts of the generated files.

mod bins;
mod project;
mod shared;
mod template;

pub use self::bins::{multicast_publisher, subscriber, unicast_publisher};
pub(super) use self::{
    project::{build_script, library, manifest, readme},
    shared::topic,
};
