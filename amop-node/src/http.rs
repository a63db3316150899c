//! The JSON-RPC port: what SDKs ask over the channel (channel-v2 section 11), asked over HTTP.
//!
//! There is no TLS and nobody is known here, as with real nodes; nothing that is answered changes
//! anything. Every connection is for one request and has one deadline for all of it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use amop_proto::channel::rpc::{self, NodeFacts};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{core::Core, listen::accept, node::Context};

/// The longest body of a request, in bytes; the channel reads no longer ones either.
const MAX_BODY: usize = 1024 * 1024;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Answers requests until the node stops.
pub(crate) async fn serve_http(context: Context, listener: TcpListener, facts: NodeFacts) {
    let facts = Arc::new(facts);
    let permits = Arc::new(Semaphore::new(context.limits.http));
    while let Some((stream, address, permit)) =
        accept(&listener, &permits, "HTTP", &context.stop).await
    {
        let (context_of_task, facts) = (context.clone(), facts.clone());
        context.tasks.spawn(async move {
            let _permit = permit;
            exchange(&context_of_task, &facts, stream, address).await;
        });
    }
}

/// One connection: one request, one answer.
async fn exchange(context: &Context, facts: &NodeFacts, stream: TcpStream, address: SocketAddr) {
    let whole = AtomicBool::new(false);
    let service = service_fn(|request| async {
        let response = respond(request, &whole, &context.core, facts).await;
        Ok::<_, Infallible>(response.unwrap_or_else(|refusal| refusal))
    });
    let connection = async {
        let mut connection = pin!(
            http1::Builder::new()
                .keep_alive(false)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
        tokio::select! {
            end = connection.as_mut() => end,
            // A question that was read is still answered.
            () = context.stop.cancelled() => match whole.load(Ordering::Relaxed) {
                true => connection.await,
                false => Ok(()),
            },
        }
    };
    match timeout(context.limits.http_time, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("HTTP request from {address} failed: {error}"),
        Err(_) => tracing::debug!(
            "HTTP request from {address} was not over within {} s",
            context.limits.http_time.as_secs_f64()
        ),
    }
}

type Reply = Response<Full<Bytes>>;

/// The answer to a request, or why there is none. Sets `whole` once the request was read to its end.
async fn respond(
    request: Request<Incoming>,
    whole: &AtomicBool,
    core: &Core,
    facts: &NodeFacts,
) -> Result<Reply, Reply> {
    if request.method() != Method::POST {
        let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "ask by POST");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refusal);
    }
    // Web pages, which ask in the name of whoever looks at them, have one; SDKs have none.
    if request.headers().contains_key(ORIGIN) {
        return Err(refuse(StatusCode::FORBIDDEN, "web pages get no answer"));
    }
    let body = read(request.into_body()).await?;
    whole.store(true, Ordering::Relaxed);
    let answer = rpc::answer(
        &body,
        facts,
        || core.lock().machine.peer_infos(),
        || core.lock().machine.own_topics(),
    );
    Ok(reply(StatusCode::OK, "application/json", answer))
}

/// The whole body. Collected by hand: however small its pieces are, it takes no more than its length.
async fn read(mut body: Incoming) -> Result<BytesMut, Reply> {
    let too_long = || {
        let text = "a request may have 1 MiB at most";
        refuse(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_long());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| refuse(StatusCode::BAD_REQUEST, "the body is broken"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > MAX_BODY - whole.len() {
            return Err(too_long());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

fn refuse(status: StatusCode, text: &'static str) -> Reply {
    reply(status, "text/plain", Bytes::from_static(text.as_bytes()))
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, value);
    reply
}
