//! Tests with configuration files of other SDKs, valid and wrong ones.

use std::{path::Path, time::Duration};

use amop_proto::{channel::PrivateName, log::with_causes};
use amop_tls::PemSource;

use super::*;
use crate::{ClientBuilder, Protocol, SdkConfigError, TopicKey};

const JAVA: &str = include_str!("../../tests/data/java-sdk-config.toml");
const JAVA_V3: &str = include_str!("../../tests/data/java-sdk-3-config.toml");
const C: &str = include_str!("../../tests/data/c-sdk-config.ini");
const GO: &str = include_str!("../../tests/data/go-sdk-config.toml");

fn parse(text: &str) -> Result<SdkConfig, SdkConfigError> {
    SdkConfig::parse("nowhere/config.toml", text)
}

fn file(path: &str) -> PemSource {
    PemSource::File(path.into())
}

#[test]
fn a_java_sdks_file() {
    let config = parse(JAVA).unwrap();
    assert_eq!(config.layout, SdkLayout::Java);
    assert_eq!(config.endpoints, ["127.0.0.1:20200", "127.0.0.1:20201"]);
    assert_eq!(config.ca, file("conf/ca.crt"));
    assert_eq!(config.cert, file("certificates/app.crt"));
    assert_eq!(config.key, file("conf/sdk.key"));
    let [publish, subscribe] = &config.private_topics[..] else {
        panic!("{config:?}");
    };
    assert_eq!(publish.topic, "settlement");
    let key = Path::new("conf/amop/consumer_public_key_1.pem");
    assert_eq!(publish.public_keys, [key]);
    assert_eq!(publish.private_key, None);
    let key = PrivateKeySource::File("conf/amop/consumer_private_key.p12".into());
    assert_eq!(subscribe.private_key, Some(key));
    assert_eq!(subscribe.password.as_deref(), Some("123456"));
    assert!(!format!("{config:?}").contains("123456"));
    assert_eq!((publish.line, subscribe.line), (13, 17));
    assert_eq!(config.warnings, []);
}

#[test]
fn a_go_sdks_file() {
    let config = parse(GO).unwrap();
    assert_eq!(config.layout, SdkLayout::Go);
    assert_eq!(
        config.endpoints,
        ["127.0.0.1:20200", "node1.example.org:20201"]
    );
    assert_eq!(config.ca, file("./sdk/ca.crt"));
    assert_eq!(config.cert, file("./sdk/sdk.crt"));
    assert_eq!(config.key, file("./sdk/sdk.key"));
    assert_eq!(config.warnings, []);
}

#[test]
fn a_java_sdks_file_of_version_3() {
    let config = parse(JAVA_V3).unwrap();
    assert_eq!(config.layout, SdkLayout::JavaV3);
    assert_eq!((config.protocol, config.tls), (Protocol::V3, true));
    assert_eq!(config.timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.endpoints, ["127.0.0.1:20200", "[::1]:20201"]);
    assert_eq!(config.ca, file("conf/ca.crt"));
    assert_eq!(config.cert, file("conf/sdk.crt"));
    assert_eq!(config.key, file("certificates/app.key"));
    assert_eq!(config.warnings, []);
    // Without its own keys, such a file is like one of version 2: the client finds it out.
    let config = parse("[network]\npeers = [\"a:1\"]").unwrap();
    assert_eq!(config.layout, SdkLayout::Java);
    assert_eq!((config.protocol, config.tls), (Protocol::Auto, true));
    assert_eq!(config.timeout, None);
    assert_eq!(parse(GO).unwrap().protocol, Protocol::V2);
}

