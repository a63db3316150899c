//! `amop tap`: its command line and what it prints.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use amop_cli::tap::{Options, Record, Style, Tap};
use amop_tls::{CertFiles, Identity};
use anyhow::Context;
use clap::Args;

use amop_node::signal;

/// Shows every frame between SDKs and a node.
///
/// SDKs connect to it instead of to the node. Its output has everything they send, so treat it as
/// you treat their data; --max 0 leaves payloads out.
#[derive(Debug, Args)]
pub(crate) struct TapCommand {
    /// Where SDKs connect. Keep it on 127.0.0.1: whoever connects here is to the node the owner of
    /// --certs.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:20300")]
    listen: SocketAddr,
    /// The node's channel port.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// The folder with an SDK's certificates, for the node: ca.crt, sdk.crt, sdk.key.
    #[arg(long, value_name = "DIR")]
    certs: PathBuf,
    /// The folder with the certificates to show to SDKs, a node's conf folder say: ca.crt, node.crt,
    /// node.key [default: those of --certs, which SDKs accept as well; a client of this project only
    /// with sdk_certificates_as_nodes(true)].
    #[arg(long, value_name = "DIR")]
    node_certs: Option<PathBuf>,
    /// Show payloads as hex, even if they are text.
    #[arg(long)]
    hex: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Show at most so many bytes of each payload.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    max: u32,
}

impl TapCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let sdk = Identity::load_sdk(&self.certs)?;
        let node = match &self.node_certs {
            Some(dir) => Identity::load(&CertFiles::node(dir, "node.key", "node.crt", "ca.crt"))?,
            None => sdk.clone(),
        };
        let style = Style {
            hex: self.hex,
            max: usize::try_from(self.max).unwrap_or(usize::MAX),
        };
        let (tap, mut records) = Tap::start(Options {
            listen: self.listen,
            to: self.to.clone(),
            sdk,
            node,
            preview: style.max,
        })
        .await?;
        // Before the greeting: whoever reads it may press Ctrl-C at once.
        let mut stopped = std::pin::pin!(signal::stop().context("cannot wait for Ctrl-C")?);
        tell!(
            "amop tap: SDKs connect to {}, frames go to {}; Ctrl-C stops",
            tap.address(),
            self.to
        );
        let printed = loop {
            let record = tokio::select! {
                record = records.recv() => record,
                () = &mut stopped => break Ok(()),
            };
            let Some(record) = record else { break Ok(()) };
            if let Err(error) = self.print(&record, style) {
                break Err(error);
            }
        };
        // Not into the void: what has passed is told.
        let ((), rest) = tokio::join!(tap.shutdown(), async {
            while let Some(record) = records.recv().await {
                if printed.is_ok() {
                    self.print(&record, style)?;
                }
            }
            io::Result::Ok(())
        });
        match printed.and(rest) {
            // A reader such as `head` has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }

    /// Each line is seen at once, also through a pipe.
    fn print(&self, record: &Record, style: Style) -> io::Result<()> {
        let line = match self.json {
            true => record.to_json(style),
            false => record.to_text(style),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}
