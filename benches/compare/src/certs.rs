//! ECDSA P-256 certificates for systems that cannot use the chain's secp256k1 certificates.

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// Writes `ca.crt`, and a `.crt` and a `.key` file each for `server` and `client`.
pub fn write(dir: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "ca");
    let ca = params.self_signed(&key)?;
    fs::create_dir_all(dir)?;
    fs::write(dir.join("ca.crt"), ca.pem())?;
    let issuer = Issuer::new(params, key);
    for name in ["server", "client"] {
        let key = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &issuer)?;
        fs::write(dir.join(format!("{name}.crt")), cert.pem())?;
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}

/// Returns the client's configuration for mutual TLS.
pub fn client(dir: &Path) -> Result<Arc<ClientConfig>> {
    let (chain, key) = identity(dir, "client")?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots(dir)?)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// Returns the server's configuration for mutual TLS.
pub fn server(dir: &Path) -> Result<Arc<ServerConfig>> {
    let (chain, key) = identity(dir, "server")?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(dir)?)).build()?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

fn roots(dir: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for cert in certs(&dir.join("ca.crt"))? {
        roots.add(cert)?;
    }
    Ok(roots)
}

fn identity(
    dir: &Path,
    name: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let path = dir.join(format!("{name}.key"));
    let key = PrivateKeyDer::from_pem_file(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok((certs(&dir.join(format!("{name}.crt")))?, key))
}

fn certs(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let context = || format!("cannot read {}", path.display());
    let file = BufReader::new(File::open(path).with_context(context)?);
    CertificateDer::pem_reader_iter(file)
        .collect::<Result<_, _>>()
        .with_context(context)
}
