//! One certificate with many kinds of damaged formatting, and damage that cannot be repaired.

use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::*;

const PLAIN: &str = include_str!("../../tests/data/tls/ec/sdk/ca.crt");

fn der(text: &[u8]) -> Vec<u8> {
    let tidied = tidy(text).unwrap_or_else(|problem| panic!("{problem}"));
    CertificateDer::from_pem_slice(tidied.as_bytes())
        .unwrap()
        .to_vec()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(bytes).collect()
}

#[test]
fn a_certificate_is_read_however_it_was_pasted() {
    let expected = CertificateDer::from_pem_slice(PLAIN.as_bytes()).unwrap();
    let begins = "-----BEGIN CERTIFICATE-----";
    let disguises = [
        PLAIN.to_owned(),
        format!("\u{feff}{PLAIN}"),
        PLAIN.replace('\n', "\r\n"),
        PLAIN.replace('\n', "\r"),
        PLAIN.replace('\n', "\u{a0}\n"),
        PLAIN.replace(' ', "\u{a0}").replace('\n', "\n\u{3000}"),
        PLAIN.replace('\n', "&#10;"),
        PLAIN
            .replace('\n', "&#xA;")
            .replace('+', "&#43;")
            .replace('/', "&#x2F;"),
        PLAIN
            .replace('\n', "&NewLine;")
            .replace('+', "&plus;")
            .replace('=', "&equals;"),
        PLAIN.replace('\n', "&amp;#10;"),
        PLAIN.replace('\n', "<br>").replace(' ', "&nbsp;"),
        PLAIN.replace('\n', "<br/>\n"),
        format!("<pre>{PLAIN}</pre>"),
        PLAIN.replace('\n', "\\n"),
        PLAIN.replace('\n', "\\r\\n").replace('/', "\\/"),
        PLAIN.replace('\n', "\n        "),
        PLAIN.replace('\n', "\n\n"),
        PLAIN.replace('\n', " "),
        PLAIN.replace('\n', ""),
        format!("Subject: CN=a & b <c> \\ \n{PLAIN}\nafter it"),
        PLAIN.replacen(begins, &format!("{begins}\u{200b}"), 1),
        format!("{}{}", PLAIN.trim_end(), PLAIN.trim_end()),
    ];
    for disguise in disguises {
        assert_eq!(der(disguise.as_bytes()), &expected[..], "{disguise}");
    }
    assert_eq!(der(&utf16(PLAIN, u16::to_le_bytes)), &expected[..]);
    assert_eq!(der(&utf16(PLAIN, u16::to_be_bytes)), &expected[..]);
    // Bytes around it that are not text do no harm.
    let mut odd = b"Subject: CN=caf\xe9\n".to_vec();
    odd.extend(PLAIN.as_bytes());
    assert_eq!(der(&odd), &expected[..]);
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let lines: Vec<&str> = PLAIN.lines().collect();
    let without = |skipped: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != skipped);
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>()
    };
    let cases = [
        (String::new(), "there is no BEGIN line in it"),
        ("\u{feff}no PEM".to_owned(), "there is no BEGIN line in it"),
        (
            without(lines.len() - 1),
            "the section CERTIFICATE that begins in line 1 has no line -----END CERTIFICATE-----",
        ),
        (
            format!("{}{PLAIN}", without(lines.len() - 1)),
            "the section CERTIFICATE that begins in line 1 has no line",
        ),
        (
            format!("-----BEGIN {PLAIN}"),
            "line 1 begins a section without a name between five dashes",
        ),
        (
            format!("\n{}", PLAIN.replacen("\nMII", "\nMI\u{2014}I", 1)),
            "line 3 has the character \u{2014} (U+2014), which is not allowed in PEM",
        ),
        (
            PLAIN.replacen("\nMII", "\n\u{7}II", 1),
            "line 2 has the character \\u{7} (U+0007)",
        ),
        (
            PLAIN.replacen("\nMII", "\nMI", 1),
            "the section CERTIFICATE that begins in line 1 is damaged",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned(),
            "the section CERTIFICATE that begins in line 1 is damaged",
        ),
    ];
    for (text, expected) in cases {
        let problem = tidy(text.as_bytes()).unwrap_err().to_string();
        assert!(problem.starts_with(expected), "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
    let mut bytes = PLAIN.as_bytes().to_vec();
    bytes[40] = 0xff;
    let problem = tidy(&bytes).unwrap_err().to_string();
    assert!(
        problem.starts_with("line 2 has bytes that are not text"),
        "{problem}"
    );
}

#[test]
fn headers_of_a_section_are_kept() {
    let key = "-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: \
               AES-128-CBC,00\r\n\r\nAQID\r\n-----END EC PRIVATE KEY-----\r\n";
    assert_eq!(*tidy(key.as_bytes()).unwrap(), key.replace('\r', ""));
}

#[test]
fn what_is_left_of_an_escape_in_a_header_is_refused() {
    for (header, odd) in [
        ("a:\\", '\\'),
        ("a:&\u{feff}#10;", '&'),
        ("a:<\u{feff}br>", '<'),
    ] {
        let text = format!("-----BEGIN CERTIFICATE-----\n{header}-----END CERTIFICATE-----");
        let (line, character) = (2, odd);
        let problem = PemProblem::BadCharacter { line, character };
        assert_eq!(tidy(text.as_bytes()), Err(problem), "{header:?}");
    }
}

proptest! {
    /// No input makes it panic, and its output is not changed by a second run.
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, wrap: bool, escaped in 0..4usize) {
        if wrap {
            let end = b"-----END CERTIFICATE-----";
            bytes = [b"-----BEGIN CERTIFICATE-----\n", &bytes[..], end].concat();
        }
        let more: &[u8] = [&b""[..], b"&#10;", b"\\n", b"<br>"][escaped];
        bytes.extend_from_slice(more);
        if let Ok(tidied) = tidy(&bytes) {
            prop_assert_eq!(tidy(tidied.as_bytes()), Ok(tidied.clone()));
        }
    }
}
