//! rustls configurations made from an [`Identity`].

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{ClientConfig, ServerConfig};

use crate::key::PeerFilter;
use crate::verify::{Rules, Verifier};
use crate::{Identity, Mode, Side, TlsError, crypto_provider};

/// What a node's channel port asks of its clients.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// A client's EC leaf must be issued by the agency that issued the node's
    /// own certificate (channel-v2 section 2.5). Default true, as on nodes
    /// since 2.5.0.
    pub check_cert_issuer: bool,
    /// Decides on the client's key. With a filter, clients whose certificate
    /// yields no key are refused: RSA ones, and EC ones that do not meet the
    /// rules of [`peer_public_key`](crate::peer_public_key). Default: let all in.
    pub filter: Option<Arc<dyn PeerFilter>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            check_cert_issuer: true,
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
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

impl Identity {
    /// For dialling a node's channel port.
    ///
    /// # Errors
    /// [`TlsError::Rustls`] if rustls refuses the combination, which it does
    /// not for any identity that could be loaded.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.client(Rules::default())
    }

    /// For a node's channel port.
    ///
    /// # Errors
    /// As [`Identity::client_config`].
    pub fn server_config(&self, options: ServerOptions) -> Result<Arc<ServerConfig>, TlsError> {
        self.server(Rules {
            issuer: options.check_cert_issuer.then(|| self.own_issuer().clone()),
            need_public_key: options.filter.is_some(),
            filter: options.filter,
        })
    }

    /// For dialling another node. `filter` decides on the node's ID; `None`
    /// lets all in.
    ///
    /// # Errors
    /// [`TlsError::NotEc`] for an RSA identity (p2p-v2 section 2.1),
    /// [`TlsError::NoNodeId`] for one without [`Identity::public_key`], else
    /// as [`Identity::client_config`].
    pub fn peer_client_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        self.client(self.peer_rules(filter)?)
    }

    /// For a node's P2P port. `filter` decides on the node's ID; `None` lets
    /// all in. Nodes of other agencies are welcome, as on real nodes.
    ///
    /// # Errors
    /// As [`Identity::peer_client_config`].
    pub fn peer_server_config(
        &self,
        filter: Option<Arc<dyn PeerFilter>>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        self.server(self.peer_rules(filter)?)
    }

    fn peer_rules(&self, filter: Option<Arc<dyn PeerFilter>>) -> Result<Rules, TlsError> {
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
        Ok(Rules {
            issuer: None,
            need_public_key: true,
            filter,
        })
    }

    fn client(&self, rules: Rules) -> Result<Arc<ClientConfig>, TlsError> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(crypto_provider(self.mode())))
                .with_protocol_versions(&[&TLS12])?
                .dangerous()
                .with_custom_certificate_verifier(self.verifier(Side::Server, rules))
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

    fn server(&self, rules: Rules) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(crypto_provider(self.mode())))
                .with_protocol_versions(&[&TLS12])?
                .with_client_cert_verifier(self.verifier(Side::Client, rules))
                .with_cert_resolver(self.certified_key());
        config.require_ems = false;
        // No resumption, for the reason given above. Tickets are off unless a
        // ticketer is set.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    pub(crate) fn verifier(&self, peer: Side, rules: Rules) -> Arc<Verifier> {
        Arc::new(Verifier::new(
            self.mode(),
            peer,
            self.anchors(),
            self.revoked().clone(),
            rules,
        ))
    }

    /// By resolver, because rustls' shorter ways parse the certificate with
    /// webpki, which refuses version 1.
    fn certified_key(&self) -> Arc<SingleCertAndKey> {
        let key = CertifiedKey::new(self.chain().to_vec(), self.signing_key());
        Arc::new(SingleCertAndKey::from(key))
    }
}
