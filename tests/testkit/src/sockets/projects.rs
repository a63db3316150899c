//! Projects as users have them, built by the Cargo that runs the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What all projects depend on. Features of dependencies are united over a workspace: with the same
/// dependencies everywhere, each is built once for all tests. The member [`BASE`] adds the features
/// that this workspace uses, so that the dependencies which it has built need not be built again.
const DEPENDENCIES: &str = r#"
amop = "0.1"
anyhow = "1.0"
chrono = { version = "0.4", default-features = false, features = ["clock", "std"] }
clap = { version = "4.6", features = ["derive"] }
futures = { version = "0.3", default-features = false, features = ["std"] }
prost = "0.14"
serde = { version = "1.0", features = ["derive"] }
tokio = { version = "1.54", features = ["macros", "rt-multi-thread", "time"] }

[build-dependencies]
amop-build = "0.1"
"#;

/// The member that has them.
const BASE: &str = "base";

/// A workspace of projects, in a folder of its own outside of this workspace.
///
/// It is built in this workspace's target folder, with the same versions and profiles, so that as few
/// dependencies as possible are compiled again.
#[derive(Debug)]
pub struct Projects {
    dir: TempDir,
    members: Vec<String>,
}

impl Projects {
    /// Creates a workspace of these projects, which the caller writes.
    pub fn new(members: &[&str]) -> Self {
        let projects = Self {
            dir: TempDir::new().unwrap(),
            members: members.iter().map(|name| (*name).to_owned()).collect(),
        };
        let features = same_features();
        let manifest = format!(
            "[package]\nname = \"amop-tests-base\"\nedition = \"2024\"\n\n\
             [dependencies]\namop = \"0.1\"\n{features}\n\
             [build-dependencies]\namop-build = \"0.1\"\n{features}"
        );
        projects.write(BASE, "Cargo.toml", &manifest);
        projects.write(BASE, "src/lib.rs", "");
        projects
    }

    /// Returns the manifest of a project with the dependencies of all.
    pub fn manifest(name: &str) -> String {
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]{DEPENDENCIES}")
    }

    /// Returns the folder of a project, which need not be there.
    pub fn member(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of a project.
    pub fn write(&self, member: &str, file: &str, text: &str) {
        let path = self.member(member).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the workspace's manifest and lock file, once the projects have their manifests. Projects that
    /// are workspaces of their own become members.
    pub fn finish(&self) {
        for member in &self.members {
            let path = self.member(member).join("Cargo.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("[workspace]\n", "")).unwrap();
        }
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        // How dependencies are compiled.
        let (_, profile) = manifest.split_once("[profile.dev.package]\n").unwrap();
        let (profile, _) = profile.split_once("\n\n").unwrap();
        let patch = ["amop", "amop-build"]
            .map(|name| format!("{name} = {{ path = {:?} }}\n", root().join(name)));
        let text = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {:?}\n\n[patch.crates-io]\n{}\n\
             [profile.dev]\ndebug = false\n\n[profile.dev.package]\n{profile}\n",
            [&self.members[..], &[BASE.to_owned()]].concat(),
            patch.concat(),
        );
        fs::write(self.dir.path().join("Cargo.toml"), text).unwrap();
        // With the versions of this workspace, nothing is downloaded.
        let lock = self.dir.path().join("Cargo.lock");
        fs::copy(root().join("Cargo.lock"), lock).unwrap();
    }

    /// Returns Cargo with these arguments for the whole workspace.
    pub fn cargo(&self, args: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(args)
            .args(["--offline", "--workspace"])
            .current_dir(self.dir.path())
            .env("CARGO_TARGET_DIR", target())
            .env_remove("RUSTFLAGS");
        cargo
    }

    /// Builds everything with the lints of clippy, and returns the folder of the programs. A warning is an
    /// error.
    #[track_caller]
    pub fn build_with_clippy(&self) -> PathBuf {
        let output = self
            .cargo(&["build"])
            .env("RUSTC_WORKSPACE_WRAPPER", tool("clippy-driver"))
            // How cargo-clippy tells clippy-driver its arguments.
            .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__")
            .output()
            .unwrap();
        succeeded(&output);
        target().join("debug")
    }
}

/// Fails, with what it printed, unless a command succeeded.
#[track_caller]
pub fn succeeded(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Returns every package that the projects depend on, directly or through others, as a dependency
/// with the features that it has in this workspace. With other features, it would be compiled again.
fn same_features() -> String {
    // The examples depend on what the projects depend on.
    let used = tree(&[
        "-p=amop-build",
        "-p=amop-examples",
        "--edges=normal,build,dev",
    ]);
    let mut features = BTreeMap::<_, BTreeSet<String>>::new();
    for (package, enabled) in tree(&["--workspace", "--edges=normal,build,dev"]) {
        if used.iter().any(|(used, _)| *used == package) {
            features.entry(package).or_default().extend(enabled);
        }
    }
    let lines = features.iter().enumerate();
    let lines = lines.map(|(number, ((name, version), features))| {
        format!(
            "same-{number} = {{ package = {name:?}, version = \"={version}\", \
             default-features = false, features = {:?} }}\n",
            features.iter().collect::<Vec<_>>(),
        )
    });
    lines.collect()
}

/// Returns the packages of other projects in a dependency tree, each with its version and features.
fn tree(options: &[&str]) -> Vec<((String, String), Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges=normal,build", "--prefix=none"])
        .args(["--format={p}|{f}"])
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    succeeded(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let packages = text.lines().filter_map(|line| {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        // What follows a `+` does not tell versions apart.
        let version = version.split('+').next()?;
        // A package of this workspace is followed by its folder.
        let of_others = words.all(|word| word == "(proc-macro)");
        let features = features.split(',').filter(|feature| !feature.is_empty());
        let features = features.map(str::to_owned).collect();
        of_others.then(|| ((name.to_owned(), version.to_owned()), features))
    });
    packages.collect()
}

/// The folder of this workspace.
fn root() -> &'static Path {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).unwrap()
}

/// The target folder of the running test.
fn target() -> PathBuf {
    // target/debug/deps/test-0123
    let test = env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// A program of the toolchain.
fn tool(name: &str) -> PathBuf {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(root())
        .output()
        .unwrap();
    let sysroot = String::from_utf8(output.stdout).unwrap();
    Path::new(sysroot.trim())
        .join("bin")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
