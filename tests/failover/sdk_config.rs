//! Clients configured by the files of other SDKs.

use amop::{Client, TopicName};
use amop_testkit::{Graph, within};
use amop_tls::pki::Leaf;

/// A client created from another SDK's file, with the certificates that the file names.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_connects_as_a_java_or_go_sdks_file_says() {
    let chain = Graph::full(2).await;
    let folder = tempfile::tempdir().unwrap();
    let issued = chain.agency().issue(Leaf::Sdk, "sdk").unwrap();
    let files = [
        ("ca.crt", chain.agency().root_pem()),
        ("sdk.crt", &issued.cert_pem),
        ("sdk.key", &issued.key_pem),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let at = folder.path().display();
    let (first, second) = (chain.endpoint(0), chain.endpoint(1));
    let java = format!(
        "[cryptoMaterial]\ncertPath = \"{at}\"\n[network]\npeers = [\"{first}\", \"{second}\"]\n"
    );
    let go = format!(
        "[Network]\nType=\"channel\"\nCAFile=\"ca.crt\"\nCert=\"sdk.crt\"\nKey=\"sdk.key\"\n\
         [[Network.Connection]]\nNodeURL=\"{first}\"\nGroupID=1\n\
         [[Network.Connection]]\nNodeURL=\"{second}\"\nGroupID=1\n"
    );
    let held = format!(
        "[Network]\nType=\"Channel\"\nCAContext='''{}'''\nCertContext='''{}'''\nKeyContext='''{}'''\n\
         [[Network.Connection]]\nNodeURL=\"{first}\"\n[[Network.Connection]]\nNodeURL=\"{second}\"\n",
        files[0].1, files[1].1, files[2].1
    );
    let old = folder.path().join("old");
    std::fs::create_dir(&old).unwrap();
    for (name, text) in [("ca.crt", 0), ("node.crt", 1), ("node.key", 2)] {
        // With line ends as an editor on Windows writes them.
        let text = files[text].1.replace('\n', "\r\n");
        std::fs::write(old.join(name), format!("\u{feff}{text}")).unwrap();
    }
    let before_2_1 = java.replace(&format!("{at}"), &format!("{}", old.display()));
    let topic = TopicName::new("hello").unwrap();
    for text in [java, go, held, before_2_1] {
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let client = within("connecting", Client::from_config(&path))
            .await
            .unwrap();
        assert_eq!(client.endpoints().collect::<Vec<_>>(), [&first, &second]);
        client
            .publish_multicast_raw(&topic, "hi".into())
            .await
            .unwrap();
        within("a client's end", client.close()).await;
    }
    chain.end([]).await;
}
