//! java-sdk 2.10.1 and web3sdk 2.6.5, the last of the 2.x line in Java, at our nodes, with our client and with
//! each other: in EC mode on a JDK 11, in RSA mode on the machine's own Java.
//!
//! Each test needs what `.ci/java` fetches and is skipped without it, aloud.
#![forbid(unsafe_code)]

mod copies;
mod demos;
mod net;
mod together;
