//! Handshake messages: their types, length limits and contents.

use crate::codec::{MessageReader, put_prefixed, put_u16};
use crate::record::MacOrder;
use crate::{Flavour, Sm2PublicKey, TlcpError, limits};

/// The length of the header: type and length.
pub(crate) const HEADER: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageType {
    ClientHello = 1,
    ServerHello = 2,
    Certificate = 11,
    ServerKeyExchange = 12,
    CertificateRequest = 13,
    ServerHelloDone = 14,
    CertificateVerify = 15,
    ClientKeyExchange = 16,
    Finished = 20,
}

impl MessageType {
    const ALL: [Self; 9] = [
        Self::ClientHello,
        Self::ServerHello,
        Self::Certificate,
        Self::ServerKeyExchange,
        Self::CertificateRequest,
        Self::ServerHelloDone,
        Self::CertificateVerify,
        Self::ClientKeyExchange,
        Self::Finished,
    ];

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClientHello => "ClientHello",
            Self::ServerHello => "ServerHello",
            Self::Certificate => "Certificate",
            Self::ServerKeyExchange => "ServerKeyExchange",
            Self::CertificateRequest => "CertificateRequest",
            Self::ServerHelloDone => "ServerHelloDone",
            Self::CertificateVerify => "CertificateVerify",
            Self::ClientKeyExchange => "ClientKeyExchange",
            Self::Finished => "Finished",
        }
    }

    /// Returns the maximum length of the body, in bytes.
    pub(crate) fn limit(self) -> usize {
        match self {
            Self::ClientHello => limits::CLIENT_HELLO,
            Self::Certificate => limits::CERTIFICATE_LIST,
            Self::CertificateRequest => limits::CERTIFICATE_REQUEST,
            Self::ServerHelloDone => 0,
            Self::Finished => 12,
            _ => limits::OTHER_MESSAGE,
        }
    }
}

/// An entry in the list of suites that says that the client refuses renegotiation as it was before
/// RFC 5746. There is no renegotiation here; peers that require this entry get it.
const RENEGOTIATION_SCSV: u16 = 0x00ff;

// Extensions.
const SUPPORTED_GROUPS: u16 = 0x000a;
const POINT_FORMATS: u16 = 0x000b;
const SIGNATURE_ALGORITHMS: u16 = 0x000d;
const ENCRYPT_THEN_MAC: u16 = 0x0016;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// SM3 with the algorithm that TLS calls ECDSA.
const SM2_SM3: [u8; 2] = [0x07, 0x03];

/// The requested type of client certificate: ECDSA, which stands for SM2.
const ECDSA_SIGN: u8 = 64;

/// A named curve, with the number that peers of 2.x use for it.
const CURVE: [u8; 3] = [0x03, 0x00, 0x1d];

pub(crate) fn client_hello(flavour: Flavour, random: &[u8; 32], encrypt_then_mac: bool) -> Vec<u8> {
    let mut body = Vec::new();
    put_u16(&mut body, flavour.version());
    body.extend(random);
    // There is no session to resume.
    put_prefixed(&mut body, 1, &[]);
    let [a, b] = flavour.suite().to_be_bytes();
    let [c, d] = RENEGOTIATION_SCSV.to_be_bytes();
    put_prefixed(&mut body, 2, &[a, b, c, d]);
    // No compression.
    put_prefixed(&mut body, 1, &[0]);

    let mut extensions = Vec::new();
    let mut extension = |number, content: &[u8]| {
        put_u16(&mut extensions, number);
        put_prefixed(&mut extensions, 2, content);
    };
    if flavour == Flavour::Tls12Sm {
        extension(SIGNATURE_ALGORITHMS, &[0, 2, SM2_SM3[0], SM2_SM3[1]]);
        extension(POINT_FORMATS, &[1, 0]);
        extension(SUPPORTED_GROUPS, &[0, 2, CURVE[1], CURVE[2]]);
    }
    if encrypt_then_mac {
        extension(ENCRYPT_THEN_MAC, &[]);
    }
    if !extensions.is_empty() {
        put_prefixed(&mut body, 2, &extensions);
    }
    body
}

/// The parts of a ClientHello that are used.
pub(crate) struct ClientHello {
    pub(crate) random: [u8; 32],
    pub(crate) encrypt_then_mac: bool,
    /// Whether the client requires the answer that renegotiation is safe.
    pub(crate) secure_renegotiation: bool,
}

