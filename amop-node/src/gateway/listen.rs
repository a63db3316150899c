//! The port that 3.x nodes connect to.

use std::sync::Arc;

use amop_ws::UpgradeError;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::server::TlsStream;

use super::{parts::Gateway, prepare::address_of};
use crate::{
    accept::{AcceptingPort, Arrived, Service},
    context::NodeContext,
    ports::Door,
    tcp::Tcp,
};

/// Serves 3.x nodes until the node stops.
pub(super) async fn serve_gateway(
    gateway: Gateway,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let context = gateway.context.clone();
    let (verifier, limits) = (gateway.verifier.clone(), &context.limits);
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.peers), |refusals| {
        &refusals.peers_turned_away
    });
    port.run("the port for 3.x nodes", context, listener, gateway)
        .await;
}

impl Service for Gateway {
    type Beginning = ();

    async fn begin(&self, _: &NodeContext, _: &mut TlsStream<Tcp>) -> Result<(), UpgradeError> {
        Ok(())
    }

    async fn serve(self, _: NodeContext, stream: TlsStream<Tcp>, arrived: Arrived<()>) {
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        // The verifier accepts only keys that give an ID.
        if let Ok(node) = address_of(chain) {
            let (admitted, address) = (arrived.admitted, arrived.address);
            let _ = self.run(stream, node, admitted, address).await;
        }
    }
}
