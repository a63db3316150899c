//! SDKs of FISCO BCOS 3.x: java-sdk, the C SDK without Java, and go-sdk.

use std::{fs, path::Path};

use tempfile::TempDir;
use tokio::process::Command;

use crate::{JavaSdks, Running, SdkFiles, build, java::FLAGS};

/// One of the SDKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk3 {
    /// java-sdk 3.6.0.
    Java,
    /// The C SDK inside bcos-sdk-jni 3.6.0, called from Python.
    C,
    /// go-sdk v3.0.2, which uses the C SDK.
    Go,
}

impl Sdk3 {
    /// Starts the SDK's program with a node at `host:port`, and waits until it is connected. Returns
    /// `None`, and prints a message, where Go is missing.
    ///
    /// # Panics
    ///
    /// If it does not connect, or if Go is missing and `AMOP_REQUIRE_GO` is 1.
    pub async fn start(self, sdks: &JavaSdks, files: &SdkFiles, endpoint: &str) -> Option<Running> {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), files, endpoint);
        let command = match self {
            Self::Java => java(sdks),
            Self::C => c(sdks),
            Self::Go => go(sdks, endpoint)?,
        };
        let mut running = self.launch(command, folder);
        running.find("connected").await;
        Some(running)
    }

    fn launch(self, mut command: Command, folder: TempDir) -> Running {
        command.current_dir(folder.path());
        Running::start(&format!("{self:?} SDK of 3.x"), command, folder)
    }
}

fn java(sdks: &JavaSdks) -> Command {
    let at = |name: &str| sdks.folder().join(name).display().to_string();
    let path = format!("{}:{}", at("classes-java-sdk-3"), at("java-sdk-3/*"));
    let mut command = Command::new("java");
    command
        .args(FLAGS)
        .args(["-cp", &path, "JavaSdk3", "config.toml"]);
    command
}

fn c(sdks: &JavaSdks) -> Command {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/csdk.py");
    let mut command = Command::new("python3");
    command
        .arg(program)
        .arg(sdks.folder().join("native/libbcos-sdk-jni.so"))
        .arg("config.ini");
    command
}

fn go(sdks: &JavaSdks, endpoint: &str) -> Option<Command> {
    let program = build::go3(&sdks.folder().join("native"))?;
    let (host, port) = endpoint.rsplit_once(':').expect("host:port");
    let mut command = Command::new(program);
    command.args([host, port, "conf"]);
    Some(command)
}

/// Writes the certificates, and the configuration of each SDK.
fn write_files(folder: &Path, files: &SdkFiles, endpoint: &str) {
    files.write(&folder.join("conf"));
    let toml = format!(
        "[cryptoMaterial]\ncertPath = \"conf\"\nuseSMCrypto = \"false\"\n[network]\n\
         messageTimeout = \"10000\"\ndefaultGroup = \"group0\"\npeers = [{endpoint:?}]\n[account]\n\
         keyStoreDir = \"account\"\naccountFileFormat = \"pem\"\n[threadPool]\n"
    );
    fs::write(folder.join("config.toml"), toml).unwrap();
    let ini = format!(
        "[common]\ndisable_ssl=false\nthread_pool_size=2\nmessage_timeout_ms=10000\n[cert]\n\
         ssl_type=ssl\nca_path=./conf\nca_cert=ca.crt\nsdk_key=sdk.key\nsdk_cert=sdk.crt\n[peers]\n\
         node.0={endpoint}\n"
    );
    fs::write(folder.join("config.ini"), ini).unwrap();
}
