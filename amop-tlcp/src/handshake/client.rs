//! The client's side of the handshake.

use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::context::{HandshakeContext, HandshakeMessage, HandshakePeer, check_finished};
use crate::codec::{MessageReader, put_prefixed};
use crate::crypto::exchange::{Ephemeral, Own, Theirs, agree};
use crate::crypto::prf::{DirectionKeys, Master, PREMASTER, Randoms};
use crate::messages::{self, MessageType, ServerHello};
use crate::record::MacOrder;
use crate::{ConnectionRole, Flavour, Sm2PublicKey, TlcpError};

const KEY_EXCHANGE: &str = "ServerKeyExchange";

/// The next expected message.
pub(super) enum ClientHandshake {
    /// No message is expected: the ClientHello must be sent.
    Start,
    Hello {
        random: [u8; 32],
    },
    Certificate {
        randoms: Randoms,
        order: MacOrder,
    },
    KeyExchange {
        randoms: Randoms,
        peer: HandshakePeer,
    },
    /// The server requests certificates, or says that it is done.
    RequestOrDone(Flight),
    /// The server has requested certificates.
    HelloDone(Flight),
    ChangeCipherSpec(ServerFlight),
    Finished(ServerFlight),
    Done(HandshakePeer),
}

/// The data for the client's second flight.
pub(super) struct Flight {
    randoms: Randoms,
    peer: HandshakePeer,
    /// The server's ephemeral key, if the key exchange has one.
    ephemeral: Option<Sm2PublicKey>,
}

/// The data that check the server's last flight.
pub(super) struct ServerFlight {
    master: Master,
    /// The server's keys.
    keys: DirectionKeys,
    peer: HandshakePeer,
}

impl ClientHandshake {
    pub(super) fn due(&self) -> &'static [MessageType] {
        match self {
            Self::Hello { .. } => &[MessageType::ServerHello],
            Self::Certificate { .. } => &[MessageType::Certificate],
            Self::KeyExchange { .. } => &[MessageType::ServerKeyExchange],
            Self::RequestOrDone(_) => &[
                MessageType::CertificateRequest,
                MessageType::ServerHelloDone,
            ],
            Self::HelloDone(_) => &[MessageType::ServerHelloDone],
            Self::Finished(_) => &[MessageType::Finished],
            Self::Start | Self::ChangeCipherSpec(_) | Self::Done(_) => &[],
        }
    }

    pub(super) fn start(self, context: &mut HandshakeContext<'_>) -> Result<Self, TlcpError> {
        let random = context.random();
        let config = context.config;
        let hello = messages::client_hello(config.flavour, &random, config.encrypt_then_mac);
        context.send(MessageType::ClientHello, &hello)?;
        Ok(Self::Hello { random })
    }

    /// Handles a message of an expected type.
    pub(super) fn message(
        self,
        message: &HandshakeMessage<'_>,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Self, TlcpError> {
        let flavour = context.config.flavour;
        match self {
            Self::Hello { random } => {
                let offered = context.config.encrypt_then_mac;
                let hello = ServerHello::read(flavour, message.body, offered)?;
                context.records.fix_version();
                let randoms = Randoms {
                    client: random,
                    server: hello.random,
                };
                let order = hello.order;
                Ok(Self::Certificate { randoms, order })
            }
            Self::Certificate { randoms, order } => {
                let peer = context.judge(message.body, order)?;
                let peer =
                    peer.ok_or(TlcpError::NoCertificates("the server sent no certificates"))?;
                Ok(Self::KeyExchange { randoms, peer })
            }
            Self::KeyExchange { randoms, peer } => {
                let ephemeral = server_key_exchange(flavour, message.body, &randoms, &peer)?;
                Ok(Self::RequestOrDone(Flight {
                    randoms,
                    peer,
                    ephemeral,
                }))
            }
            Self::RequestOrDone(flight) if message.kind == MessageType::CertificateRequest => {
                messages::check_request(flavour, message.body)?;
                Ok(Self::HelloDone(flight))
            }
            Self::RequestOrDone(flight) => flight.send(false, context),
            Self::HelloDone(flight) => flight.send(true, context),
            Self::Finished(closing) => {
                check_finished(&closing.master, ConnectionRole::Server, message)?;
                Ok(Self::Done(closing.peer))
            }
            Self::Start | Self::ChangeCipherSpec(_) | Self::Done(_) => {
                Err(super::joiner::unexpected(message.kind.name(), &[]))
            }
        }
    }

    pub(super) fn change_cipher_spec(
        self,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Self, TlcpError> {
        match self {
            Self::ChangeCipherSpec(closing) => {
                let order = closing.peer.order;
                context.records.open_with(&closing.keys, order);
                Ok(Self::Finished(closing))
            }
            other => Err(super::joiner::unexpected("a ChangeCipherSpec", other.due())),
        }
    }
}

