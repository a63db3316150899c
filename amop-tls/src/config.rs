//! rustls configurations made from an [`Identity`].

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{ClientConfig, ServerConfig};

use crate::key::PeerFilter;
use crate::peers::{Lists, PeerVerifier, Rules};
use crate::pin::NodeKey;
use crate::verify::Verifier;
use crate::{Identity, Mode, Side, TlsError, crypto_provider};

/// What a node's channel port asks of its clients.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// A client's leaf must be signed by the key that signed the node's own
    /// certificate: that of its agency, or of its channel's CA (channel-v2
    /// section 2.5; real nodes compare the names, and only of EC leaves).
    /// Default true, as on nodes since 2.5.0.
    pub check_cert_issuer: bool,
    /// SDKs with a secp256k1 key may sign their handshake with SHA-1, as SDKs in Java on JDK 8 to 15
    /// must. SDKs that can sign with SHA-256 do so. [`PeerVerifier::signed_with_sha1`] tells which clients used
    /// SHA-1.
    /// Certificates and nodes are never believed by SHA-1. Default true, as on real nodes.
    pub sha1_client_signatures: bool,
    /// Decides on the client's key. With a filter, clients whose certificate
    /// yields no key are refused: RSA ones, and EC ones that do not meet the
    /// rules of [`peer_public_key`](crate::peer_public_key). Default: let all in.
    pub filter: Option<Arc<dyn PeerFilter>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            check_cert_issuer: true,
            sha1_client_signatures: true,
            filter: None,
        }
    }
}

impl ServerOptions {
    /// Sets [`ServerOptions::check_cert_issuer`].
    #[must_use]
    pub fn check_cert_issuer(mut self, check: bool) -> Self {
        self.check_cert_issuer = check;
        self
    }

    /// Sets [`ServerOptions::sha1_client_signatures`].
    #[must_use]
    pub fn sha1_client_signatures(mut self, allow: bool) -> Self {
        self.sha1_client_signatures = allow;
        self
    }

    /// Sets [`ServerOptions::filter`].
    #[must_use]
    pub fn filter(mut self, filter: Arc<dyn PeerFilter>) -> Self {
        self.filter = Some(filter);
        self
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("check_cert_issuer", &self.check_cert_issuer)
            .field("sha1_client_signatures", &self.sha1_client_signatures)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

/// What a node asks of other nodes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PeerOptions {
    /// Whether an SDK's certificate does for a node, too. Default false.
    pub sdk_certificates_as_nodes: bool,
    /// Decides on the node's ID. Default: let all in.
    pub filter: Option<Arc<dyn PeerFilter>>,
}

impl PeerOptions {
    /// Sets [`PeerOptions::sdk_certificates_as_nodes`].
    #[must_use]
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.sdk_certificates_as_nodes = allow;
        self
    }

    /// Sets [`PeerOptions::filter`].
    #[must_use]
    pub fn filter(mut self, filter: Option<Arc<dyn PeerFilter>>) -> Self {
        self.filter = filter;
        self
    }
}

impl fmt::Debug for PeerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerOptions")
            .field("sdk_certificates_as_nodes", &self.sdk_certificates_as_nodes)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

/// What an SDK asks of the nodes it connects to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Whether an SDK's certificate does for a node, too. Default false.
    pub sdk_certificates_as_nodes: bool,
    /// The only nodes that do, by their keys. Default: all of the chain.
    pub node_keys: Option<Vec<NodeKey>>,
}

impl ClientOptions {
    /// Sets [`ClientOptions::sdk_certificates_as_nodes`].
    #[must_use]
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.sdk_certificates_as_nodes = allow;
        self
    }

    /// Sets [`ClientOptions::node_keys`].
    #[must_use]
    pub fn node_keys(mut self, keys: impl IntoIterator<Item = NodeKey>) -> Self {
        self.node_keys = Some(keys.into_iter().collect());
        self
    }
}