impl ClientHello {
    pub(crate) fn read(flavour: Flavour, body: &[u8]) -> Result<Self, TlcpError> {
        let mut reader = MessageReader::new("ClientHello", body);
        check_version(flavour, &mut reader)?;
        let random = reader.array()?;
        session_id(&mut reader)?;
        let suites = reader.prefixed(2)?;
        if suites.is_empty() || suites.len() % 2 != 0 {
            return Err(reader.malformed("its list of cipher suites has an odd length or none"));
        }
        let compression = reader.prefixed(1)?;
        if !compression.contains(&0) {
            return Err(reader.illegal("it does not offer to go without compression"));
        }
        let offers = |suite: u16| suites.chunks(2).any(|found| found == suite.to_be_bytes());
        let mut hello = Self {
            random,
            encrypt_then_mac: false,
            secure_renegotiation: offers(RENEGOTIATION_SCSV),
        };
        for_each_extension(reader, |number, content, reader| {
            match number {
                ENCRYPT_THEN_MAC if !content.is_empty() => {
                    return Err(reader.malformed("its encrypt_then_mac is not empty"));
                }
                ENCRYPT_THEN_MAC => hello.encrypt_then_mac = true,
                RENEGOTIATION_INFO => {
                    no_renegotiation(content, reader)?;
                    hello.secure_renegotiation = true;
                }
                _ => {}
            }
            Ok(())
        })?;
        if !offers(flavour.suite()) {
            return Err(TlcpError::NoCommonSuite { flavour });
        }
        Ok(hello)
    }
}

pub(crate) fn server_hello(flavour: Flavour, random: &[u8; 32], answer: &ClientHello) -> Vec<u8> {
    let mut body = Vec::new();
    put_u16(&mut body, flavour.version());
    body.extend(random);
    // There is no session that could be resumed.
    put_prefixed(&mut body, 1, &[]);
    put_u16(&mut body, flavour.suite());
    // No compression.
    body.push(0);
    let mut extensions = Vec::new();
    if answer.secure_renegotiation {
        put_u16(&mut extensions, RENEGOTIATION_INFO);
        put_prefixed(&mut extensions, 2, &[0]);
    }
    if answer.encrypt_then_mac {
        put_u16(&mut extensions, ENCRYPT_THEN_MAC);
        put_prefixed(&mut extensions, 2, &[]);
    }
    if !extensions.is_empty() {
        put_prefixed(&mut body, 2, &extensions);
    }
    body
}

/// The parts of a ServerHello that are used.
pub(crate) struct ServerHello {
    pub(crate) random: [u8; 32],
    pub(crate) order: MacOrder,
}

impl ServerHello {
    pub(crate) fn read(
        flavour: Flavour,
        body: &[u8],
        encrypt_then_mac: bool,
    ) -> Result<Self, TlcpError> {
        let mut reader = MessageReader::new("ServerHello", body);
        check_version(flavour, &mut reader)?;
        let random = reader.array()?;
        session_id(&mut reader)?;
        if reader.u16()? != flavour.suite() {
            return Err(TlcpError::NoCommonSuite { flavour });
        }
        if reader.u8()? != 0 {
            return Err(reader.illegal("it chooses a compression"));
        }
        let mut order = MacOrder::MacThenEncrypt;
        for_each_extension(reader, |number, content, reader| {
            match number {
                RENEGOTIATION_INFO => no_renegotiation(content, reader)?,
                // Servers with elliptic curves send it although it is not needed.
                POINT_FORMATS => {}
                ENCRYPT_THEN_MAC if encrypt_then_mac => {
                    if !content.is_empty() {
                        return Err(reader.malformed("its encrypt_then_mac is not empty"));
                    }
                    order = MacOrder::EncryptThenMac;
                }
                extension => return Err(TlcpError::UnknownExtension { extension }),
            }
            Ok(())
        })?;
        Ok(Self { random, order })
    }
}

fn check_version(flavour: Flavour, reader: &mut MessageReader<'_>) -> Result<(), TlcpError> {
    let found = reader.u16()?;
    if found == flavour.version() {
        Ok(())
    } else {
        Err(TlcpError::Version { flavour, found })
    }
}

