//! Other SDKs and FISCO nodes at an overlay node: simulated with only rustls and the codecs. They
//! behave as the original programs were observed to behave.

mod peer;
mod records;
mod sessions;
mod together;