#[test]
fn a_c_sdks_file() {
    let config = parse(C).unwrap();
    assert_eq!(config.layout, SdkLayout::C);
    assert_eq!((config.protocol, config.tls), (Protocol::V3, true));
    assert_eq!(config.timeout, Some(Duration::from_secs(10)));
    let endpoints = ["127.0.0.1:20200", "[::1]:20201", "node1.example.org:20200"];
    assert_eq!(config.endpoints, endpoints);
    assert_eq!(config.ca, file("./conf/ca.crt"));
    assert_eq!(config.cert, file("./conf/app.crt"));
    assert_eq!(config.key, file("./conf/sdk.key"));
    assert_eq!(config.warnings, []);
    // As editors on Windows write it.
    let windows = format!("\u{feff}{}", C.replace('\n', "\r\n"));
    assert_eq!(parse(&windows).unwrap().endpoints, endpoints);
    let unknown = parse("[common]\n\ndisable_sl=true\n[peers]\nnode.0=a:1").unwrap();
    let shown = unknown.warnings[0].to_string();
    assert!(
        shown.starts_with("line 3: common.disable_sl is not"),
        "{shown}"
    );
}

/// A switch named `enable` counts if both are there, as in the SDKs.
#[test]
fn files_of_3_x_can_switch_tls_off() {
    let java = |keys: &str| format!("[cryptoMaterial]\n{keys}\n[network]\npeers=[\"a:1\"]");
    let c = |keys: &str| format!("[common]\n{keys}\n[peers]\nnode.0=a:1");
    for (text, tls) in [
        (java("disableSsl = \"true\""), false),
        (java("disableSsl = false"), true),
        (java("enableSsl = false"), false),
        (java("enableSsl = true\ndisableSsl = true"), true),
        // Then the kind of its certificates does not matter.
        (java("disableSsl = true\nuseSMCrypto = true"), false),
        (c("disable_ssl=true"), false),
        (c("disable_ssl = false"), true),
        (c("enable_ssl=0"), false),
        (c("enable_ssl=true\ndisable_ssl=true"), true),
        (c("disable_ssl=true\n[cert]\nssl_type=sm_ssl"), false),
    ] {
        let config = parse(&text).unwrap();
        assert_eq!(config.tls, tls, "{text}");
        assert_eq!(config.protocol, Protocol::V3, "{text}");
    }
}

/// An empty text means that the file is used, as in the Go SDK.
#[test]
fn a_go_sdks_file_may_hold_the_certificates_itself() {
    let text = "[Network]\nType=\"Channel\"\nCAFile=\"other.crt\"\nCAContext='''\nCA'''\n\
                CertContext=''''''\nKeyContext='''\nsecret\n'''\n\
                [[Network.Connection]]\nNodeURL = \"a:1\"\n";
    let config = parse(text).unwrap();
    let text = |of: &PemSource| match of {
        PemSource::Text { name, text } => (name.clone(), text.to_string()),
        other => panic!("{other:?}"),
    };
    let named = |key: &str| format!("Network.{key} in nowhere/config.toml");
    assert_eq!(text(&config.ca), (named("CAContext"), "CA".to_owned()));
    assert_eq!(config.cert, file("sdk.crt"));
    assert_eq!(
        text(&config.key),
        (named("KeyContext"), "secret\n".to_owned())
    );
    assert_eq!(config.warnings, []);
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn the_type_of_network_may_be_in_any_case() {
    for kind in ["channel", "Channel", "CHANNEL"] {
        let text =
            format!("[Network]\nType = \"{kind}\"\n[[Network.Connection]]\nNodeURL = \"a:1\"");
        assert_eq!(parse(&text).unwrap().layout, SdkLayout::Go, "{kind}");
    }
}

/// The Go SDK reads its keys in any case; the Java SDK does not.
#[test]
fn a_go_sdks_file_is_recognised_whatever_the_case_of_its_keys() {
    for text in [GO.to_lowercase(), GO.to_uppercase()] {
        let config = parse(&text.replace("TRUE", "true").replace("FALSE", "false")).unwrap();
        assert_eq!(config.layout, SdkLayout::Go, "{text}");
        let endpoints = parse(GO).unwrap().endpoints;
        let same = config.endpoints.iter().zip(&endpoints);
        assert_eq!(config.endpoints.len(), endpoints.len());
        assert!(same.into_iter().all(|(a, b)| a.eq_ignore_ascii_case(b)));
        assert_eq!(config.warnings, []);
    }
    let java = parse("[network]\npeers = [\"a:1\"]\nType = \"channel\"\n[Network]\n").unwrap();
    assert_eq!(java.layout, SdkLayout::Java);
}

/// A file as editors on Windows write it.
#[test]
fn a_mark_before_the_text_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for text in [JAVA, GO] {
        std::fs::write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
        let config = SdkConfig::load(&path).unwrap();
        assert_eq!(config.endpoints, parse(text).unwrap().endpoints);
    }
}

