//! java-sdk 2.10.1 and web3sdk 2.6.5, the last of the 2.x line in Java, at overlay nodes, with the
//! native client and with each other: in EC mode on a JDK 11, in RSA mode on the machine's own
//! Java.
//!
//! Each test needs the files that `.ci/java` fetches; without them it is skipped and prints a
//! message.

mod copies;
mod demos;
mod net;
mod together;
