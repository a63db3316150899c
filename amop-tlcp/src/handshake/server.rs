//! The server's side of the handshake.

use zeroize::Zeroizing;

use super::context::{HandshakeContext, HandshakeMessage, HandshakePeer, check_finished};
use crate::codec::{MessageReader, put_prefixed};
use crate::crypto::exchange::{Ephemeral, Own, Theirs, agree};
use crate::crypto::prf::{DirectionKeys, Master, PREMASTER, Randoms};
use crate::messages::{self, ClientHello, MessageType};
use crate::record::MacOrder;
use crate::{ConnectionRole, Flavour, TlcpError};

const KEY_EXCHANGE: &str = "ClientKeyExchange";
const VERIFY: &str = "CertificateVerify";

/// The next expected message.
pub(super) enum ServerHandshake {
    Hello,
    Certificate {
        randoms: Randoms,
        order: MacOrder,
        /// The server's ephemeral key, if the key exchange has one.
        ephemeral: Option<Ephemeral>,
    },
    KeyExchange {
        randoms: Randoms,
        ephemeral: Option<Ephemeral>,
        peer: HandshakePeer,
    },
    Verify(ClientFlight),
    ChangeCipherSpec(ClientFlight),
    Finished(ClientFlight),
    Done(HandshakePeer),
}

/// The data that check the client's second flight, and those for the server's last flight.
pub(super) struct ClientFlight {
    master: Master,
    client: DirectionKeys,
    server: DirectionKeys,
    peer: HandshakePeer,
}

impl ServerHandshake {
    pub(super) fn due(&self) -> &'static [MessageType] {
        match self {
            Self::Hello => &[MessageType::ClientHello],
            Self::Certificate { .. } => &[MessageType::Certificate],
            Self::KeyExchange { .. } => &[MessageType::ClientKeyExchange],
            Self::Verify(_) => &[MessageType::CertificateVerify],
            Self::Finished(_) => &[MessageType::Finished],
            Self::ChangeCipherSpec(_) | Self::Done(_) => &[],
        }
    }

    /// Handles a message of an expected type.
    pub(super) fn message(
        self,
        message: &HandshakeMessage<'_>,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Self, TlcpError> {
        match self {
            Self::Hello => {
                let hello = ClientHello::read(context.config.flavour, message.body)?;
                context.records.fix_version();
                answer(hello, context)
            }
            Self::Certificate {
                randoms,
                order,
                ephemeral,
            } => {
                let peer = context.judge(message.body, order)?;
                let peer = peer.ok_or(TlcpError::NoCertificates(
                    "the client sent no certificates; give it the SM certificates of this chain",
                ))?;
                Ok(Self::KeyExchange {
                    randoms,
                    ephemeral,
                    peer,
                })
            }
            Self::KeyExchange {
                randoms,
                ephemeral,
                peer,
            } => {
                let premaster = premaster(message.body, ephemeral.as_ref(), &peer, context)?;
                let master = Master::new(&premaster, &randoms);
                let keys = master.keys(&randoms);
                Ok(Self::Verify(ClientFlight {
                    master,
                    client: keys.client,
                    server: keys.server,
                    peer,
                }))
            }
            Self::Verify(closing) => {
                check_verify(context.config.flavour, message, &closing.peer)?;
                Ok(Self::ChangeCipherSpec(closing))
            }
            Self::Finished(closing) => {
                check_finished(&closing.master, ConnectionRole::Client, message)?;
                let order = closing.peer.order;
                context.finish(
                    ConnectionRole::Server,
                    &closing.master,
                    &closing.server,
                    order,
                )?;
                Ok(Self::Done(closing.peer))
            }
            Self::ChangeCipherSpec(_) | Self::Done(_) => {
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
                context.records.open_with(&closing.client, order);
                Ok(Self::Finished(closing))
            }
            other => Err(super::joiner::unexpected("a ChangeCipherSpec", other.due())),
        }
    }
}