/// Chains before 2.1 name the SDK's files after nodes.
#[test]
fn files_of_a_chain_before_2_1_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ca.crt", "node.crt", "node.key"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let at = folder.path().display();
    let java = format!("[cryptoMaterial]\ncertPath = \"{at}\"\n[network]\npeers = [\"a:1\"]");
    let go = "[Network]\n[[Network.Connection]]\nNodeURL = \"a:1\"";
    let path = folder.path().join("config.toml");
    for text in [java.as_str(), go] {
        let config = SdkConfig::parse(&path, text).unwrap();
        for (source, name) in [(config.cert, "node.crt"), (config.key, "node.key")] {
            assert_eq!(source, PemSource::File(folder.path().join(name)), "{text}");
        }
    }
}

#[test]
fn defaults_are_those_of_the_sdks() {
    let config = parse("[network]\npeers = [\"a:1\"]").unwrap();
    assert_eq!(config.cert, file("conf/sdk.crt"));
    let config = parse("[Network]\n[[Network.Connection]]\nNodeURL = \"a:1\"").unwrap();
    assert_eq!(config.cert, file("sdk.crt"));
}

#[test]
fn relative_paths_may_be_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(folder.path().join("own-ca.crt"), "").unwrap();
    let text = "[cryptoMaterial]\ncaCert = \"own-ca.crt\"\n[network]\npeers = [\"a:1\"]";
    std::fs::write(&path, text).unwrap();
    let config = SdkConfig::load(&path).unwrap();
    assert_eq!(config.ca, PemSource::File(folder.path().join("own-ca.crt")));
    let error = SdkConfig::load(folder.path().join("none.toml")).unwrap_err();
    assert!(matches!(error, SdkConfigError::Read { .. }));
    assert!(error.to_string().contains("none.toml"));
}

#[test]
fn unknown_keys_are_warnings_with_their_lines() {
    let text =
        "[network]\npeers = [\"a:1\"]\npears = 3\n[cryptoMaterial]\nsslcert = \"x\"\n[other]\n";
    let warnings = parse(text).unwrap().warnings;
    let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        shown[0].starts_with("line 3: network.pears is not"),
        "{shown:?}"
    );
    assert!(
        shown[1].starts_with("line 5: cryptoMaterial.sslcert"),
        "{shown:?}"
    );
    assert!(shown[2].starts_with("line 6: other is not"), "{shown:?}");
}

