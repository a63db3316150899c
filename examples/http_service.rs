//! An HTTP service on axum that asks over AMOP, with metrics for Prometheus.
//!
//! ```sh
//! cargo run --example http_service    # prints its address
//! curl http://127.0.0.1:PORT/quotes/FISCO
//! curl http://127.0.0.1:PORT/metrics
//! ```

use std::time::Duration;

use amop::{Client, PublishError, PublishErrorKind, with_causes};
use amop_examples::Nodes;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use tokio::net::TcpListener;

#[amop::topic("quote", codec = "json", reply = u64)]
struct Quote {
    symbol: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    // The other side; in production, a program of another institution.
    let broker = nodes.client(1).connect().await?;
    let server = Quote::serve(&broker, 16, async |quote| quote.symbol.len() as u64 * 100).await?;
    let serving = tokio::spawn(server.run());

    let client = nodes.client(0).connect().await?;
    let app = Router::new()
        .route("/quotes/{symbol}", get(quote))
        .route("/metrics", get(metrics))
        .with_state(client.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(stop_signal())
        .await?;

    client.drain().await?;
    broker.drain().await?;
    serving.await?;
    nodes.shutdown().await;
    Ok(())
}

async fn quote(
    State(client): State<Client>,
    Path(symbol): Path<String>,
) -> Result<String, (StatusCode, String)> {
    // An HTTP client waits less long than the client's default.
    let client = client.with_timeout(Duration::from_secs(3));
    match (Quote { symbol }).request(&client).await {
        Ok(cents) => Ok(format!("{cents}\n")),
        Err(error) => Err((status(&error), format!("{}\n", with_causes(&error)))),
    }
}

fn status(error: &PublishError) -> StatusCode {
    match error.kind() {
        PublishErrorKind::NoSubscriber { .. }
        | PublishErrorKind::Offline { .. }
        | PublishErrorKind::Congested { .. } => StatusCode::SERVICE_UNAVAILABLE,
        PublishErrorKind::Timeout { .. } | PublishErrorKind::NodeTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// Returns the client's counts in Prometheus' text format.
async fn metrics(State(client): State<Client>) -> String {
    let stats = client.stats();
    let counters = [
        ("unicasts", stats.unicasts),
        ("answered", stats.answered),
        ("no_subscriber", stats.no_subscriber),
        ("timed_out", stats.timed_out),
        ("lost", stats.lost),
        ("connections_lost", stats.connections_lost),
    ];
    let mut text = format!(
        "# TYPE amop_connected gauge\namop_connected {}\n",
        stats.connected
    );
    for (name, count) in counters {
        text += &format!("# TYPE amop_{name}_total counter\namop_{name}_total {count}\n");
    }
    text
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
