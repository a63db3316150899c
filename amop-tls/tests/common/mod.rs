//! Shared code of the TLS tests: fixtures, and handshakes in memory.
#![allow(unreachable_pub)]

pub mod openssl;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amop_tls::{CertFiles, HandshakeFailure, Identity, Mode, ServerOptions, Side};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, Error, ServerConfig};
use rustls::{ServerConnection, SideData};

pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tls")
        .join(path)
}

pub fn bytes(path: &str) -> Vec<u8> {
    let path = data(path);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn sdk(dir: &str) -> Identity {
    Identity::load_sdk(data(dir)).unwrap()
}

pub fn node(dir: &str) -> Identity {
    let files = CertFiles::node(data(dir), "node.key", "node.crt", "ca.crt");
    Identity::load(&files).unwrap()
}

/// Returns an identity of the `odd` folder that trusts `ca`.
pub fn odd_with(name: &str, ca: &str) -> Identity {
    Identity::from_pem(
        &bytes(&format!("odd/{name}.crt")),
        &bytes(&format!("odd/{name}.key")),
        &bytes(&format!("odd/{ca}")),
    )
    .unwrap()
}

pub fn odd(name: &str) -> Identity {
    odd_with(name, "ca.crt")
}

pub fn certs(path: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&bytes(path))
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Returns a chain with a key, without the checks of `Identity`.
pub fn raw_key(chain: Vec<CertificateDer<'static>>, key: &str) -> Arc<SingleCertAndKey> {
    let der = PrivateKeyDer::from_pem_slice(&bytes(key)).unwrap();
    let key = amop_tls::crypto_provider(Mode::Ec)
        .key_provider
        .load_private_key(der.clone_key())
        .or_else(|_| rustls::crypto::aws_lc_rs::sign::any_supported_type(&der))
        .unwrap();
    Arc::new(CertifiedKey::new(chain, key).into())
}

/// Returns the configuration of `base` with another chain and key.
pub fn client_with(base: &Identity, key: Arc<SingleCertAndKey>) -> Arc<ClientConfig> {
    let mut config = (*base.client_config().unwrap()).clone();
    config.client_auth_cert_resolver = key;
    Arc::new(config)
}

#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

pub fn time(secs: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(secs).unwrap()))
}

pub fn client_at(config: Arc<ClientConfig>, secs: i64) -> Arc<ClientConfig> {
    let mut config = (*config).clone();
    config.time_provider = Arc::new(At(time(secs)));
    Arc::new(config)
}

pub fn server_at(config: Arc<ServerConfig>, secs: i64) -> Arc<ServerConfig> {
    let mut config = (*config).clone();
    config.time_provider = Arc::new(At(time(secs)));
    Arc::new(config)
}

pub fn channel(identity: &Identity) -> Arc<ServerConfig> {
    identity.server_config(ServerOptions::default()).unwrap()
}

pub struct Outcome {
    pub client: ClientConnection,
    pub server: ServerConnection,
    pub client_result: Result<(), Error>,
    pub server_result: Result<(), Error>,
}

impl Outcome {
    pub fn ok(&self) -> bool {
        self.client_result.is_ok() && self.server_result.is_ok()
    }

    /// Returns the error that the client's user sees.
    pub fn client_failure(&self, mode: Mode) -> HandshakeFailure {
        let error = self.client_result.as_ref().unwrap_err();
        HandshakeFailure::from_rustls(error, Side::Client, mode)
    }

    /// Returns the error in the server's log.
    pub fn server_failure(&self, mode: Mode) -> HandshakeFailure {
        let error = self.server_result.as_ref().unwrap_err();
        HandshakeFailure::from_rustls(error, Side::Server, mode)
    }
}

/// Moves all bytes that `from` wants to send to `to`, through `tamper`.
fn pump<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
    tamper: &mut dyn FnMut(&mut Vec<u8>),
) -> (usize, Result<(), Error>) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let sent = wire.len();
    tamper(&mut wire);
    let mut left = &wire[..];
    while !left.is_empty() {
        if to.read_tls(&mut left).unwrap() == 0 {
            break;
        }
        if let Err(e) = to.process_new_packets() {
            return (sent, Err(e));
        }
    }
    (sent, Ok(()))
}

/// Runs a handshake in memory until both sides have finished, or one has failed and the other has
/// read the alert. `tamper` gets the bytes that the client sends.
pub fn handshake_tampered(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    mut tamper: impl FnMut(&mut Vec<u8>),
) -> Outcome {
    let mut client = ClientConnection::new(client, Identity::server_name()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let (mut client_result, mut server_result) = (Ok(()), Ok(()));
    loop {
        let (up, result) = pump(&mut client, &mut server, &mut tamper);
        server_result = server_result.and(result);
        let (down, result) = pump(&mut server, &mut client, &mut |_| ());
        client_result = client_result.and(result);
        if up + down == 0 {
            break;
        }
    }
    let outcome = Outcome {
        client,
        server,
        client_result,
        server_result,
    };
    // Without an error both must have finished: neither may hang.
    if outcome.ok() {
        assert!(!outcome.client.is_handshaking() && !outcome.server.is_handshaking());
    }
    outcome
}

pub fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Outcome {
    handshake_tampered(client, server, |_| ())
}
