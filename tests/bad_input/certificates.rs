//! Certificates that are not accepted.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use amop::{Client, ConnectError, HandshakeFailure};
use amop_node::Network;
use amop_testkit::{
    Bystanders, PATIENCE, RawLink, agency, builder, identity, identity_of, log, network, within,
};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Issued, Leaf, Validity},
    rustls::{ClientConfig, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey},
};

use super::roles;

/// Returns the error when connecting with an identity; its message must name the endpoint.
async fn failure(endpoint: &str, identity: Identity) -> (HandshakeFailure, String) {
    roles::failure(endpoint, Client::builder().identity(identity)).await
}

async fn beside_bystanders<F: AsyncFnOnce(&Network)>(test: F) {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    test(&network).await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_chain_does_not_trust_the_node() {
    beside_bystanders(async |network| {
        let stranger = identity(&agency(), Leaf::Sdk, "stranger");
        let (failure, text) = failure(network.endpoint(1), stranger).await;
        assert!(
            matches!(failure, HandshakeFailure::PeerUnknownIssuer { .. }),
            "{failure:?}"
        );
        assert!(text.contains("compare ca.crt"), "{text}");
        // Whose certificate it is.
        assert!(text.contains("certificate \"CN=node1"), "{text}");
        log()
            .wait_for(&["SDK at", "refused: the peer refused our certificate"])
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_trust_a_client_of_another_chain() {
    beside_bystanders(async |network| {
        // The right ca.crt with the wrong sdk.crt.
        let issued = agency().issue(Leaf::Sdk, "stranger").unwrap();
        let mixed = mixed(&issued, network.agency());
        let (failure, text) = failure(network.endpoint(0), mixed).await;
        assert!(
            matches!(failure, HandshakeFailure::OursRefused { .. }),
            "{failure:?}"
        );
        assert!(text.contains("our folder is of another chain"), "{text}");
        log()
            .wait_for(&[
                "SDK at",
                "refused: the peer's certificate \"CN=stranger",
                "was not issued by",
            ])
            .await;
    })
    .await;
}

fn mixed(issued: &Issued, agency: &Agency) -> Identity {
    identity_of(&issued.cert_pem, &issued.key_pem, agency.root_pem())
}

fn expired() -> Validity {
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    Validity {
        not_before: now - 10 * day,
        not_after: now - day,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_client_is_told_so() {
    beside_bystanders(async |network| {
        let issued = network
            .agency()
            .issue_with(Leaf::Sdk, "old", expired())
            .unwrap();
        let old = mixed(&issued, network.agency());
        let (failure, text) = failure(network.endpoint(0), old).await;
        assert!(
            matches!(failure, HandshakeFailure::OursRefused { .. }),
            "{failure:?}"
        );
        assert!(text.contains("has expired"), "{text}");
        log()
            .wait_for(&[
                "SDK at",
                "refused: a certificate of the peer \"CN=",
                " expired at 20",
                "Z; renew it",
            ])
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_node_is_not_trusted() {
    let agency = agency();
    let issued = agency.issue_with(Leaf::Node, "node0", expired()).unwrap();
    let node = amop_node::Node::builder()
        .identity(mixed(&issued, &agency))
        .start()
        .await
        .unwrap();
    let endpoint = node.channel_address().to_string();
    let (failure, text) = failure(&endpoint, identity(&agency, Leaf::Sdk, "sdk")).await;
    assert!(
        matches!(
            failure,
            HandshakeFailure::PeerExpired {
                not_after: Some(_),
                ..
            }
        ),
        "{failure:?}"
    );
    assert!(text.contains("renew it"), "{text}");
    assert!(text.contains("\"CN=node0"), "{text}");
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_agency_is_refused_unless_the_node_allows_it() {
    let chain = Authority::new_ec("chain").unwrap();
    let (ours, theirs) = (
        chain.agency("agencyA").unwrap(),
        chain.agency("agencyB").unwrap(),
    );
    let start = async |check| {
        amop_node::Node::builder()
            .identity(identity(&ours, Leaf::Node, "node0"))
            .check_cert_issuer(check)
            .start()
            .await
            .unwrap()
    };
    let strict = start(true).await;
    let lenient = start(false).await;
    let sdk = identity(&theirs, Leaf::Sdk, "sdk");
    let endpoint = strict.channel_address().to_string();
    let (failure, text) = failure(&endpoint, sdk.clone()).await;
    assert!(
        matches!(failure, HandshakeFailure::OursRefused { .. }),
        "{failure:?}"
    );
    assert!(text.contains("check_cert_issuer=true"), "{text}");
    log()
        .wait_for(&["agencyB", "agencyA", "set check_cert_issuer=false"])
        .await;

    let client = Client::builder()
        .endpoint(lenient.channel_address().to_string())
        .identity(sdk)
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    client.close().await;
    strict.shutdown().await;
    lenient.shutdown().await;
}

/// Offers no certificate although the server asks for one.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_certificate() {
    beside_bystanders(async |network| {
        let node = network.node(0).unwrap();
        let mut config = ClientConfig::clone(&network.sdk().client_config().unwrap());
        config.client_auth_cert_resolver = Arc::new(NoCertificate);
        let config = Arc::new(config);
        for address in [node.channel_address(), node.p2p_address()] {
            let address = address.to_string();
            let link = RawLink::connect(&address, config.clone());
            let error = within("the refusal", link).await.unwrap_err();
            assert!(error.to_string().contains("alert"), "{error}");
        }
        for who in ["SDK", "node"] {
            log()
                .wait_for(&[who, "refused: the client sent no certificate"])
                .await;
        }
    })
    .await;
}

/// The folder of certificates that every SDK reads, damaged in all possible ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_folder_names_the_file() {
    let network = network(1).await;
    let issued = network.agency().issue(Leaf::Sdk, "sdk").unwrap();
    let other = network.agency().issue(Leaf::Sdk, "other").unwrap();
    let root = network.agency().root_pem();
    let garbage = "no certificate at all";
    let cases: [(&str, Option<&str>, &str); 7] = [
        ("ca.crt", None, "does not exist; copy it"),
        ("sdk.crt", None, "does not exist; copy it"),
        ("sdk.key", None, "does not exist; copy it"),
        ("ca.crt", Some(garbage), "is not a PEM file"),
        ("sdk.crt", Some(garbage), "is not a PEM file"),
        ("sdk.key", Some(garbage), "is not a PEM file"),
        (
            "sdk.key",
            Some(&other.key_pem),
            "is not that of the first certificate",
        ),
    ];
    for (file, content, message) in cases {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.crt", root);
        write("sdk.crt", &issued.cert_pem);
        write("sdk.key", &issued.key_pem);
        match content {
            Some(text) => write(file, text),
            None => std::fs::remove_file(dir.path().join(file)).unwrap(),
        }
        let error = builder(&network, 0)
            .certificates(dir.path())
            .connect()
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::Certificates(_)), "{error:?}");
        let text = amop::with_causes(&error).to_string();
        let path = dir.path().join(file);
        assert!(text.contains(&*path.to_string_lossy()), "{file}: {text}");
        assert!(text.contains(message), "{file}: {text}");
    }
    network.shutdown().await;
}
