//! Programs of other people at our node: SDKs and nodes that are made of nothing but rustls and
//! the codecs, and do what the real ones were seen doing.
#![forbid(unsafe_code)]

mod peer;
mod records;
mod sessions;
mod together;
