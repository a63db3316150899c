//! [`HandshakeFailure`]: why a handshake failed, and what to do about it.

use std::io;

use rustls::{
    AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved,
};

use crate::end::is_end;
use crate::error::VerifyError;
use crate::refusal;
use crate::time::UtcSeconds;
use crate::{Mode, Side};

/// Why a TLS handshake failed.
///
/// Created from the error of rustls or tokio-rustls by [`HandshakeFailure::explain`],
/// [`HandshakeFailure::from_rustls`] or [`HandshakeFailure::from_io`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The peer's chain does not lead to this side's `ca.crt`.
    #[error(
        "the peer's certificate{} was not issued by our ca.crt: it is of another chain (or, in RSA \
         mode, of another agency), or the peer did not send its agency certificate; compare \
         ca.crt on both sides",
        shown(subject.as_deref())
    )]
    PeerUnknownIssuer {
        /// The subject of the peer's certificate, if [`explain`](Self::explain) has found it.
        subject: Option<String>,
    },
    /// A certificate of the peer has expired.
    #[error(
        "a certificate of the peer{} {}; renew it",
        shown(subject.as_deref()),
        expired(*not_after)
    )]
    PeerExpired {
        /// The subject of the expired certificate, if [`explain`](Self::explain) has found it.
        subject: Option<String>,
        /// End of validity in seconds since 1970, if known.
        not_after: Option<u64>,
    },
    /// A certificate of the peer is not valid yet.
    #[error(
        "a certificate of the peer{} is {}; check the clocks of both machines",
        shown(subject.as_deref()),
        early(*not_before)
    )]
    PeerNotYetValid {
        /// The subject of the certificate, if [`explain`](Self::explain) has found it.
        subject: Option<String>,
        /// Beginning of validity in seconds since 1970, if known.
        not_before: Option<u64>,
    },
    /// The peer's certificate is refused for another reason.
    #[error("the peer's certificate was refused")]
    PeerCertificate(#[source] VerifyError),
    /// The peer did not prove that it holds the key of its certificate.
    #[error(
        "the peer's handshake signature is wrong: it does not hold the key it claims, or \
             the connection was tampered with"
    )]
    PeerSignature,
    /// The client sent no certificate.
    #[error("the client sent no certificate; it must use the one of its SDK or node folder")]
    PeerSentNoCertificate,
    /// The peer refused this side's certificate.
    #[error("the peer refused our certificate: {reason} (alert {alert:?})")]
    OursRefused {
        /// The alert received.
        alert: AlertDescription,
        /// The meaning of this alert here.
        reason: &'static str,
    },
    /// This side's folder is of RSA mode and the node found no common suite, most likely because it
    /// offers only static RSA (channel-v2 section 2.4).
    #[error(
        "the node has no cipher suite in common with us (alert handshake_failure): nodes with \
         rsa_crypto_channel=true offer static-RSA key exchange (TLS_RSA_WITH_*) only, which rustls \
         does not implement because it lacks forward secrecy. Either set rsa_crypto_channel=false in \
         the node's config.ini, restart the node and use the secp256k1 sdk folder, or build with the \
         cargo feature `legacy-rsa` of the crate amop and connect by \
         Client::builder().tls(amop::Tls::legacy_rsa()), which uses OpenSSL; if the node is of FISCO \
         BCOS 2.x in EC mode, only the folder is wrong: it is in RSA mode, as those of 3.x chains are"
    )]
    StaticRsaOnly,
    /// The peer supports nothing that this side offers, or refused this side without a reason.
    #[error(
        "the node refused the handshake (alert handshake_failure): either it is not in EC mode \
         (a node of FISCO BCOS 3.x, or of 2.x with rsa_crypto_channel=true, needs the RSA sdk folder \
         of its own chain, guomi is not supported), or it refuses our certificate: check that the sdk \
         folder is of this node's chain and agency"
    )]
    Refused,
    /// The node refused the offer of `Tls::legacy_rsa()`.
    #[cfg(feature = "legacy-rsa")]
    #[error(
        "the node refused the handshake (alert handshake_failure), though it was offered static-RSA \
         and ECDHE-RSA key exchange with AES-GCM: either it is not in RSA mode (EC-mode nodes need \
         the secp256k1 sdk folder and the default TLS, guomi is not supported), or it refuses our \
         certificate: check that the sdk folder is of this node's agency"
    )]
    LegacyRefused,
    /// As a server: the client offers nothing usable.
    #[error(
        "no common {what} with the client: it must offer TLS 1.2 with group secp256k1 or P-256 \
         and {mode}-mode ECDHE AES-GCM or CHACHA20 suites"
    )]
    NothingInCommon {
        /// The part for which there is no common choice.
        what: &'static str,
        /// This side's mode.
        mode: Mode,
    },
    /// The peer does not speak TLS 1.2.
    #[error("the peer does not speak TLS 1.2, the only version that FISCO BCOS nodes use")]
    Version,
    /// The bytes from the peer are not TLS.
    #[error(
        "the peer does not speak TLS (or speaks guomi TLS): check that the port is a channel or P2P port, \
         or on 3.x the listen_port of [rpc] or [p2p], not JSON-RPC of 2.x; that a 3.x node does not have \
         disable_ssl=true, which the SDK's configuration must have then, too; and that the chain does \
         not use sm_crypto_channel or sm_ssl"
    )]
    NotTls,
    /// The connection ended during the handshake.
    #[error(
        "the peer closed the connection during the handshake; its log says why. Common \
         causes: it refused our certificate, its lists do not let us in, or the port is not a TLS one"
    )]
    Closed(#[source] io::Error),
    /// As a server: the client ended the connection during the handshake.
    #[error(
        "the client closed the connection during the handshake: it may have given up waiting, been \
         stopped, or refused this node's certificate without saying so; its log says why"
    )]
    ClosedByClient(#[source] io::Error),
    /// The peer violated the protocol.
    #[error("the peer broke the TLS protocol")]
    Protocol(#[source] Error),
    /// As a server in EC mode: the client gave up, probably because it has no allowed way to sign.
    #[error(
        "the client ended the handshake with alert InternalError, as SDKs in Java before 16 do where \
         SHA-1 is refused: see sha1_client_signatures in docs/security.md"
    )]
    CannotSign,
    /// Another alert from the peer.
    #[error("the peer ended the handshake with alert {0:?}")]
    Alert(AlertDescription),
    /// Another error of the connection.
    #[error("the connection failed during the handshake")]
    Io(#[source] io::Error),
    /// Another error of OpenSSL.
    #[cfg(feature = "legacy-rsa")]
    #[error("the TLS handshake failed in OpenSSL: {0}")]
    Openssl(String),
    /// Another error of rustls.
    #[error("the TLS handshake failed")]
    Other(#[source] Error),
}

fn shown(subject: Option<&str>) -> String {
    subject.map_or_else(String::new, |subject| format!(" {subject:?}"))
}

fn early(not_before: Option<u64>) -> String {
    match not_before.map(i64::try_from) {
        Some(Ok(from)) => format!("valid only from {}", UtcSeconds(from)),
        _ => "not valid yet".to_owned(),
    }
}

fn expired(not_after: Option<u64>) -> String {
    match not_after.map(i64::try_from) {
        Some(Ok(at)) => format!("expired at {}", UtcSeconds(at)),
        _ => "has expired".to_owned(),
    }
}

impl HandshakeFailure {
    /// Explains an I/O error of a handshake, as `tokio_rustls` or `complete_io` return it. `we` is
    /// this side of the connection, `mode` that of this side's [`Identity`](crate::Identity).
    pub fn from_io(error: io::Error, we: Side, mode: Mode) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(tls) = tls {
            return Self::from_rustls(tls, we, mode);
        }
        match we {
            _ if !is_end(&error) => Self::Io(error),
            Side::Client => Self::Closed(error),
            Side::Server => Self::ClosedByClient(error),
        }
    }

    /// Completes a handshake, and explains why it failed: as [`from_io`](Self::from_io), and with the
    /// subject of the certificate that is refused. rustls has no place for it in the errors that
    /// cause an alert of their own.
    ///
    /// # Errors
    /// The [`HandshakeFailure`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, so is the handshake.
    pub async fn explain<T>(
        handshake: impl Future<Output = io::Result<T>>,
        we: Side,
        mode: Mode,
    ) -> Result<T, Self> {
        let (result, refusal) = refusal::watch(handshake).await;
        result.map_err(|error| {
            let failure = Self::from_io(error, we, mode);
            match refusal {
                Some(refusal) => failure.with_subject(refusal),
                None => failure,
            }
        })
    }

    /// Adds the subject that the verifier named, if it is about the same failure.
    pub(crate) fn with_subject(mut self, refusal: VerifyError) -> Self {
        match (&mut self, refusal) {
            (
                Self::PeerUnknownIssuer { subject },
                VerifyError::UnknownIssuer { subject: named },
            )
            | (Self::PeerExpired { subject, .. }, VerifyError::Expired { subject: named, .. })
            | (
                Self::PeerNotYetValid { subject, .. },
                VerifyError::NotYetValid { subject: named, .. },
            ) => *subject = Some(named),
            _ => {}
        }
        self
    }

    /// Explains an error of rustls; see [`HandshakeFailure::from_io`].
    pub fn from_rustls(error: &Error, we: Side, mode: Mode) -> Self {
        match error {
            Error::InvalidCertificate(e) => Self::from_certificate(e),
            Error::NoCertificatesPresented => Self::PeerSentNoCertificate,
            Error::AlertReceived(alert) => Self::from_alert(*alert, we, mode),
            Error::PeerIncompatible(e) => Self::from_incompatible(e, mode),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::InvalidEmptyPayload
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedKxGroup)
                if we == Side::Client =>
            {
                Self::NothingInCommon {
                    what: "group",
                    mode,
                }
            }
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_)
            | Error::DecryptError => Self::Protocol(error.clone()),
            other => Self::Other(other.clone()),
        }
    }

    /// Returns whether another attempt with the same files may succeed; if not, the configuration
    /// of one side must be changed first.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Closed(_) | Self::ClosedByClient(_) | Self::Io(_)
        )
    }

    fn from_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::PeerUnknownIssuer { subject: None },
            CertificateError::ExpiredContext { not_after, .. } => Self::PeerExpired {
                subject: None,
                not_after: Some(not_after.as_secs()),
            },
            CertificateError::Expired => Self::PeerExpired {
                subject: None,
                not_after: None,
            },
            CertificateError::NotValidYetContext { not_before, .. } => Self::PeerNotYetValid {
                subject: None,
                not_before: Some(not_before.as_secs()),
            },
            CertificateError::NotValidYet => Self::PeerNotYetValid {
                subject: None,
                not_before: None,
            },
            CertificateError::BadSignature => Self::PeerSignature,
            CertificateError::Other(other) => match other.0.downcast_ref::<VerifyError>() {
                Some(e) => Self::PeerCertificate(e.clone()),
                None => Self::Other(Error::InvalidCertificate(error.clone())),
            },
            _ => Self::Other(Error::InvalidCertificate(error.clone())),
        }
    }

    fn from_alert(alert: AlertDescription, we: Side, mode: Mode) -> Self {
        use AlertDescription as A;
        let reason = match alert {
            A::UnknownCA => {
                "our chain does not lead to its ca.crt: our folder is of another chain or agency, \
                 or our certificate file lacks the agency certificate"
            }
            A::CertificateExpired => "one of our certificates has expired (or a clock is wrong)",
            A::CertificateRevoked => "it is revoked",
            A::CertificateRequired | A::NoCertificate => "it requires one and we sent none",
            A::AccessDenied => "its lists do not let us in",
            A::BadCertificate
            | A::CertificateUnknown
            | A::UnsupportedCertificate
            | A::DecryptError => {
                "it is of another chain or agency (check_cert_issuer=true lets only SDKs of the \
                 node's own agency in), of the wrong mode, an SDK's where a node's is required (as on \
                 its port for nodes), or on its black list"
            }
            A::HandshakeFailure | A::InsufficientSecurity if we == Side::Client => {
                return match mode {
                    Mode::Rsa => Self::StaticRsaOnly,
                    Mode::Ec => Self::Refused,
                };
            }
            A::ProtocolVersion => return Self::Version,
            A::InternalError if (we, mode) == (Side::Server, Mode::Ec) => return Self::CannotSign,
            other => return Self::Alert(other),
        };
        Self::OursRefused { alert, reason }
    }

    fn from_incompatible(error: &PeerIncompatible, mode: Mode) -> Self {
        use PeerIncompatible as P;
        let what = match error {
            P::NoCipherSuitesInCommon => "cipher suite",
            P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => "group",
            P::NoSignatureSchemesInCommon
            | P::NoCertificateRequestSignatureSchemesInCommon
            | P::SignatureAlgorithmsExtensionRequired => "signature scheme",
            P::NoEcPointFormatsInCommon
            | P::EcPointsExtensionRequired
            | P::UncompressedEcPointsRequired => "point format",
            P::Tls12NotOffered
            | P::Tls12NotOfferedOrEnabled
            | P::ServerDoesNotSupportTls12Or13
            | P::ServerTlsVersionIsDisabledByOurConfig
            | P::SupportedVersionsExtensionRequired => return Self::Version,
            other => return Self::Other(Error::PeerIncompatible(other.clone())),
        };
        Self::NothingInCommon { what, mode }
    }
}
