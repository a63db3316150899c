//! `amop tap`: its command line and what it prints.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use amop_cli::tap::{Style, Tap, TapOptions, TapRecord, TapRecords};
use amop_tls::{CertFiles, Identity};
use anyhow::Context;
use clap::Args;
use tokio::{sync::oneshot, time::timeout};

use amop_node::signal;

/// The time that the last lines have to be written when the reader does not read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Shows every frame between SDKs and a node, of 2.x or of 3.x.
///
/// SDKs connect to the tap instead of to the node. The output contains everything they send, so
/// treat it as you treat their data; --max 0 leaves payloads out.
#[derive(Debug, Args)]
pub(crate) struct TapCommand {
    /// The address to which SDKs connect. Keep it on 127.0.0.1: the node treats every program that
    /// connects here as the owner of --certs.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:20300")]
    listen: SocketAddr,
    /// The node's channel port, or the port in [rpc] of a 3.x node.
    #[arg(long, value_name = "HOST:PORT", value_parser = super::endpoint::endpoint)]
    to: String,
    /// The folder with an SDK's certificates, for the node: ca.crt, sdk.crt, sdk.key.
    #[arg(long, value_name = "DIR")]
    certs: PathBuf,
    /// The folder with the certificates to show to SDKs, for example a node's conf folder: ca.crt,
    /// node.crt, node.key, or ca.crt, ssl.crt, ssl.key of 3.x [default: those of --certs. Other SDKs accept them as well; a native
    /// client only with sdk_certificates_as_nodes(true)].
    #[arg(long, value_name = "DIR")]
    node_certs: Option<PathBuf>,
    /// Show payloads as hex, even if they are text.
    #[arg(long)]
    hex: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Show at most this many bytes of each payload.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    max: u32,
}

impl TapCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let sdk = Identity::load_sdk(&self.certs)?;
        let node = match &self.node_certs {
            Some(dir) => Identity::load(&node_files(dir))?,
            None => sdk.clone(),
        };
        let style = Style {
            hex: self.hex,
            max: usize::try_from(self.max).unwrap_or(usize::MAX),
        };
        let (tap, records) = Tap::start(TapOptions {
            listen: self.listen,
            to: self.to.clone(),
            sdk,
            node,
            preview: style.max,
        })
        .await?;
        // Before the greeting: a user may press Ctrl-C as soon as it appears.
        let mut stopped = std::pin::pin!(signal::stop().context("cannot wait for Ctrl-C")?);
        tell!(
            "amop tap: SDKs connect to {}, frames go to {}; Ctrl-C stops",
            tap.address(),
            self.to
        );
        let mut printing = self.print_all(records, style)?;
        let printed = tokio::select! {
            printed = &mut printing => Some(printed),
            () = &mut stopped => None,
        };
        // Print the lines about all passed traffic, as long as the reader reads.
        tap.shutdown().await;
        let printed = match printed {
            Some(printed) => Ok(printed),
            None => timeout(LAST_LINES, printing).await,
        };
        match printed {
            // A reader such as `head` has read enough.
            Ok(Ok(Err(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) => anyhow::bail!("the thread that prints has ended"),
            Err(_) => {
                tracing::warn!("the last lines are lost: the output of amop tap is not read");
                Ok(())
            }
        }
    }

    /// Prints records until the tap has stopped, on a separate thread, since a slow reader can
    /// block it for ever.
    fn print_all(
        &self,
        mut records: TapRecords,
        style: Style,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let json = self.json;
        let (done, printed) = oneshot::channel();
        thread::Builder::new()
            .name("amop-tap-output".into())
            .spawn(move || {
                let mut result = Ok(());
                while result.is_ok()
                    && let Some(record) = records.blocking_recv()
                {
                    result = print(&record, json, style);
                }
                let _ = done.send(result);
            })?;
        Ok(printed)
    }
}

/// Returns the files of a node of 3.x if there are any, otherwise those of one of 2.x.
fn node_files(dir: &Path) -> CertFiles {
    match dir.join("ssl.crt").exists() {
        true => CertFiles::node(dir, "ssl.key", "ssl.crt", "ca.crt"),
        false => CertFiles::node(dir, "node.key", "node.crt", "ca.crt"),
    }
}

/// Prints a line and flushes it, so that it is visible at once, also through a pipe.
fn print(record: &TapRecord, json: bool, style: Style) -> io::Result<()> {
    let line = match json {
        true => record.to_json(style),
        false => record.to_text(style),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