fn session_id(reader: &mut MessageReader<'_>) -> Result<(), TlcpError> {
    if reader.prefixed(1)?.len() > 32 {
        return Err(reader.malformed("its session ID is longer than 32 bytes"));
    }
    Ok(())
}

/// Checks that nothing is renegotiated, since this is the first handshake.
fn no_renegotiation(content: &[u8], reader: &MessageReader<'_>) -> Result<(), TlcpError> {
    if content == [0] {
        Ok(())
    } else {
        Err(reader.illegal("it renegotiates a connection that does not exist"))
    }
}

/// Calls `each` for the extensions at the end of a hello, if there are any. An extension must not
/// occur twice.
fn for_each_extension(
    mut reader: MessageReader<'_>,
    mut each: impl FnMut(u16, &[u8], &MessageReader<'_>) -> Result<(), TlcpError>,
) -> Result<(), TlcpError> {
    if reader.is_empty() {
        return Ok(());
    }
    let mut extensions = reader.nested(2)?;
    reader.end()?;
    let mut seen = Vec::new();
    while !extensions.is_empty() {
        let number = extensions.u16()?;
        let content = extensions.prefixed(2)?;
        if seen.len() == limits::EXTENSIONS {
            return Err(extensions.illegal("it has more than 64 extensions"));
        }
        if seen.contains(&number) {
            return Err(extensions.illegal("it has an extension twice"));
        }
        seen.push(number);
        each(number, content, &extensions)?;
    }
    Ok(())
}

/// Appends a signature, with its length and, in TLS 1.2, its algorithm before it.
pub(crate) fn put_signature(flavour: Flavour, out: &mut Vec<u8>, signature: &[u8]) {
    if flavour == Flavour::Tls12Sm {
        out.extend(SM2_SM3);
    }
    put_prefixed(out, 2, signature);
}

/// Reads the signature at the end of a message.
pub(crate) fn read_signature(
    flavour: Flavour,
    mut reader: MessageReader<'_>,
) -> Result<&[u8], TlcpError> {
    if flavour == Flavour::Tls12Sm && reader.array()? != SM2_SM3 {
        return Err(reader.illegal("its signature is not one of SM2 with SM3"));
    }
    let signature = reader.prefixed(2)?;
    reader.end()?;
    Ok(signature)
}

/// Returns an ephemeral key in the form of both key exchanges of 2.x.
pub(crate) fn point(key: &Sm2PublicKey) -> Vec<u8> {
    let mut bytes = CURVE.to_vec();
    put_prefixed(&mut bytes, 1, &key.to_sec1());
    bytes
}

pub(crate) fn read_point(reader: &mut MessageReader<'_>) -> Result<Sm2PublicKey, TlcpError> {
    if reader.array()? != CURVE {
        return Err(reader.illegal("its curve is not that of SM2"));
    }
    Sm2PublicKey::from_sec1(reader.prefixed(1)?)
        .ok_or_else(|| reader.illegal("its point is not on the curve of SM2, or is compressed"))
}

pub(crate) fn certificate_request(flavour: Flavour) -> Vec<u8> {
    let mut body = Vec::new();
    put_prefixed(&mut body, 1, &[ECDSA_SIGN]);
    if flavour == Flavour::Tls12Sm {
        put_prefixed(&mut body, 2, &SM2_SM3);
    }
    // No authorities are listed, since peers know their own.
    put_prefixed(&mut body, 2, &[]);
    body
}

/// Checks that a CertificateRequest can be read and accepts this side's certificates. Peers name
/// certificate types that are unrelated to SM2.
pub(crate) fn check_request(flavour: Flavour, body: &[u8]) -> Result<(), TlcpError> {
    let mut reader = MessageReader::new("CertificateRequest", body);
    if reader.prefixed(1)?.is_empty() {
        return Err(reader.malformed("it names no type of certificate"));
    }
    if flavour == Flavour::Tls12Sm {
        let algorithms = reader.prefixed(2)?;
        if algorithms.len() % 2 != 0 {
            return Err(reader.malformed("its list of signature algorithms has an odd length"));
        }
        if !algorithms.chunks(2).any(|found| found == SM2_SM3) {
            return Err(TlcpError::NoCommonSuite { flavour });
        }
    }
    let mut authorities = reader.nested(2)?;
    reader.end()?;
    while !authorities.is_empty() {
        authorities.prefixed(2)?;
    }
    Ok(())
}
