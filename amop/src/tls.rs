//! [`Tls`]: which TLS implementation a client connects with.

/// How a client does TLS.
///
/// [`Tls::rustls`] is the default and right for all nodes but one kind: production nodes in RSA
/// mode (`rsa_crypto_channel=true`), which offer static-RSA key exchange only. For those there is
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
    /// rustls: TLS 1.2 with forward secrecy, for nodes in EC mode and for nodes of this project in
    /// RSA mode.
    pub fn rustls() -> Self {
        Self(Backend::Rustls)
    }

    /// OpenSSL, for production nodes in RSA mode. Feature `legacy-rsa`.
    ///
    /// The certificates must be an RSA-mode SDK folder. The node's chain is checked by the same
    /// code and rules as by default, and the client certificate is sent as by default. Key exchange
    /// with forward secrecy (ECDHE) is preferred where a node has it.
    ///
    /// **Warning:** static RSA has no forward secrecy. Whoever records the traffic and later gets
    /// the node's `channel_cert/node.key` reads all of it. Prefer `rsa_crypto_channel=false` on the
    /// node where you can.
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
