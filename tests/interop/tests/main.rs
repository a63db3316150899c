//! Overlay nodes and native clients with SDKs in other languages.
#![forbid(unsafe_code)]

mod go;
mod java;
mod talk;
mod v3;
