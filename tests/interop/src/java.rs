//! Finds and starts the programs that use SDKs in Java.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::Running;

/// The folder that `.ci/java` makes.
const FOLDER: &str = "AMOP_JAVA";

/// Set this where a missing folder must be an error.
const REQUIRE: &str = "AMOP_REQUIRE_JAVA";

/// Enough for a test, and quick to start.
pub(crate) const FLAGS: [&str; 4] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx384m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
];

/// The kind of certificates on a channel, which also decides which Java can use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// secp256k1: needs JDK 11, which has the curve, and signs with it by SHA-1 only.
    Ec,
    /// RSA: the machine's own Java.
    Rsa,
}

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Java {
    /// java-sdk 2.10.1.
    JavaSdk,
    /// web3sdk 2.6.5.
    Web3sdk,
}

impl Java {
    /// Returns the name of its libraries' folder, and of its class.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::JavaSdk => ("java-sdk", "JavaSdk"),
            Self::Web3sdk => ("web3sdk", "Web3sdk"),
        }
    }
}

/// The files of an SDK in PEM: CA, certificate and key.
#[derive(Debug, Clone)]
pub struct SdkFiles {
    /// `ca.crt`.
    pub ca: String,
    /// `sdk.crt`.
    pub cert: String,
    /// `sdk.key`.
    pub key: String,
}

impl SdkFiles {
    /// Writes them into a new folder.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        for (name, text) in [
            ("ca.crt", &self.ca),
            ("sdk.crt", &self.cert),
            ("sdk.key", &self.key),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
    }
}

/// The SDKs in Java, fetched and built.
#[derive(Debug, Clone)]
pub struct JavaSdks(PathBuf);

impl JavaSdks {
    /// Finds the SDKs. Returns `None`, and prints a message, if they are missing.
    ///
    /// # Panics
    ///
    /// If they are missing and `AMOP_REQUIRE_JAVA` is 1.
    pub fn find() -> Option<Self> {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return Some(Self(folder.into()));
        }
        let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
        assert!(!required, "{REQUIRE} is set, but {FOLDER} is not");
        // Written directly to the terminal: the test harness captures text printed by macros.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the tests with SDKs in Java: they are fetched by {FOLDER}=$(.ci/java); with \
             {REQUIRE}=1 this is a failure"
        );
        None
    }

    /// Returns the folder with everything that `.ci/java` made.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Starts a program with nodes at `host:port`, and waits until it is connected.
    ///
    /// # Panics
    ///
    /// If it does not connect.
    pub async fn start(
        &self,
        program: Java,
        mode: Mode,
        files: &SdkFiles,
        endpoints: &[String],
    ) -> Running {
        let mut running = self.launch(program, mode, files, endpoints);
        running.find("connected").await;
        running
    }

    /// Starts a program, which connects to nodes at `host:port`, or reports that this failed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn launch(
        &self,
        program: Java,
        mode: Mode,
        files: &SdkFiles,
        endpoints: &[String],
    ) -> Running {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), files, endpoints);
        let (libraries, class) = program.names();
        let at = |name: String| self.0.join(name);
        let java = match mode {
            Mode::Ec => at("jdk11/bin/java".into()),
            Mode::Rsa => PathBuf::from("java"),
        };
        let classes = at(format!("classes-{libraries}")).display().to_string();
        let libraries = at(format!("{libraries}/*")).display().to_string();
        let mut command = Command::new(java);
        command.current_dir(folder.path()).args(FLAGS);
        if mode == Mode::Ec {
            // As the chain's documentation says for older JDKs.
            command.arg("-Djdk.tls.namedGroups=secp256k1");
        }
        command
            .args([
                "-cp",
                &format!("{classes}:{libraries}"),
                class,
                "config.toml",
            ])
            .args(endpoints);
        Running::start(class, command, folder)
    }
}

fn write_files(folder: &Path, files: &SdkFiles, endpoints: &[String]) {
    files.write(&folder.join("conf"));
    let config = format!(
        "[cryptoMaterial]\ncertPath = \"conf\"\n[network]\npeers = {endpoints:?}\n[account]\n\
         keyStoreDir = \"account\"\naccountFileFormat = \"pem\"\n[threadPool]\n\
         maxBlockingQueueSize = \"102400\"\n"
    );
    fs::write(folder.join("config.toml"), config).unwrap();
}
