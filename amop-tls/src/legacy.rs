//! [`LegacyRsa`]: OpenSSL as a client of nodes that offer only static-RSA key exchange. See the
//! crate documentation, "Features".

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    self, ErrorCode, Ssl, SslAlert, SslContext, SslMethod, SslMode, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509StoreContext, X509StoreContextRef, X509VerifyResult};
use rustls::AlertDescription;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::cert::Cert;
use crate::error::VerifyError;
use crate::verify::RustlsVerifier;
use crate::{Admitted, ClientOptions, HandshakeFailure, Identity, Mode, Side, TlsError};

/// Suites with forward secrecy come first: nodes let the client choose (channel-v2 section 2.4), so
/// a node that supports them uses them. Only AEAD suites.
const SUITES: &str = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:\
                      AES256-GCM-SHA384:AES128-GCM-SHA256";

/// The same groups as in [`crypto_provider`](crate::crypto_provider) for RSA mode.
const GROUPS: &str = "secp256k1:P-256:P-384";
const SIGNATURES: &str = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:\
                          RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// RSA keys of 2048 bits and more. It is set explicitly, because the system's openssl.cnf may
/// contain another value.
const SECURITY_LEVEL: u32 = 2;

/// The allowed sizes of RSA keys, the same as in the verifier's algorithms.
const KEY_BITS: RangeInclusive<u32> = 2048..=8192;

/// Connects to a node's channel port in RSA mode with OpenSSL, with static-RSA key exchange if the
/// node has no better one.
///
/// Created by [`Identity::legacy_rsa`]. It does no I/O: [`LegacyRsa::start`] returns an [`Ssl`] for
/// `openssl::ssl::SslStream`, `tokio_openssl::SslStream` or similar types.
///
/// **Static RSA has no forward secrecy**: an attacker who records the traffic and later gets the
/// node's key can read all of it.
///
/// ```no_run
/// use amop_tls::{Identity, openssl::ssl::SslStream};
///
/// let identity = Identity::load_sdk("nodes/127.0.0.1/sdk")?;
/// let tcp = std::net::TcpStream::connect("127.0.0.1:20200")?;
/// let (ssl, handshake) = identity.legacy_rsa()?.start()?;
/// let mut stream = SslStream::new(ssl, tcp)?;
/// if let Err(error) = stream.connect() {
///     return Err(handshake.failure(error).into());
/// }
/// let chain = handshake.verify(stream.ssl())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LegacyRsa {
    context: SslContext,
    verifier: Arc<RustlsVerifier>,
}

impl fmt::Debug for LegacyRsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyRsa")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Returns a client for the channel port of a node that offers only static-RSA key exchange,
    /// with the default [`ClientOptions`]. Feature `legacy-rsa`.
    ///
    /// # Errors
    /// Those of [`legacy_rsa_with`](Self::legacy_rsa_with).
    pub fn legacy_rsa(&self) -> Result<LegacyRsa, TlsError> {
        self.legacy_rsa_with(ClientOptions::default())
    }

    /// Does the same as [`legacy_rsa`](Self::legacy_rsa), with options for the nodes that are
    /// accepted.
    ///
    /// # Errors
    /// [`TlsError::LegacyNeedsRsa`] unless this identity is of RSA mode, [`TlsError::Openssl`] if
    /// OpenSSL refuses a setting.
    pub fn legacy_rsa_with(&self, options: ClientOptions) -> Result<LegacyRsa, TlsError> {
        let Some(key) = self.legacy_key() else {
            return Err(TlsError::LegacyNeedsRsa {
                file: self.cert_file().to_owned(),
                subject: self.subject().to_owned(),
            });
        };
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_security_level(SECURITY_LEVEL);
        builder.set_cipher_list(SUITES)?;
        builder.set_groups_list(GROUPS)?;
        builder.set_sigalgs_list(SIGNATURES)?;
        // No resumption, as everywhere in this crate: it would skip the verifier. No session is
        // ever given to a new `Ssl`, so the node need not offer one either. FISCO nodes end many
        // connections without close_notify; frames contain their length, so this is a normal end.
        builder.set_options(
            SslOptions::NO_TICKET
                | SslOptions::NO_COMPRESSION
                | SslOptions::NO_RENEGOTIATION
                | SslOptions::IGNORE_UNEXPECTED_EOF,
        );
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        // Asynchronous streams need this: a write that could not finish is repeated, perhaps with
        // another buffer address, and may be done partially.
        builder.set_mode(
            SslMode::AUTO_RETRY
                | SslMode::ACCEPT_MOVING_WRITE_BUFFER
                | SslMode::ENABLE_PARTIAL_WRITE,
        );
        for (i, der) in self.chain().iter().enumerate() {
            let cert = X509::from_der(der)?;
            match i {
                0 => builder.set_certificate(&cert)?,
                _ => builder.add_extra_chain_cert(cert)?,
            }
        }
        let key = PKey::private_key_from_der(key.secret_der())?;
        builder.set_private_key(&key)?;
        builder.check_private_key()?;
        Ok(LegacyRsa {
            context: builder.build(),
            verifier: Arc::new(RustlsVerifier::new(
                self.verifier_of_legacy_nodes(options),
                Side::Server,
            )),
        })
    }
}

