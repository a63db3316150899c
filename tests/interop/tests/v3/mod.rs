//! SDKs of FISCO BCOS 3.x (java-sdk 3.6.0, the C SDK in it, go-sdk v3.0.2) at overlay nodes, with
//! native clients of both generations and with go-sdk 1.1.1.
//!
//! Each test needs the files that `.ci/java` fetches; without them it is skipped and prints a
//! message. go-sdk needs Go as well.

mod idle;
mod net;
mod restart;
mod together;
