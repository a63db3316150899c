//! rustls configurations made from an [`Identity`].

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{ClientConfig, ServerConfig};

use crate::filter::PeerFilter;
use crate::peers::PeerVerifier;
use crate::pin::NodeKey;
use crate::rules::{ReplaceableLists, Rules};
use crate::verify::RustlsVerifier;
use crate::{Identity, Mode, Side, TlsError, crypto_provider};

/// The requirements of a node's channel port for its clients.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Whether a client's leaf must be signed by the key that signed the node's own certificate:
    /// that of its agency, or of its channel's CA (channel-v2 section 2.5; FISCO nodes compare the
    /// names, and only of EC leaves). Default true, as on nodes since 2.5.0.
    pub check_cert_issuer: bool,
    /// Whether SDKs with a secp256k1 key may sign their handshake with SHA-1, as SDKs in Java on
    /// JDK 8 to 15 must. SDKs that support SHA-256 use it. [`PeerVerifier::signed_with_sha1`]
    /// returns which clients used SHA-1. Signatures with SHA-1 are never accepted in certificates
    /// or from nodes. Default true, as on FISCO nodes.
    pub sha1_client_signatures: bool,
    /// Decides by the client's key. With a filter, clients whose certificate yields no key are
    /// refused: those with RSA, and those with EC that violate the rules of
    /// [`peer_public_key`](crate::peer_public_key). Default: accept all.
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

/// The requirements of a node for other nodes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PeerOptions {
    /// Whether nodes with an SDK's certificate are accepted. Default false.
    pub sdk_certificates_as_nodes: bool,
    /// Decides by the node's ID. Default: accept all.
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

/// The requirements of an SDK for the nodes that it connects to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Whether nodes with an SDK's certificate are accepted. Default false.
    pub sdk_certificates_as_nodes: bool,
    /// The keys of the only nodes that are accepted. Default: all nodes of the chain.
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
    /// Returns the configuration for connecting to a node's channel port, with the default
    /// [`ClientOptions`]: an SDK's certificate is refused.
    ///
    /// # Errors
    /// [`TlsError::Rustls`] if rustls refuses the combination. This does not happen for an identity
    /// that could be loaded.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.dialling(&self.verifier_of_nodes(ClientOptions::default()))
    }

    /// Returns the configuration for a node's channel port.
    ///
    /// # Errors
    /// Those of [`Identity::verifier_of_sdks`] and [`Identity::client_config`].
    pub fn server_config(&self, options: ServerOptions) -> Result<Arc<ServerConfig>, TlsError> {
        self.listening(&self.verifier_of_sdks(options)?)
    }

    /// Returns the configuration for connecting to another node. `filter` decides by the node's ID;
    /// `None` accepts all. An SDK's certificate is refused.
    ///
    /// # Errors
    /// Those of [`Identity::verifier_of_peers`] and [`Identity::client_config`].
    pub fn peer_client_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        self.dialling(&self.verifier_of_peers(PeerOptions::default().filter(filter))?)
    }

    /// Returns the configuration for a node's P2P port. `filter` decides by the node's ID; `None`
    /// accepts all. Nodes of other agencies are accepted, as on FISCO nodes; an SDK's certificate
    /// is refused.
    ///
    /// # Errors
    /// Those of [`Identity::peer_client_config`].
    pub fn peer_server_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        self.listening(&self.verifier_of_peers(PeerOptions::default().filter(filter))?)
    }

    /// Returns the verifier for nodes to whose channel port this side connects.
    pub fn verifier_of_nodes(&self, options: ClientOptions) -> PeerVerifier {
        self.verifier(node_rules(options), None)
    }

    /// Returns the verifier for SDKs that connect to a node's channel port.
    ///
    /// # Errors
    /// [`TlsError::NoIssuer`] with `check_cert_issuer` if the certificate of this side's issuer is
    /// neither in this side's chain nor in `ca.crt`.
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

    /// Returns the verifier for other nodes, whichever side connects.
    ///
    /// # Errors
    /// [`TlsError::NotEc`] for an RSA identity (p2p-v2 section 2.1), [`TlsError::NoNodeId`] for an
    /// identity without [`Identity::public_key`].
    pub fn verifier_of_peers(&self, options: PeerOptions) -> Result<PeerVerifier, TlsError> {
        if self.mode() != Mode::Ec {
            return Err(TlsError::NotEc {
                file: self.cert_file().to_owned(),
                subject: self.subject().to_owned(),
            });
        }
        if self.public_key().is_none() {
            return Err(TlsError::NoNodeId {
                file: self.cert_file().to_owned(),
                subject: self.subject().to_owned(),
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
        let lists = ReplaceableLists {
            revoked: self.revoked().clone(),
            filter,
        };
        PeerVerifier::new(self.mode(), self.anchors(), rules, lists)
    }

    /// Returns the configuration for connecting to peers that `verifier` accepts.
    ///
    /// # Errors
    /// Those of [`Identity::client_config`].
    pub fn dialling(&self, verifier: &PeerVerifier) -> Result<Arc<ClientConfig>, TlsError> {
        let verifier = RustlsVerifier::new(verifier.clone(), Side::Server);
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(crypto_provider(self.mode())))
                .with_protocol_versions(&[&TLS12])?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(self.certified_key());
        config.enable_sni = false;
        // OpenSSL 1.0.2, on which production nodes are based, does not support it.
        config.require_ems = false;
        // A resumed session skips the verifier, so it would admit a peer whose certificate has
        // expired or that was blacklisted since. Connections last for days, so the cost of a full
        // handshake does not matter.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// Returns the configuration for accepting peers that `verifier` accepts.
    ///
    /// # Errors
    /// Those of [`Identity::client_config`].
    pub fn listening(&self, verifier: &PeerVerifier) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = RustlsVerifier::new(verifier.clone(), Side::Client);
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

    /// Does the same as [`verifier_of_nodes`](Self::verifier_of_nodes), for nodes that may decrypt
    /// the key exchange instead of signing it.
    #[cfg(feature = "legacy-rsa")]
    pub(crate) fn verifier_of_legacy_nodes(&self, options: ClientOptions) -> PeerVerifier {
        let rules = Rules {
            may_decipher: true,
            ..node_rules(options)
        };
        self.verifier(rules, None)
    }

    /// A resolver is used because the shorter functions of rustls parse the certificate with
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
