//! Builds and starts the program that uses go-sdk.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use amop_node::Network;
use amop_tls::pki::Leaf;
use tokio::process::Command;

use crate::{Go, Running, build::build};

/// The program that uses go-sdk, built.
#[derive(Debug, Clone, Copy)]
pub struct GoSdk {
    path: &'static Path,
}

impl GoSdk {
    /// Builds it below a folder, once per process. Returns `None`, and prints a message, without
    /// Go.
    ///
    /// # Panics
    ///
    /// If it does not compile, or if Go is missing and `AMOP_REQUIRE_GO` is 1.
    pub fn build(target: impl AsRef<Path>) -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let path = PROGRAM.get_or_init(|| build(target.as_ref()));
        path.as_deref().map(|path| Self { path })
    }

    /// Starts it with flags, connected to a node with its own certificates. `name` is the name in
    /// the certificate, which the node logs.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(self, network: &Network, node: usize, name: &str, flags: &[&str]) -> Go {
        let certs = tempfile::tempdir().unwrap();
        let issued = network.agency().issue(Leaf::Sdk, name).unwrap();
        for (file, pem) in [
            ("ca.crt", network.agency().root_pem()),
            ("sdk.crt", issued.cert_pem.as_str()),
            ("sdk.key", issued.key_pem.as_str()),
        ] {
            fs::write(certs.path().join(file), pem).unwrap();
        }
        let mut command = Command::new(self.path);
        command
            .args(["-endpoint", network.endpoint(node), "-certs"])
            .arg(certs.path())
            .args(flags);
        Running::start(name, command, certs)
    }

    /// Starts a subscriber and waits until its node knows it.
    ///
    /// # Panics
    ///
    /// If this fails.
    pub async fn subscribe(
        self,
        network: &Network,
        node: usize,
        topic: &str,
        flags: &[&str],
    ) -> Go {
        let flags = [&["-mode", "subscribe", "-topic", topic], flags].concat();
        let mut go = self.start(network, node, "go-subscriber", &flags);
        go.expect("connected").await;
        go.expect("subscribed").await;
        go
    }

    /// Starts a publisher; `mode` is `unicast` or `multicast`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn publish(
        self,
        network: &Network,
        node: usize,
        mode: &str,
        topic: &str,
        flags: &[&str],
    ) -> Go {
        let flags = [&["-mode", mode, "-topic", topic], flags].concat();
        self.start(network, node, "go-publisher", &flags)
    }
}
