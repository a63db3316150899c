//! The HTTP upgrade, on both sides (ws-v3 section 3).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tungstenite::{
    error::{Error, ProtocolError},
    handshake::{
        client::{Response as Answer, generate_key, generate_request},
        derive_accept_key,
        machine::TryParse,
        server::{Request, create_response, write_response},
    },
    http::{self, HeaderName, Response, StatusCode, header},
};

use crate::UpgradeError;

/// The longest HTTP header of a request or an answer in bytes, as on a FISCO node.
pub const MAX_HEADER: usize = 8 * 1024;

/// Bytes read at once.
const READ: usize = 1024;

/// Answers the request of an SDK for a WebSocket. `first` was read from the stream already. Returns
/// the bytes that follow the request.
///
/// Path, subprotocols and extensions of the request are ignored, and none is chosen. A request that
/// is refused is answered with the status 400, or 426 if it is of another version of WebSocket.
///
/// There is no time limit: the caller has one.
///
/// # Errors
///
/// [`UpgradeError`] if it is not such a request.
///
/// # Cancel safety
///
/// If the future is dropped, the stream must not be used any more: bytes may be lost.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    first: &[u8],
) -> Result<Bytes, UpgradeError> {
    let mut buffer = BytesMut::from(first);
    loop {
        match Request::try_parse(&buffer) {
            Ok(Some((len, request))) => {
                // Copied: the session may keep it, and a part of the buffer would keep all of it.
                let rest = Bytes::copy_from_slice(&buffer[len..]);
                return match check(&request) {
                    Ok(response) => respond(stream, &response).await.map(|()| rest),
                    Err(error) => Err(refuse(stream, error).await),
                };
            }
            Ok(None) => read_more(stream, &mut buffer).await?,
            Err(error) => return Err(refuse(stream, error).await),
        }
    }
}

fn check(request: &Request) -> Result<Response<()>, Error> {
    if !request.headers().contains_key(header::HOST) {
        return Err(ProtocolError::InvalidHeader(Box::new(header::HOST)).into());
    }
    create_response(request)
}

/// Tells the other side that its request is refused, and returns the reason.
async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, error: Error) -> UpgradeError {
    let status = match error {
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => {
            StatusCode::UPGRADE_REQUIRED
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let response = Response::builder()
        .status(status)
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::CONTENT_LENGTH, "0")
        .header(header::CONNECTION, "close")
        .body(());
    if let Ok(response) = response {
        // The connection is closed either way.
        let _ = respond(stream, &response).await;
    }
    UpgradeError::NotUpgrade(error.to_string())
}

async fn respond<S: AsyncWrite + Unpin>(
    stream: &mut S,
    response: &Response<()>,
) -> Result<(), UpgradeError> {
    let mut bytes = Vec::new();
    write_response(&mut bytes, response).map_err(not_upgrade)?;
    stream.write_all(&bytes).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

/// Asks a node for a WebSocket. `host` is the address that was dialled, as `host:port`. Returns the
/// bytes that follow the answer.
///
/// There is no time limit: the caller has one.
///
/// # Errors
///
/// [`UpgradeError`] if the node does not agree.
///
/// # Cancel safety
///
/// If the future is dropped, the stream must not be used any more: bytes may be lost.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
) -> Result<Bytes, UpgradeError> {
    let (request, key) = request(host).map_err(not_upgrade)?;
    stream.write_all(&request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut buffer = BytesMut::new();
    loop {
        if let Some((len, answer)) = Answer::try_parse(&buffer).map_err(not_upgrade)? {
            verify(&answer, &key)?;
            return Ok(Bytes::copy_from_slice(&buffer[len..]));
        }
        read_more(stream, &mut buffer).await?;
    }
}

/// Returns the request, and its key.
fn request(host: &str) -> Result<(Vec<u8>, String), Error> {
    let request = http::Request::builder()
        .uri("/")
        .header(header::HOST, host)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "upgrade")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .body(())?;
    generate_request(request)
}

/// Checks what SDKs check (ws-v3 section 3).
fn verify(answer: &Answer, key: &str) -> Result<(), UpgradeError> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = answer.status().as_u16();
        return Err(UpgradeError::Status { status });
    }
    let accepted = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if !has_token(answer, header::UPGRADE, "websocket")
        || !has_token(answer, header::CONNECTION, "upgrade")
        || accepted.is_none_or(|value| value != &derive_accept_key(key.as_bytes()))
    {
        return Err(UpgradeError::NotAccepted);
    }
    Ok(())
}

fn has_token(answer: &Answer, name: HeaderName, token: &str) -> bool {
    let mut values = answer.headers().get_all(name).iter();
    values.any(|value| {
        let value = value.to_str().unwrap_or_default();
        let mut tokens = value.split(',');
        tokens.any(|part| part.trim().eq_ignore_ascii_case(token))
    })
}

async fn read_more<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
) -> Result<(), UpgradeError> {
    if buffer.len() >= MAX_HEADER {
        let max = MAX_HEADER;
        return Err(UpgradeError::TooLong { max });
    }
    buffer.reserve(READ);
    match stream.read_buf(buffer).await.map_err(failed)? {
        0 => Err(UpgradeError::Closed),
        _ => Ok(()),
    }
}

fn not_upgrade(error: Error) -> UpgradeError {
    UpgradeError::NotUpgrade(error.to_string())
}

/// Sorts an error of the stream. Nodes and SDKs close connections in any way.
fn failed(error: io::Error) -> UpgradeError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => UpgradeError::Closed,
        _ => UpgradeError::Io(error),
    }
}

#[cfg(test)]
mod tests;