/// Sends the server's first flight.
fn answer(
    mut hello: ClientHello,
    context: &mut HandshakeContext<'_>,
) -> Result<ServerHandshake, TlcpError> {
    let config = context.config;
    let flavour = config.flavour;
    hello.encrypt_then_mac &= config.encrypt_then_mac;
    let randoms = Randoms {
        client: hello.random,
        server: context.random(),
    };
    let order = if hello.encrypt_then_mac {
        MacOrder::EncryptThenMac
    } else {
        MacOrder::MacThenEncrypt
    };
    let body = messages::server_hello(flavour, &randoms.server, &hello);
    context.send(MessageType::ServerHello, &body)?;
    context.send(MessageType::Certificate, config.identity.message())?;

    // The data that are signed in addition to the random values, and the part of them that is sent.
    let mut signed = Vec::new();
    let mut body = Vec::new();
    let ephemeral = match flavour {
        Flavour::Tlcp => {
            put_prefixed(&mut signed, 3, config.identity.encryption_certificate());
            None
        }
        Flavour::Tls12Sm => {
            let ephemeral = Ephemeral::generate(context.rng);
            signed = messages::point(ephemeral.public());
            body.extend(&signed);
            Some(ephemeral)
        }
    };
    let message = [&randoms.client[..], &randoms.server, &signed];
    let signature = config.identity.signer.sign(&message)?;
    messages::put_signature(flavour, &mut body, &signature);
    context.send(MessageType::ServerKeyExchange, &body)?;
    let body = messages::certificate_request(flavour);
    context.send(MessageType::CertificateRequest, &body)?;
    context.send(MessageType::ServerHelloDone, &[])?;
    Ok(ServerHandshake::Certificate {
        randoms,
        order,
        ephemeral,
    })
}

/// Returns the secret that the client has sent or agreed on.
fn premaster(
    body: &[u8],
    ephemeral: Option<&Ephemeral>,
    peer: &HandshakePeer,
    context: &mut HandshakeContext<'_>,
) -> Result<Zeroizing<[u8; PREMASTER]>, TlcpError> {
    #[cfg(test)]
    if let Some(premaster) = context.replay.as_ref().and_then(|replay| replay.premaster) {
        return Ok(Zeroizing::new(premaster));
    }
    let decrypter = &context.config.identity.decrypter;
    let mut reader = MessageReader::new(KEY_EXCHANGE, body);
    let Some(ephemeral) = ephemeral else {
        let encrypted = reader.prefixed(2)?;
        reader.end()?;
        // It is always drawn, so that drawing reveals nothing.
        let instead = Zeroizing::new(context.random());
        let version = context.config.flavour.version();
        return Ok(decrypter.premaster(encrypted, version, instead));
    };
    let client = messages::read_point(&mut reader)?;
    reader.end()?;
    let own = Own {
        role: ConnectionRole::Server,
        long_term: decrypter.secret(),
        long_term_public: decrypter.public(),
        ephemeral,
    };
    let theirs = Theirs {
        long_term: &peer.keys.encryption,
        ephemeral: &client,
    };
    agree(&own, &theirs).ok_or(TlcpError::Illegal {
        message: KEY_EXCHANGE,
        reason: "its key cancels the one of the certificate",
    })
}

/// Checks that the client has signed the handshake with the key of its certificate.
fn check_verify(
    flavour: Flavour,
    message: &HandshakeMessage<'_>,
    peer: &HandshakePeer,
) -> Result<(), TlcpError> {
    let reader = MessageReader::new(VERIFY, message.body);
    let signature = messages::read_signature(flavour, reader)?;
    let key = &peer.keys.signature;
    let good = match flavour {
        // The signed message is the hash.
        Flavour::Tlcp => key.verifies(&[&message.before], signature),
        // This signature is the only one without the identity.
        Flavour::Tls12Sm => key.verifies_hash(&message.before, signature),
    };
    if good {
        Ok(())
    } else {
        Err(TlcpError::WrongSignature { message: VERIFY })
    }
}