#[test]
fn wrong_values_are_errors_with_their_lines() {
    let cases = [
        (
            "[network]\npeers = \"a:1\"",
            "config.toml:2: network.peers must be a list",
        ),
        (
            "[network]\npeers = [\"a:1\",\n 7]",
            "config.toml:3: network.peers[1] must be a text",
        ),
        (
            "[network]\npeers = [\"a\"]",
            "config.toml:2: network.peers[0] cannot be used: endpoint",
        ),
        (
            "[network]\npeers = []",
            "config.toml:2: network.peers is empty",
        ),
        ("[network]\n", "network.peers is missing"),
        ("network = 1", "config.toml:1: network must be a table"),
        ("", "[network] is missing"),
        (
            "[cryptoMaterial]\ncaCert = 1",
            "config.toml:2: cryptoMaterial.caCert must be a text",
        ),
        (
            "[cryptoMaterial]\n\nuseSMCrypto = \"true\"",
            "config.toml:3: cryptoMaterial.useSMCrypto must be false",
        ),
        (
            "[cryptoMaterial]\nuseSMCrypto = 1",
            "config.toml:2: cryptoMaterial.useSMCrypto must be",
        ),
        (
            "[network]\npeers = [\"a:1\"]\n[[amop]]\n",
            "config.toml:3: amop[0] has no topicName",
        ),
        (
            "[network]\npeers = [\"a:1\"]\n[[amop]]\ntopicName = \"t\"",
            "config.toml:3: amop[0] has neither",
        ),
        ("[network\n", "config.toml:1: "),
        (
            "[network]\npeers = [\"a:1\"]\nmessageTimeout = \"soon\"",
            "config.toml:3: network.messageTimeout must be a number of milliseconds",
        ),
        (
            "[cryptoMaterial]\ncertPath = \"conf\"\ndisableSsl = \"no\"",
            "config.toml:3: cryptoMaterial.disableSsl must be true or false",
        ),
        (
            "[cryptoMaterial]\ndisableSsl = false\nuseSMCrypto = true",
            "config.toml:3: cryptoMaterial.useSMCrypto must be false: chains with national cryptography are \
             not supported yet",
        ),
        ("[cert]\nca_path=conf\n", "peers.node.0 is missing"),
        (
            "[peers]\nnode.0=a\n",
            "config.toml:2: peers.node.0 cannot be used: endpoint",
        ),
        (
            "[peers]\nnode.0=a:1\nnode.1\n",
            "config.toml:3: neither a section",
        ),
        (
            "[cert]\nssl_type=sm_ssl\n[peers]\nnode.0=a:1",
            "config.toml:2: cert.ssl_type must be ssl: chains with national cryptography are not supported \
             yet",
        ),
        (
            "[cert]\nssl_type=tls\n",
            "config.toml:2: cert.ssl_type must be ssl",
        ),
        (
            "[common]\ndisable_ssl=maybe\n",
            "config.toml:2: common.disable_ssl must be true or false",
        ),
        (
            "[common]\nmessage_timeout_ms=soon\n",
            "config.toml:2: common.message_timeout_ms must be a number of milliseconds",
        ),
        (
            "[Network]\nType = \"rpc\"",
            "config.toml:2: Network.Type must be \"channel\"",
        ),
        ("[Network]\n", "Network.Connection is missing"),
        (
            "[Network]\nConnection = []",
            "config.toml:2: Network.Connection is empty",
        ),
        (
            "[Network]\n[[Network.Connection]]\n",
            "config.toml:2: Network.Connection[0] has no NodeURL",
        ),
        (
            "[Network]\n[[Network.Connection]]\nNodeURL = \"http://a:1\"",
            "config.toml:3: Network.Connection[0].NodeURL cannot be used",
        ),
        (
            "[Network]\n[[Network.Connection]]\nNodeURL = \"a:1\"\nGroupID = \"1\"",
            "config.toml:4: Network.Connection[0].GroupID must be a number",
        ),
        (
            "[Network]\n[Chain]\nSMCrypto = true",
            "config.toml:3: Chain.SMCrypto must be false",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

/// Returns a client builder made from a file with this private topic, whose keys are in the same
/// folder.
fn builder_with(entry: &str) -> Result<ClientBuilder, SdkConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
    for name in ["pkcs8.pem", "public.pem", "store.p12"] {
        std::fs::copy(keys.join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("config.toml");
    let text = format!("[network]\npeers = [\"a:1\"]\n[[amop]]\n{entry}");
    std::fs::write(&path, text).unwrap();
    ClientBuilder::from_config_file(&path)
}

#[test]
fn private_topics_become_grants_and_keys() {
    let options = builder_with(
        "topicName = \"settlement\"\npublicKeys = [\"public.pem\"]\nprivateKey = \"pkcs8.pem\"",
    )
    .unwrap()
    .options();
    let name = PrivateName::new("settlement").unwrap();
    let key = &options.keys[&name];
    assert_eq!(options.grants, [(name, vec![key.public_key()])]);
}

/// Java SDKs keep private keys in PKCS#12, or write the hex digits.
#[test]
fn a_private_topics_keys_are_read_in_all_the_forms_of_java_sdks() {
    let key =
        TopicKey::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys/pkcs8.pem"));
    let key = key.unwrap();
    let digits = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
    for entry in [
        "privateKey = \"store.p12\"\npassword = \"123456\"".to_owned(),
        format!("privateKey = \"{digits}\""),
        format!("privateKey = \"0x{digits}\""),
        format!("privateKey = \" 0X{digits} \""),
    ] {
        let public = key.public_key();
        let entry = format!("topicName = \"t\"\npublicKeys = [\"04{public}\"]\n{entry}");
        let options = builder_with(&entry).unwrap().options();
        let name = PrivateName::new("t").unwrap();
        assert_eq!(options.keys[&name], key, "{entry}");
        assert_eq!(options.grants, [(name, vec![public])]);
    }
    let config = parse(&format!(
        "[network]\npeers = [\"a:1\"]\n[[amop]]\ntopicName = \"t\"\nprivateKey = \"{digits}\""
    ));
    assert!(!format!("{:?}", config.unwrap()).contains(digits));
}

#[test]
fn private_topics_that_cannot_be_used_are_errors_with_their_lines() {
    let cases = [
        (
            "topicName = \"t\"\nprivateKey = \"store.p12\"\npassword = \"wrong\"",
            "config.toml:3: a key of the private topic \"t\" cannot be used: key file",
            "is a PKCS#12 store with another password",
        ),
        (
            "topicName = \"t\"\nprivateKey = \"store.p12\"",
            "config.toml:3: a key of the private topic \"t\" cannot be used: key file",
            "or password next to privateKey in config.toml",
        ),
        (
            "topicName = \"t\"\npublicKeys = [\"pkcs8.pem\"]",
            "config.toml:3: a key of the private topic \"t\" cannot be used: key file",
            "has no public key",
        ),
        (
            "topicName = \"\"\npublicKeys = [\"public.pem\"]",
            "config.toml:3: amop.topicName cannot be used",
            "must not be empty",
        ),
    ];
    for (entry, place, problem) in cases {
        let error = with_causes(&builder_with(entry).unwrap_err()).to_string();
        assert!(error.contains(place) && error.contains(problem), "{error}");
        assert!(!error.contains("123456"), "{error}");
    }
    // A key with a mistake in it is not taken for a file name, which errors show.
    for digits in [
        "0102030405060708090a0b0c0d0e0f1O",
        "0102030405060708090a0b0c0d0e0f 10",
    ] {
        let error = builder_with(&format!("topicName = \"t\"\nprivateKey = \"{digits}\""));
        let error = with_causes(&error.unwrap_err()).to_string();
        assert!(
            error.contains("not hex digits") && !error.contains("0102"),
            "{error}"
        );
    }
}

/// The error for a file in another encoding names the line.
#[test]
fn text_that_is_no_utf_8_has_a_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = b"[network]\n# ".to_vec();
    // Two characters in GBK.
    bytes.extend([0xc5, 0xe4, 0xd6, 0xc3]);
    bytes.extend(b"\npeers=[\"127.0.0.1:20200\"]\n");
    std::fs::write(file.path(), bytes).unwrap();
    let error = SdkConfig::load(file.path()).unwrap_err().to_string();
    assert!(error.contains(":2: not UTF-8"), "{error}");
    assert!(error.contains("save the file as UTF-8"), "{error}");
}