impl LegacyRsa {
    /// Starts the client side of a new connection. Returns it together with the handshake, which
    /// explains its result.
    ///
    /// # Errors
    /// [`TlsError::Openssl`] if OpenSSL has no memory left.
    pub fn start(&self) -> Result<(Ssl, LegacyHandshake), TlsError> {
        let store_has_ssl = X509StoreContext::ssl_idx()?;
        let refused = Arc::new(OnceLock::new());
        let mut ssl = Ssl::new(&self.context)?;
        let verifier = self.verifier.clone();
        let verdict = refused.clone();
        // OpenSSL's own verdict, the first argument, is ignored: its trust store is empty. OpenSSL
        // only calls this function, once or more, before it sends anything but its hello.
        let ask = move |_: bool, store: &mut X509StoreContextRef| {
            let result = match store.ex_data(store_has_ssl) {
                Some(ssl) => judge(&verifier, ssl),
                None => Err(no_chain()),
            };
            match result {
                Ok(_) => {
                    store.set_error(X509VerifyResult::OK);
                    true
                }
                Err(error) => {
                    // This chooses the alert: OpenSSL itself would send unknown_ca here, so for all
                    // other errors handshake_failure is chosen.
                    if !matches!(error, VerifyError::UnknownIssuer { .. }) {
                        store.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
                    }
                    verdict.get_or_init(|| error);
                    false
                }
            }
        };
        ssl.set_verify_callback(SslVerifyMode::PEER, ask);
        let verifier = self.verifier.clone();
        Ok((ssl, LegacyHandshake { verifier, refused }))
    }
}

/// The result of one handshake of [`LegacyRsa`].
#[derive(Debug)]
pub struct LegacyHandshake {
    verifier: Arc<RustlsVerifier>,
    /// Why this side refused the node.
    refused: Arc<OnceLock<VerifyError>>,
}

impl LegacyHandshake {
    /// Verifies the node's chain, and returns it, leaf first. Call it after the handshake and
    /// before any data.
    ///
    /// The chain was verified during the handshake. It is verified again, so that this does not
    /// depend on OpenSSL having called the verifier.
    ///
    /// # Errors
    /// Those of [`LegacyHandshake::failure`] for a refused certificate.
    pub fn verify(&self, ssl: &SslRef) -> Result<Vec<CertificateDer<'static>>, HandshakeFailure> {
        Ok(self.judge(ssl)?.0)
    }

    /// Verifies the chain like [`verify`](Self::verify), and returns the node's identity and how
    /// long its certificates are valid.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    pub fn admit(&self, ssl: &SslRef) -> Result<Admitted, HandshakeFailure> {
        Ok(self.judge(ssl)?.1)
    }

    fn judge(&self, ssl: &SslRef) -> Result<JudgedChain, HandshakeFailure> {
        judge(&self.verifier, ssl).map_err(refusal)
    }

    /// Explains the error of a failed handshake.
    pub fn failure(&self, error: ssl::Error) -> HandshakeFailure {
        if let Some(refused) = self.refused.get() {
            return refusal(refused.clone());
        }
        let from_io = |e| HandshakeFailure::from_io(e, Side::Client, Mode::Rsa);
        let error = match error.into_io_error() {
            Ok(error) => return from_io(error),
            Err(error) => error,
        };
        match error.ssl_error() {
            Some(stack) => from_stack(stack).unwrap_or_else(|| openssl(&error)),
            // Without a cause these codes mean that the stream ended.
            None if [ErrorCode::ZERO_RETURN, ErrorCode::SYSCALL].contains(&error.code()) => {
                from_io(io::ErrorKind::UnexpectedEof.into())
            }
            None => openssl(&error),
        }
    }
}