impl Identity {
    /// For dialling a node's channel port, with the default [`ClientOptions`]: an SDK's certificate
    /// is refused.
    ///
    /// # Errors
    /// [`TlsError::Rustls`] if rustls refuses the combination, which it does
    /// not for any identity that could be loaded.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.dialling(&self.verifier_of_nodes(ClientOptions::default()))
    }

    /// For a node's channel port.
    ///
    /// # Errors
    /// As [`Identity::verifier_of_sdks`] and [`Identity::client_config`].
    pub fn server_config(&self, options: ServerOptions) -> Result<Arc<ServerConfig>, TlsError> {
        self.listening(&self.verifier_of_sdks(options)?)
    }

    /// For dialling another node. `filter` decides on the node's ID; `None`
    /// lets all in. An SDK's certificate is refused.
    ///
    /// # Errors
    /// As [`Identity::verifier_of_peers`] and [`Identity::client_config`].
    pub fn peer_client_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        self.dialling(&self.verifier_of_peers(PeerOptions::default().filter(filter))?)
    }

    /// For a node's P2P port. `filter` decides on the node's ID; `None` lets
    /// all in. Nodes of other agencies are welcome, as on real nodes; an SDK's
    /// certificate is refused.
    ///
    /// # Errors
    /// As [`Identity::peer_client_config`].
    pub fn peer_server_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        self.listening(&self.verifier_of_peers(PeerOptions::default().filter(filter))?)
    }

    /// Judges the nodes whose channel port is dialled.
    pub fn verifier_of_nodes(&self, options: ClientOptions) -> PeerVerifier {
        self.verifier(node_rules(options), None)
    }

    /// Judges the SDKs that connect to a node's channel port.
    ///
    /// # Errors
    /// [`TlsError::NoIssuer`] with `check_cert_issuer` if the certificate of our own issuer is neither
    /// in our chain nor in `ca.crt`.
    pub fn verifier_of_sdks(&self, options: ServerOptions) -> Result<PeerVerifier, TlsError> {
        let issuer = match options.check_cert_issuer {
            true => Some(self.own_issuer()?),
            false => None,
        };
        let rules = Rules {
            issuer,
            sha1_signatures: options.sha1_client_signatures && self.mode() == Mode::Ec,
            ..Rules::default()
        };
        Ok(self.verifier(rules, options.filter))
    }

    /// Judges other nodes, those that are dialled and those that dial.
    ///
    /// # Errors
    /// [`TlsError::NotEc`] for an RSA identity (p2p-v2 section 2.1),
    /// [`TlsError::NoNodeId`] for one without [`Identity::public_key`].
    pub fn verifier_of_peers(&self, options: PeerOptions) -> Result<PeerVerifier, TlsError> {
        if self.mode() != Mode::Ec {
            return Err(TlsError::NotEc {
                file: self.cert_file().to_owned(),
            });
        }
        if self.public_key().is_none() {
            return Err(TlsError::NoNodeId {
                file: self.cert_file().to_owned(),
            });
        }
        let rules = Rules {
            need_public_key: true,
            no_sdks: !options.sdk_certificates_as_nodes,
            ..Rules::default()
        };
        Ok(self.verifier(rules, options.filter))
    }

    fn verifier(&self, rules: Rules, filter: Option<Arc<dyn PeerFilter>>) -> PeerVerifier {
        let lists = Lists {
            revoked: self.revoked().clone(),
            filter,
        };
        PeerVerifier::new(self.mode(), self.anchors(), rules, lists)
    }

    /// For dialling those that `verifier` lets in.
    ///
    /// # Errors
    /// As [`Identity::client_config`].
    pub fn dialling(&self, verifier: &PeerVerifier) -> Result<Arc<ClientConfig>, TlsError> {
        let verifier = Verifier::new(verifier.clone(), Side::Server);
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(crypto_provider(self.mode())))
                .with_protocol_versions(&[&TLS12])?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(self.certified_key());
        config.enable_sni = false;
        // OpenSSL 1.0.2, which production nodes derive from, does not have it.
        config.require_ems = false;
        // A resumed session skips the verifier: a certificate that has
        // expired or a peer that was blacklisted since would get in. Links
        // live for days, so a full handshake costs nothing that matters.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// For letting those in that `verifier` does.
    ///
    /// # Errors
    /// As [`Identity::client_config`].
    pub fn listening(&self, verifier: &PeerVerifier) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = Verifier::new(verifier.clone(), Side::Client);
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(crypto_provider(self.mode())))
                .with_protocol_versions(&[&TLS12])?
                .with_client_cert_verifier(Arc::new(verifier))
                .with_cert_resolver(self.certified_key());
        config.require_ems = false;
        // No resumption, for the reason given above. Tickets are off unless a
        // ticketer is set.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    /// As [`verifier_of_nodes`](Self::verifier_of_nodes), for nodes that may decrypt the key exchange
    /// instead of signing it.
    #[cfg(feature = "legacy-rsa")]
    pub(crate) fn verifier_of_legacy_nodes(&self, options: ClientOptions) -> PeerVerifier {
        let rules = Rules {
            may_decipher: true,
            ..node_rules(options)
        };
        self.verifier(rules, None)
    }

    /// By resolver, because rustls' shorter ways parse the certificate with
    /// webpki, which refuses version 1.
    fn certified_key(&self) -> Arc<SingleCertAndKey> {
        let key = CertifiedKey::new(self.chain().to_vec(), self.signing_key());
        Arc::new(SingleCertAndKey::from(key))
    }
}

fn node_rules(options: ClientOptions) -> Rules {
    Rules {
        no_sdks: !options.sdk_certificates_as_nodes,
        pins: options.node_keys.map(Into::into),
        ..Rules::default()
    }
}
