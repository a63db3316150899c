//! The port that 3.x nodes connect to.

use std::{net::SocketAddr, sync::Arc};

use amop_tls::Admitted;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::server::TlsStream;

use super::{parts::Gateway, prepare::address_of};
use crate::{accept::AcceptingPort, context::NodeContext, ports::Door, supervise::keep, tcp::Tcp};

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
    let serve =
        move |_: NodeContext, stream: TlsStream<Tcp>, admitted: Admitted, address: SocketAddr| {
            let gateway = gateway.clone();
            async move {
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                // The verifier accepts only keys that give an ID.
                if let Ok(node) = address_of(chain) {
                    let _ = gateway.run(stream, node, admitted, address).await;
                }
            }
        };
    let stop = context.stop.clone();
    let accepting = || port.clone().run(context.clone(), &listener, serve.clone());
    keep("the port for 3.x nodes", stop, accepting).await;
}
