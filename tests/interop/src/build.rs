//! Builds the Go programs, or reports why this is not possible.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Set this where a missing Go must be an error.
const REQUIRE: &str = "AMOP_REQUIRE_GO";

const NAME: &str = if cfg!(windows) {
    "amop-interop-go.exe"
} else {
    "amop-interop-go"
};

/// Builds the program below `target`. Returns `None`, and prints a message, where this is not
/// possible.
///
/// # Panics
///
/// If it does not compile, or if it is required but cannot be built.
pub(crate) fn build(target: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    // Without cgo no C compiler is needed; the SDK then signs with a library written in Go.
    compile(&source, target, &[("CGO_ENABLED", "0".to_owned())])
}

/// Builds the program that uses go-sdk of 3.x, once per process; `native` is the folder of the C SDK.
/// Returns `None`, and prints a message, where this is not possible.
///
/// # Panics
///
/// If it does not compile, or if it is required but cannot be built.
pub(crate) fn go3(native: &Path) -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go3");
        let native_flags = format!("-L{0} -Wl,-rpath,{0}", native.display());
        let cgo = [
            ("CGO_ENABLED", "1".to_owned()),
            ("CGO_LDFLAGS", native_flags),
        ];
        compile(&source, &native.join("go3"), &cgo)
    });
    built.as_deref()
}

fn compile(source: &Path, target: &Path, cgo: &[(&str, String)]) -> Option<PathBuf> {
    if let Err(reason) = usable(source) {
        return skip(&reason);
    }
    fs::create_dir_all(target).unwrap();
    // Test processes may run in parallel; one builds, the others find the result.
    let lock = target.join(format!("{NAME}.lock"));
    let lock = File::create(&lock).unwrap_or_else(|error| panic!("{}: {error}", lock.display()));
    fs4::FileExt::lock(&lock).unwrap();
    let program = target.join(NAME);
    let output = go(source)
        .envs(cgo.iter().map(|(name, value)| (name, value)))
        .args(["build", "-buildvcs=false", "-trimpath", "-o"])
        .arg(&program)
        .arg(".")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "go build in {}:\n{}",
        source.display(),
        text(&output)
    );
    Some(program)
}

/// Checks that Go and the modules are available; Go downloads the modules if necessary.
fn usable(source: &Path) -> Result<(), String> {
    match go(source).arg("version").output() {
        Err(error) => return Err(format!("go is not installed ({error})")),
        Ok(output) if !output.status.success() => return Err(text(&output)),
        Ok(_) => {}
    }
    let modules = go(source).args(["list", "-deps", "."]).output();
    match modules {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("go cannot get the modules: {}", text(&output))),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns a `go` command that is independent of the user's configuration.
fn go(source: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(source)
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn skip(reason: &str) -> Option<PathBuf> {
    let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
    assert!(!required, "{REQUIRE} is set, but {reason}");
    // Written directly to the terminal: the test harness captures text printed by macros.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: the tests with go-sdk: {reason}; with {REQUIRE}=1 this is a failure"
    );
    None
}