/// The text of OpenSSL's error contains its cause.
fn openssl(error: &ssl::Error) -> HandshakeFailure {
    HandshakeFailure::Openssl(error.to_string())
}

fn no_chain() -> VerifyError {
    VerifyError::BadEncoding {
        position: 0,
        detail: "the chain is empty".into(),
    }
}

type JudgedChain = (Vec<CertificateDer<'static>>, Admitted);

/// Verifies the chain that the node sent.
fn judge(verifier: &RustlsVerifier, ssl: &SslRef) -> Result<JudgedChain, VerifyError> {
    let sent = ssl.peer_cert_chain().ok_or_else(no_chain)?;
    let mut chain = Vec::with_capacity(sent.len());
    for (position, cert) in sent.iter().enumerate() {
        let der = cert.to_der().map_err(|e| VerifyError::BadEncoding {
            position,
            detail: e.to_string(),
        })?;
        chain.push(CertificateDer::from(der));
    }
    let (leaf, others) = chain.split_first().ok_or_else(no_chain)?;
    let admitted = verifier.verify(leaf, others, UnixTime::now())?;
    // With rustls the leaf's key shows its size when it signs the handshake. In a static-RSA
    // handshake it signs nothing.
    let bits = sent.get(0).and_then(|cert| cert.public_key().ok());
    if !bits.is_some_and(|key| KEY_BITS.contains(&key.bits())) {
        return Err(VerifyError::Unsupported {
            subject: Cert::parse(leaf).map_or_else(|_| String::new(), |cert| cert.subject_line()),
            what: "key",
        });
    }
    Ok((chain, admitted))
}

fn refusal(error: VerifyError) -> HandshakeFailure {
    let told = error.clone().into_rustls(UnixTime::now());
    HandshakeFailure::from_rustls(&told, Side::Client, Mode::Rsa).with_subject(error)
}

/// OpenSSL's numbers for errors in its TLS code (`sslerr.h`).
mod reason {
    pub(super) const LIBRARY: i32 = 20;
    pub(super) const HTTPS_PROXY_REQUEST: i32 = 155;
    pub(super) const HTTP_REQUEST: i32 = 156;
    pub(super) const PACKET_LENGTH_TOO_LONG: i32 = 198;
    pub(super) const UNSUPPORTED_PROTOCOL: i32 = 258;
    pub(super) const WRONG_SSL_VERSION: i32 = 266;
    pub(super) const WRONG_VERSION_NUMBER: i32 = 267;
    pub(super) const UNEXPECTED_EOF: i32 = 294;
}

/// Returns the meaning of OpenSSL's errors, where there is a variant for it.
fn from_stack(stack: &ErrorStack) -> Option<HandshakeFailure> {
    let tls = stack
        .errors()
        .iter()
        .find(|e| e.library_code() == reason::LIBRARY)?;
    let code = tls.reason_code();
    if SslAlert::from_reason_code(code).is_some() {
        // SslAlert has no function that returns its number.
        let number = u8::try_from(code - SslAlert::CLOSE_NOTIFY.reason_code()).ok()?;
        let alert = rustls::Error::AlertReceived(AlertDescription::from(number));
        return Some(
            match HandshakeFailure::from_rustls(&alert, Side::Client, Mode::Rsa) {
                HandshakeFailure::StaticRsaOnly => HandshakeFailure::LegacyRefused,
                other => other,
            },
        );
    }
    match code {
        // A TLS record of another version than 1.2 contains national TLS, or is not TLS at all.
        reason::WRONG_VERSION_NUMBER
        | reason::PACKET_LENGTH_TOO_LONG
        | reason::HTTP_REQUEST
        | reason::HTTPS_PROXY_REQUEST => Some(HandshakeFailure::NotTls),
        reason::UNSUPPORTED_PROTOCOL | reason::WRONG_SSL_VERSION => Some(HandshakeFailure::Version),
        reason::UNEXPECTED_EOF => {
            let eof = io::ErrorKind::UnexpectedEof.into();
            Some(HandshakeFailure::Closed(eof))
        }
        _ => None,
    }
}
