//! Topics: their names, and the rules for them.

mod error;
mod name;
mod private_name;

pub use self::{
    error::{MAX_PRIVATE_LEN, MAX_TOPIC_LEN, TopicError},
    name::TopicName,
    private_name::PrivateName,
};
pub(crate) use self::{
    error::{NEED_VERIFY, PUSH_ROUTE, VERIFY_ROUTE},
    private_name::is_route,
};
