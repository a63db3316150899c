//! Access: TLS with certificates of the chain on both sides.

use std::{sync::Arc, time::Duration};

use amop_proto::channel::{Frame, FrameType};
use amop_proto::log::with_causes;
use amop_tls::{
    Identity, Mode,
    pki::{Authority, Leaf, RsaAuthority},
    rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    Check, Run,
    bench::Bench,
    link::{PATIENCE, seq},
    problem::{CheckProblem, Checked, failed, passed},
};
use crate::wire;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "tls-no-certificate",
        section: "2.4",
        about: "a client without a certificate is refused",
        run: Run::Node(|bench| Box::pin(no_certificate(bench))),
    },
    Check {
        name: "tls-stranger",
        section: "2.5",
        about: "a client with a certificate of another chain is refused",
        run: Run::Node(|bench| Box::pin(stranger(bench))),
    },
    Check {
        name: "tls-plain-text",
        section: "2.1",
        about: "a frame outside of TLS is not answered",
        run: Run::Node(|bench| Box::pin(plain_text(bench))),
    },
];

/// A resolver that presents its certificate, or none.
#[derive(Debug)]
struct Presents(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Presents {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

async fn no_certificate(bench: &Bench) -> Checked {
    refused(bench, Presents(None)).await
}

async fn stranger(bench: &Bench) -> Checked {
    let identity = match bench.identity.mode() {
        Mode::Rsa => rsa_stranger(),
        _ => ec_stranger(),
    };
    let presented = identity.and_then(|identity| Ok(identity.client_config()?));
    let key = match presented {
        Ok(config) => config.client_auth_cert_resolver.resolve(&[], &[]),
        Err(error) => {
            return Err(CheckProblem::Skipped(format!(
                "cannot create a certificate: {}",
                with_causes(&*error)
            )));
        }
    };
    refused(bench, Presents(key)).await
}

type Made = Result<Identity, Box<dyn std::error::Error + Send + Sync>>;

fn ec_stranger() -> Made {
    let agency = Authority::new_ec("another-chain")?.agency("agency")?;
    let issued = agency.issue(Leaf::Sdk, "sdk")?;
    Ok(Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )?)
}

fn rsa_stranger() -> Made {
    let authority = RsaAuthority::new("another-agency")?;
    let issued = authority.issue()?;
    Ok(Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        authority.cert_pem().as_bytes(),
    )?)
}

/// Checks that the TLS handshake fails because of the certificate. With the right certificate it
/// succeeds, otherwise the run would not have started.
async fn refused(bench: &Bench, presents: Presents) -> Checked {
    let mut tls = bench.tls().clone();
    tls.client_auth_cert_resolver = Arc::new(presents);
    match bench.connect_with(&bench.node, Arc::new(tls)).await {
        Err(crate::WireError::Tls { .. }) => passed(),
        Err(other) => failed(
            "the node ends the TLS handshake",
            with_causes(&other).to_string(),
        ),
        Ok(_) => failed("the node ends the TLS handshake", "the node completes it"),
    }
}

async fn plain_text(bench: &Bench) -> Checked {
    const EXPECTED: &str = "no frame in answer";
    let request = Frame::new(FrameType::HEARTBEAT, seq(), "0").to_bytes();
    let talk = async {
        let mut tcp = wire::connect_tcp(&bench.node.endpoint).await?;
        tcp.write_all(&request).await?;
        let mut answer = vec![0; 1024];
        // An alert may arrive, and then the end. A node that waits for more passes as well.
        let len = match timeout(Duration::from_secs(1), tcp.read(&mut answer)).await {
            Ok(len) => len?,
            Err(_) => 0,
        };
        answer.truncate(len);
        std::io::Result::Ok(answer)
    };
    match timeout(PATIENCE, talk).await {
        Ok(Ok(answer)) if answer.windows(32).any(|part| part == &request[6..38]) => {
            failed(EXPECTED, hex::encode(answer))
        }
        Ok(Ok(_)) => passed(),
        // The node closed the connection, which is the best answer.
        Ok(Err(error)) if amop_tls::is_end(&error) => passed(),
        Ok(Err(error)) => failed("a TCP connection", error.to_string()),
        Err(_) => failed("a TCP connection", "none in time"),
    }
}
