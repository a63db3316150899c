//! Turns the lines of a `config.ini` into a [`NodeConfig`].

mod known;
mod limits;
mod section;
mod v3;
mod value;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use self::known::{V2, without_effect};
use self::limits::{LIMITS, limits};
use self::section::SectionKeys;
pub(super) use self::v3::{is_v3, read_v3};
use self::value::{boolean, groups, non_empty, parse};
use super::ini::Ini;
use super::{CertPaths, ChainVersion, ConfigError, NodeConfig, PeerAddr, Warning, WarningKind};

const IP: &str = "an IPv4 or IPv6 address such as 127.0.0.1 (not a name)";
const PORT: &str = "a port number from 0 to 65535";
const BOOL: &str = "true or false";
const FILE: &str = "a file or folder name";
const GROUPS: &str = "group ids from 1 to 32767 with commas between, such as 1 or 1,2";
const NODE_ID: &str = "a node id: 128 hexadecimal digits";

struct ConfigReader<'a> {
    file: &'a Path,
    ini: &'a Ini,
    warnings: Vec<Warning>,
}

pub(super) fn read(text: &str, file: &Path) -> Result<(NodeConfig, Vec<Warning>), ConfigError> {
    let ini = Ini::parse(text).map_err(|e| ConfigError::Syntax {
        file: file.to_owned(),
        line: e.line,
        problem: e.problem.to_string(),
    })?;
    let mut reader = ConfigReader {
        file,
        ini: &ini,
        warnings: Vec::new(),
    };
    for (line, kind) in without_effect(&ini, &V2) {
        reader.warn(Some(line), kind);
    }
    let config = reader.config()?;
    let mut warnings = reader.warnings;
    warnings.sort_by_key(|warning| warning.line);
    Ok((config, warnings))
}

impl<'a> ConfigReader<'a> {
    fn config(&mut self) -> Result<NodeConfig, ConfigError> {
        let supported_version = self.version()?;
        let rsa_channel = self.crypto(&supported_version)?;
        let (rpc, p2p) = (self.keys("rpc"), self.keys("p2p"));

        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let shared_ip = rpc.get("listen_ip", IP, parse)?;
        let ip = |key, default| -> Result<IpAddr, ConfigError> {
            Ok(rpc.get(key, IP, parse)?.or(shared_ip).unwrap_or(default))
        };
        let channel_port = rpc.get("channel_listen_port", PORT, parse)?;
        let channel_listen =
            SocketAddr::new(ip("channel_listen_ip", any)?, channel_port.unwrap_or(20200));
        let jsonrpc_ip = ip("jsonrpc_listen_ip", Ipv4Addr::LOCALHOST.into())?;
        let jsonrpc_port = rpc.get("jsonrpc_listen_port", PORT, parse)?;
        let jsonrpc_listen = jsonrpc_port.map(|port| SocketAddr::new(jsonrpc_ip, port));
        let p2p_listen = SocketAddr::new(
            p2p.get("listen_ip", IP, parse)?.unwrap_or(any),
            p2p.get("listen_port", PORT, parse)?.unwrap_or(30300),
        );
        let peer = "host:port, with an IPv6 address as [address]:port";
        let peers: Vec<PeerAddr> = p2p.list("node.", peer, parse)?;

        let security = self.aliased("network_security", "secure");
        let check_cert_issuer = security.get("check_cert_issuer", BOOL, boolean)?;
        let (p2p_certs, rsa_certs) = self.certificates(security)?;

        let blacklist = self.aliased("certificate_blacklist", "crl");
        let blacklist = blacklist.list("crl.", NODE_ID, |id| id.parse().ok())?;
        let whitelist = self.aliased("certificate_whitelist", "cal");
        let whitelist = whitelist.list("cal.", NODE_ID, |id| id.parse().ok())?;

        let key = "an SDK's public key: 128 hexadecimal digits, as in sdk.publickey";
        let sdk_allowlist = self.keys("sdk_allowlist");
        let sdk_allowlist = sdk_allowlist.list("public_key.", key, |value| value.parse().ok())?;
        let revocation_lists = security.list("revocation_list.", FILE, non_empty)?;
        let data = self.data_path(security)?;
        let (limits, listen_limits) = limits(self.keys(LIMITS))?;
        let amop = self.keys("amop");
        let transit = amop.list("transit.", NODE_ID, |id| id.parse().ok())?;
        let sdks_as_nodes = amop.get("sdk_certificates_as_nodes", BOOL, boolean)?;
        let sha1_client_signatures = amop.get("sha1_client_signatures", BOOL, boolean)?;
        let groups = amop.get("groups", GROUPS, groups)?;
        let v3_config = amop.get("v3_config", FILE, non_empty)?;
        let v3_on_channel_port = amop.get("v3_on_channel_port", BOOL, boolean)?;

        let chain_id = "a whole number from 0 to 9223372036854775807";
        let chain_id = self.keys("chain").get("id", chain_id, |value| {
            value.parse::<i64>().ok().filter(|id| *id >= 0)
        })?;
        let limit = "a positive number of Mb/s such as 2.5";
        let outgoing_bandwidth_limit =
            self.keys("flow_control")
                .get("outgoing_bandwidth_limit", limit, |value| {
                    let limit = value.parse::<f64>().ok()?;
                    (limit.is_finite() && limit > 0.0).then_some(limit)
                })?;
        self.warn_encrypted_storage();

        Ok(NodeConfig {
            channel_listen,
            jsonrpc_listen,
            p2p_listen,
            peers,
            send_compressed: p2p.get("enable_compress", BOOL, boolean)?.unwrap_or(false),
            channel_certs: if rsa_channel {
                rsa_certs
            } else {
                p2p_certs.clone()
            },
            rsa_channel,
            p2p_certs,
            check_cert_issuer: check_cert_issuer.unwrap_or(true),
            blacklist,
            whitelist: (!whitelist.is_empty()).then_some(whitelist),
            sdk_allowlist: (!sdk_allowlist.is_empty()).then_some(sdk_allowlist),
            revocation_lists: revocation_lists
                .iter()
                .map(|file| data.join(file))
                .collect(),
            limits,
            listen_limits,
            transit,
            sdk_certificates_as_nodes: sdks_as_nodes.unwrap_or(false),
            sha1_client_signatures: sha1_client_signatures.unwrap_or(true),
            groups: groups.unwrap_or_default(),
            v3_config: v3_config.map(|path| {
                let folder = self.file.parent().unwrap_or(Path::new(""));
                folder.join(path)
            }),
            v3_on_channel_port: v3_on_channel_port.unwrap_or(false),
            chain_id: chain_id.unwrap_or(1).to_string(),
            supported_version,
            outgoing_bandwidth_limit,
        })
    }

