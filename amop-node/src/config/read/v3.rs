//! Turns the lines of a 3.x `config.ini` into a [`ChainV3Config`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::known::{V3, without_effect};
use super::limits::{LIMITS, limits};
use super::section::SectionKeys;
use super::value::{boolean, node_id_text, non_empty, parse, words};
use crate::config::ini::Ini;
use crate::config::{CertPaths, ChainV3Config, ConfigError, Warning, WarningKind};

const IP: &str = "an IPv4 or IPv6 address such as 127.0.0.1 (not a name)";
const PORT: &str = "a port number from 0 to 65535";
const BOOL: &str = "true or false";
const BYTES: &str = "a number of bytes, at least 1024";
const FILE: &str = "a file or folder name";
const NODE_ID: &str = "a node id: hexadecimal digits";
const GROUPS: &str = "names of groups with commas between, such as group0";

/// Returns whether it is the `config.ini` of a 3.x chain.
pub(in crate::config) fn is_v3(text: &str) -> bool {
    let Ok(ini) = Ini::parse(text) else {
        return false;
    };
    let channel = ini
        .section("rpc")
        .and_then(|rpc| rpc.get("channel_listen_port"));
    ini.section("cert").is_some() && channel.is_none()
}

/// Returns the settings, without the peers, and the file that has them.
pub(in crate::config) fn read_v3(
    text: &str,
    file: &Path,
) -> Result<(ChainV3Config, PathBuf, Vec<Warning>), ConfigError> {
    let ini = Ini::parse(text).map_err(|e| ConfigError::Syntax {
        file: file.to_owned(),
        line: e.line,
        problem: e.problem.to_string(),
    })?;
    let warnings = without_effect(&ini, &V3).into_iter();
    let mut warnings: Vec<Warning> = warnings
        .map(|(line, kind)| Warning {
            file: file.to_owned(),
            line: Some(line),
            kind,
        })
        .collect();
    let keys = |name| SectionKeys {
        file,
        name,
        section: ini.section(name),
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    if has_more_authorities(keys("cert"), folder)? {
        let line = keys("cert").line("multi_ca_path");
        warnings.push(Warning {
            file: file.to_owned(),
            line: (line > 0).then_some(line),
            kind: WarningKind::NoEffect("cert.multi_ca_path".to_owned()),
        });
    }
    let (rpc, p2p) = (keys("rpc"), keys("p2p"));
    if p2p.get("enable_ssl_verify", BOOL, boolean)? == Some(false) {
        warnings.push(Warning {
            file: file.to_owned(),
            line: Some(p2p.line("enable_ssl_verify")),
            kind: WarningKind::AlwaysVerified,
        });
    }
    warnings.sort_by_key(|warning| warning.line);
    refuse_guomi(rpc, "rpc.sm_ssl")?;
    refuse_guomi(p2p, "p2p.sm_ssl")?;
    let (nodes_path, nodes_file) = (
        p2p.get("nodes_path", FILE, non_empty)?.unwrap_or("./"),
        p2p.get("nodes_file", FILE, non_empty)?
            .unwrap_or("nodes.json"),
    );
    let nodes = folder.join(nodes_path).join(nodes_file);
    let blacklist = keys("certificate_blacklist").list("crl.", NODE_ID, node_id_text)?;
    let whitelist = keys("certificate_whitelist").list("cal.", NODE_ID, node_id_text)?;
    let amop = keys("amop");
    let (limits, listen_limits) = limits(keys(LIMITS))?;
    let config = ChainV3Config {
        sdk_listen: listen(rpc, 20200)?,
        plain: is_plain(rpc)?,
        p2p_listen: listen(p2p, 30300)?,
        max_packet: p2p
            .get("allow_max_msg_size", BYTES, packet)?
            .unwrap_or(32 << 20),
        compress: p2p
            .get("enable_compression", BOOL, boolean)?
            .unwrap_or(true),
        peers: Vec::new(),
        certs: certificates(keys("cert"), folder)?,
        blacklist,
        whitelist: (!whitelist.is_empty()).then_some(whitelist),
        chain_id: amop
            .get("chain_id", "a name", non_empty)?
            .unwrap_or("chain0")
            .to_owned(),
        groups: amop.get("groups", GROUPS, words)?.unwrap_or_default(),
        limits,
        listen_limits,
    };
    Ok((config, nodes, warnings))
}

fn listen(keys: SectionKeys<'_>, port: u16) -> Result<SocketAddr, ConfigError> {
    let ip = keys.get("listen_ip", IP, parse)?;
    Ok(SocketAddr::new(
        ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        keys.get("listen_port", PORT, parse)?.unwrap_or(port),
    ))
}

/// `enable_ssl` exists since 3.12 and counts if both are there.
fn is_plain(rpc: SectionKeys<'_>) -> Result<bool, ConfigError> {
    let disable = rpc.get("disable_ssl", BOOL, boolean)?.unwrap_or(false);
    let enable = rpc.get("enable_ssl", BOOL, boolean)?;
    Ok(enable.map_or(disable, |enable| !enable))
}

fn refuse_guomi(keys: SectionKeys<'_>, key: &'static str) -> Result<(), ConfigError> {
    match keys.get("sm_ssl", BOOL, boolean)? {
        Some(true) => Err(ConfigError::Guomi {
            file: keys.file.to_owned(),
            line: keys.line("sm_ssl"),
            key,
        }),
        _ => Ok(()),
    }
}

fn packet(value: &str) -> Option<usize> {
    parse(value).filter(|&bytes| bytes >= 1024)
}

/// Returns whether the folder for further authorities has files. A FISCO node trusts them, too.
fn has_more_authorities(cert: SectionKeys<'_>, folder: &Path) -> Result<bool, ConfigError> {
    let path = cert.get("ca_path", FILE, non_empty)?.unwrap_or("./conf");
    let more = cert.get("multi_ca_path", FILE, non_empty)?;
    let more = folder.join(path).join(more.unwrap_or("multiCaPath"));
    Ok(std::fs::read_dir(more).is_ok_and(|mut files| files.next().is_some()))
}

fn certificates(cert: SectionKeys<'_>, folder: &Path) -> Result<CertPaths, ConfigError> {
    let name = |key, default| -> Result<&str, ConfigError> {
        Ok(cert.get(key, FILE, non_empty)?.unwrap_or(default))
    };
    let path = folder.join(name("ca_path", "./conf")?);
    Ok(CertPaths {
        key: path.join(name("node_key", "ssl.key")?),
        cert: path.join(name("node_cert", "ssl.crt")?),
        ca: path.join(name("ca_cert", "ca.crt")?),
    })
}
