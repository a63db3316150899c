//! The `openssl` command as the peer.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::data;

/// Prints a notice and returns `true` if the command is not usable.
pub fn no_openssl(test: &str) -> bool {
    let found = Command::new("openssl").arg("version").output();
    let version = match &found {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).into_owned(),
        _ => String::new(),
    };
    // LibreSSL and old versions of OpenSSL have the command but not its options.
    let number = version.strip_prefix("OpenSSL ").unwrap_or_default();
    let major = number.split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major >= Some(3) || number.starts_with("1.1.1") {
        return false;
    }
    // This bypasses the output capture of the test harness, which hides the output of passing
    // tests.
    let notice =
        format!("SKIPPED {test}: no OpenSSL 1.1.1 or later on this machine ({version:?})\n");
    std::io::stderr().write_all(notice.as_bytes()).unwrap();
    true
}

/// A child process that ends with the test.
pub struct Openssl(pub Child);

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn openssl(args: &[&str], files: &[(&str, &str)]) -> Openssl {
    let mut command = Command::new("openssl");
    command.args(args);
    for (option, file) in files {
        command.arg(option).arg(data(file));
    }
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Openssl(child)
}

/// Starts `s_server` on a free port and returns it.
pub fn s_server(args: &[&str], files: &[(&str, &str)]) -> (Openssl, u16) {
    let mut all = vec!["s_server", "-accept", "127.0.0.1:0"];
    if !args.contains(&"-tls1_3") {
        all.push("-tls1_2");
    }
    all.extend(args);
    let mut server = openssl(&all, files);
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next().expect("s_server ended").unwrap();
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.rsplit(':').next().unwrap().parse().unwrap();
        }
    };
    (server, port)
}
