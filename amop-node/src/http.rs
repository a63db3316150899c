//! The JSON-RPC port: the same requests that SDKs send over the channel (channel-v2 section 11),
//! over HTTP.
//!
//! There is no TLS and clients are not authenticated, as on FISCO nodes; no request changes
//! anything. Each connection serves one request and has one deadline for all of it. When there are
//! too many connections, the one that has kept the node waiting longest is closed. The request rate
//! of each address is limited, and so is the total length of answers that wait to be read.

use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use amop_proto::{log::with_causes, node::rpc};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::{
    answers::{AnswerRoom, Answers},
    apart::SHORT,
    context::NodeContext,
    core::Core,
    journal::{Cause, LineKind},
    ports::{Door, Place, Rates},
    questions::write,
    supervise::keep,
};

/// The state that all HTTP connections share.
#[derive(Debug)]
struct Desk {
    rates: Mutex<Rates>,
    answers: Arc<Answers>,
    /// The longest time that an answer may wait to be read.
    time: Duration,
}

/// The longest body of a request, in bytes; the channel has the same limit.
const MAX_BODY: usize = 1024 * 1024;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Answers requests until the node stops.
pub(crate) async fn serve_http(context: NodeContext, door: Arc<Door>, listener: TcpListener) {
    let desk = Arc::new(Desk {
        rates: Mutex::new(Rates::new(context.limits.http_rate)),
        answers: Answers::new(context.limits.http_answers),
        time: context.limits.http_time,
    });
    let accepting = || accept(&context, &door, &listener, &desk);
    keep("the port for JSON-RPC", context.stop.clone(), accepting).await;
}

async fn accept(context: &NodeContext, door: &Arc<Door>, listener: &TcpListener, desk: &Arc<Desk>) {
    while let Some((stream, address, place)) = door.next(listener, &context.stop).await {
        let (context, desk) = (context.clone(), desk.clone());
        let ports = context.ports.clone();
        ports.spawn(async move {
            tokio::select! {
                biased;
                () = place.lost() => place.log_loss(address),
                () = exchange(&context, stream, address, (&place, &desk)) => {}
            }
        });
    }
}

/// Serves one connection: one request, one answer.
async fn exchange(
    context: &NodeContext,
    stream: TcpStream,
    address: SocketAddr,
    (place, desk): (&Place, &Desk),
) {
    let limits = &context.limits;
    let log = |text: fmt::Arguments<'_>| {
        let cause = Cause::Address(place.source());
        context.core.journal.debug(LineKind::Http, cause, text);
    };
    let silent = limits.first_byte_time.min(limits.http_time);
    let spoken = tokio::select! {
        spoken = timeout(silent, stream.readable()) => spoken.is_ok(),
        () = context.stop.cancelled() => return,
    };
    if !spoken {
        let seconds = silent.as_secs_f64();
        return log(format_args!(
            "HTTP client at {address} sent nothing within {seconds} s"
        ));
    }
    let whole = AtomicBool::new(false);
    // Held until the answer was read or given up.
    let room = OnceLock::new();
    let service = service_fn(|request| async {
        let response = respond(request, (&whole, &room), &context.core, (place, desk)).await;
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
            // A request that was read completely is still answered.
            () = context.stop.cancelled() => match whole.load(Ordering::Relaxed) {
                true => connection.await,
                false => Ok(()),
            },
        }
    };
    match timeout(limits.http_time, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log(format_args!(
            "HTTP request from {address} failed: {}",
            with_causes(&error)
        )),
        Err(_) => log(format_args!(
            "HTTP request from {address} did not finish within {} s",
            limits.http_time.as_secs_f64()
        )),
    }
}

type HttpReply = Response<Full<Bytes>>;

/// Answers a request, or says why it is not answered. Sets `whole` once the request was read to its
/// end, and `room` to the room that the answer takes.
async fn respond(
    request: Request<Incoming>,
    (whole, room): (&AtomicBool, &OnceLock<AnswerRoom>),
    core: &Arc<Core>,
    (place, desk): (&Place, &Desk),
) -> Result<HttpReply, HttpReply> {
    let rates = || desk.rates.lock().unwrap_or_else(PoisonError::into_inner);
    if request.method() != Method::POST {
        let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "ask by POST");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refusal);
    }
    // Requests from web pages, which act in the name of the page's visitor, have this header; SDKs
    // do not send it.
    if request.headers().contains_key(ORIGIN) {
        return Err(refuse(StatusCode::FORBIDDEN, "web pages get no answer"));
    }
    let asked = rates().ask(Instant::now().into_std(), place.source());
    if let Err(wait) = asked {
        core.refusals.http_refused();
        return Err(too_often(wait));
    }
    let body = read(request.into_body()).await?;
    let length = body.len();
    whole.store(true, Ordering::Relaxed);
    place.spoke();
    let party = place.party();
    let stopping = |_| refuse(StatusCode::SERVICE_UNAVAILABLE, "the node stops");
    let request = match body.len() {
        0..=SHORT => rpc::RpcRequest::read(&body),
        _ => {
            let reading = move || rpc::RpcRequest::read(&body);
            let read = core.apart.run(party, length, reading).await;
            read.map_err(stopping)?
        }
    };
    let answer = write(core, party, request).await.map_err(stopping)?;
    rates().spend(place.source(), length + answer.len());
    let Some(admitted) = desk.answers.admit(place.source(), answer.len()) else {
        core.refusals.http_refused();
        return Err(no_room(answer.len(), desk.time));
    };
    // A connection has only one answer, so it is not set twice.
    let _ = room.set(admitted);
    Ok(reply(StatusCode::OK, "application/json", answer))
}

/// Reads the whole body. Collects it by hand, so that it takes no more memory than its length,
/// however small its pieces are.
async fn read(mut body: Incoming) -> Result<BytesMut, HttpReply> {
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

fn too_often(wait: Duration) -> HttpReply {
    let text = "too many questions from your address: ask again";
    later(StatusCode::TOO_MANY_REQUESTS, text, wait)
}

/// Refuses an answer because too many bytes already wait to be read.
fn no_room(len: usize, wait: Duration) -> HttpReply {
    let text = format!(
        "the answer is {len} bytes long, and others that long wait to be read, or it is over half of \
         amop_limits.http_answers: read answers at once, ask for less, or ask again"
    );
    later(StatusCode::SERVICE_UNAVAILABLE, &text, wait)
}

fn later(status: StatusCode, text: &str, wait: Duration) -> HttpReply {
    let seconds = wait.as_secs_f64().ceil();
    let text = format!("{text} in {seconds} s\n");
    let mut refusal = reply(status, "text/plain", text.into());
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        refusal.headers_mut().insert(RETRY_AFTER, value);
    }
    refusal
}

fn refuse(status: StatusCode, text: &'static str) -> HttpReply {
    reply(status, "text/plain", Bytes::from_static(text.as_bytes()))
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> HttpReply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, value);
    reply
}