    fn version(&mut self) -> Result<ChainVersion, ConfigError> {
        let keys = self.keys("compatibility");
        let expected = "a version of a 2.x chain such as 2.11.1";
        let Some(version) = keys.get("supported_version", expected, parse::<ChainVersion>)? else {
            self.warn(None, WarningKind::NoVersion);
            return Ok(ChainVersion::DEFAULT);
        };
        if version.has_rc1_header() {
            return Err(ConfigError::Rc1Header {
                file: self.file.to_owned(),
                line: keys.line("supported_version"),
                version: version.to_string(),
            });
        }
        Ok(version)
    }

    /// Returns whether the channel uses RSA; refuses guomi.
    fn crypto(&mut self, version: &ChainVersion) -> Result<bool, ConfigError> {
        let chain = self.keys("chain");
        for (key, name) in [
            ("sm_crypto", "chain.sm_crypto"),
            ("sm_crypto_channel", "chain.sm_crypto_channel"),
        ] {
            if chain.get(key, BOOL, boolean)? == Some(true) {
                return Err(ConfigError::Guomi {
                    file: self.file.to_owned(),
                    line: chain.line(key),
                    key: name,
                });
            }
        }
        let key = "rsa_crypto_channel";
        let rsa = chain.get(key, BOOL, boolean)?.unwrap_or(false);
        if rsa && !version.has_rsa_channel() {
            let kind = WarningKind::RsaTooOld(version.to_string());
            self.warn(Some(chain.line(key)), kind);
            return Ok(false);
        }
        Ok(rsa)
    }

    /// Returns the P2P certificates, and the RSA ones for the channel (channel-v2 section 2.2).
    fn certificates(
        &self,
        security: SectionKeys<'a>,
    ) -> Result<(CertPaths, CertPaths), ConfigError> {
        let name = |key, default| -> Result<&str, ConfigError> {
            Ok(security.get(key, FILE, non_empty)?.unwrap_or(default))
        };
        let data = self.data_path(security)?;
        let p2p = CertPaths {
            key: data.join(name("key", "node.key")?),
            cert: data.join(name("cert", "node.crt")?),
            ca: data.join(name("ca_cert", "ca.crt")?),
        };
        let channel = data.join("channel_cert");
        let rsa = CertPaths {
            key: channel.join("node.key"),
            cert: channel.join("node.crt"),
            ca: channel.join("ca.crt"),
        };
        Ok((p2p, rsa))
    }

    fn data_path(&self, security: SectionKeys<'a>) -> Result<PathBuf, ConfigError> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let data = security.get("data_path", FILE, non_empty)?;
        Ok(folder.join(data.unwrap_or("./conf/")))
    }

    fn keys(&self, name: &'static str) -> SectionKeys<'a> {
        SectionKeys {
            file: self.file,
            name,
            section: self.ini.section(name),
        }
    }

    /// Returns a section that also has an older name; the newer name wins, as on FISCO nodes.
    fn aliased(&mut self, name: &'static str, old: &'static str) -> SectionKeys<'a> {
        let (new, older) = (self.keys(name), self.keys(old));
        match (new.section, older.section) {
            (Some(_), Some(section)) => {
                let (ignored, used) = (old, name);
                let kind = WarningKind::ShadowedSection { ignored, used };
                self.warn(Some(section.line), kind);
                new
            }
            (None, Some(_)) => older,
            _ => new,
        }
    }

    fn warn(&mut self, line: Option<usize>, kind: WarningKind) {
        let file = self.file.to_owned();
        self.warnings.push(Warning { file, line, kind });
    }

    fn warn_encrypted_storage(&mut self) {
        let section = self.ini.section("storage_security");
        if let Some(entry) = section.and_then(|section| section.get("enable"))
            && boolean(&entry.value) == Some(true)
        {
            self.warn(Some(entry.line), WarningKind::EncryptedStorage);
        }
    }
}
