//! [`Tls`], the choice of a client's TLS implementation.

/// The TLS implementation of a client.
///
/// [`Tls::rustls`] is the default. It works with every node except one kind: production nodes in
/// RSA mode (`rsa_crypto_channel=true`), which offer only static-RSA key exchange. For these use
/// `Tls::legacy_rsa` with the cargo feature `legacy-rsa`.
#[derive(Debug, Clone, Default)]
pub struct Tls(pub(crate) Backend);

#[derive(Debug, Clone, Default)]
pub(crate) enum Backend {
    #[default]
    Rustls,
    #[cfg(feature = "legacy-rsa")]
    LegacyRsa,
}

impl Tls {
    /// Uses rustls: TLS 1.2 with forward secrecy, for nodes in EC mode and for overlay nodes in RSA
    /// mode.
    pub fn rustls() -> Self {
        Self(Backend::Rustls)
    }

    /// Uses OpenSSL, for production nodes in RSA mode. Needs the feature `legacy-rsa`.
    ///
    /// The certificates must be those of an SDK folder in RSA mode. The node's certificate chain is
    /// checked by the same code and rules as by default, and the client certificate is sent as by
    /// default. If the node supports a key exchange with forward secrecy (ECDHE), that is
    /// preferred.
    ///
    /// **Warning:** static RSA has no forward secrecy. An attacker who records the traffic and
    /// later gets the node's `channel_cert/node.key` can read all of it. If possible, set
    /// `rsa_crypto_channel=false` on the node instead.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), amop::ConnectError> {
    /// let client = amop::Client::builder()
    ///     .endpoint("127.0.0.1:20200")
    ///     .certificates("nodes/127.0.0.1/sdk")
    ///     .tls(amop::Tls::legacy_rsa())
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "legacy-rsa")]
    pub fn legacy_rsa() -> Self {
        Self(Backend::LegacyRsa)
    }
}