/// Checks that the server has signed the key exchange with the key of its certificate. Returns its
/// ephemeral key, if there is one.
fn server_key_exchange(
    flavour: Flavour,
    body: &[u8],
    randoms: &Randoms,
    peer: &HandshakePeer,
) -> Result<Option<Sm2PublicKey>, TlcpError> {
    let mut reader = MessageReader::new(KEY_EXCHANGE, body);
    let (ephemeral, signed) = match flavour {
        // The certificate for encryption, preceded by its length.
        Flavour::Tlcp => {
            let mut signed = Vec::new();
            put_prefixed(&mut signed, 3, peer.certificates.encryption());
            (None, signed)
        }
        Flavour::Tls12Sm => {
            let key = messages::read_point(&mut reader)?;
            (Some(key), messages::point(&key))
        }
    };
    let signature = messages::read_signature(flavour, reader)?;
    let message = [&randoms.client[..], &randoms.server, &signed];
    if peer.keys.signature.verifies(&message, signature) {
        Ok(ephemeral)
    } else {
        Err(TlcpError::WrongSignature {
            message: KEY_EXCHANGE,
        })
    }
}

impl Flight {
    /// Sends certificates, if the server has `asked` for them, and the rest of the flight.
    fn send(
        self,
        asked: bool,
        context: &mut HandshakeContext<'_>,
    ) -> Result<ClientHandshake, TlcpError> {
        let identity = &context.config.identity;
        if asked {
            context.send(MessageType::Certificate, identity.message())?;
        }
        let premaster = match self.ephemeral {
            None => self.encrypted_premaster(context)?,
            Some(ephemeral) if asked => self.agreed_premaster(&ephemeral, context)?,
            Some(_) => {
                return Err(TlcpError::NoCertificates(
                    "the server requests no certificates, but its key exchange needs them; switch on mutual \
                     authentication there",
                ));
            }
        };
        if asked {
            let flavour = context.config.flavour;
            let hash = context.transcript.hash();
            let signature = match flavour {
                Flavour::Tlcp => identity.signer.sign(&[&hash])?,
                Flavour::Tls12Sm => identity.signer.sign_hash(&hash)?,
            };
            let mut body = Vec::new();
            messages::put_signature(flavour, &mut body, &signature);
            context.send(MessageType::CertificateVerify, &body)?;
        }
        let master = Master::new(&premaster, &self.randoms);
        let keys = master.keys(&self.randoms);
        context.finish(
            ConnectionRole::Client,
            &master,
            &keys.client,
            self.peer.order,
        )?;
        Ok(ClientHandshake::ChangeCipherSpec(ServerFlight {
            master,
            keys: keys.server,
            peer: self.peer,
        }))
    }

    /// Draws a secret and sends it, encrypted with the server's key.
    fn encrypted_premaster(
        &self,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Zeroizing<[u8; PREMASTER]>, TlcpError> {
        let mut premaster = Zeroizing::new([0; PREMASTER]);
        let (version, random) = premaster.split_at_mut(2);
        version.copy_from_slice(&context.config.flavour.version().to_be_bytes());
        context.rng.fill_bytes(random);
        let encrypted = self.peer.keys.encryption.encrypt(&premaster, context.rng)?;
        let mut body = Vec::new();
        put_prefixed(&mut body, 2, &encrypted);
        context.send(MessageType::ClientKeyExchange, &body)?;
        Ok(premaster)
    }

    /// Sends an ephemeral key, and computes the secret of both ends.
    fn agreed_premaster(
        &self,
        server: &Sm2PublicKey,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Zeroizing<[u8; PREMASTER]>, TlcpError> {
        let decrypter = &context.config.identity.decrypter;
        let ephemeral = Ephemeral::generate(context.rng);
        let own = Own {
            role: ConnectionRole::Client,
            long_term: decrypter.secret(),
            long_term_public: decrypter.public(),
            ephemeral: &ephemeral,
        };
        let theirs = Theirs {
            long_term: &self.peer.keys.encryption,
            ephemeral: server,
        };
        let premaster = agree(&own, &theirs).ok_or(TlcpError::Illegal {
            message: KEY_EXCHANGE,
            reason: "its key cancels the one of the certificate",
        })?;
        let body = messages::point(ephemeral.public());
        context.send(MessageType::ClientKeyExchange, &body)?;
        Ok(premaster)
    }
}
