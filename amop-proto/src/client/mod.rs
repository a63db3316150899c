//! The SDK side of a channel connection.
