//! [`tidy`]: repairs PEM text with damaged formatting, so that programs can read it.
//!
//! Files pass through editors, chat programs, web pages and shells. They arrive with a byte order
//! mark, in UTF-16, with no-break spaces, with line ends escaped for HTML or JSON, indented,
//! without line ends, or concatenated so that two lines became one. None of this changes the
//! content, so it is repaired. Other damage is an error with the line number.

use std::fmt;

use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The longest name of a section.
const MAX_LABEL: usize = 64;

/// Why a text is not PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemProblem {
    /// The text has no BEGIN line.
    NoSection,
    /// A section has no END line.
    Unfinished {
        /// The line of its BEGIN, from 1.
        line: usize,
        /// The section's name, for example `CERTIFICATE`.
        label: String,
    },
    /// A BEGIN line is malformed.
    BadBegin {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A section has a character that is invalid in PEM.
    BadCharacter {
        /// The number of the line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// A section's base64 cannot be decoded.
    BadBase64 {
        /// The line of its BEGIN, from 1.
        line: usize,
        /// The section's name.
        label: String,
    },
}

impl fmt::Display for PemProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSection => f.write_str("there is no BEGIN line in it"),
            Self::Unfinished { line, label } => write!(
                f,
                "the section {label} that begins in line {line} has no line -----END {label}-----: the \
                 file was cut off, copy it again"
            ),
            Self::BadBegin { line } => write!(
                f,
                "line {line} begins a section without a name between five dashes on both sides: copy the \
                 file again as it is"
            ),
            Self::BadCharacter { line, character } => {
                write!(f, "line {line} has ")?;
                match *character {
                    char::REPLACEMENT_CHARACTER => f.write_str("bytes that are not text")?,
                    other => write!(
                        f,
                        "the character {} (U+{:04X})",
                        other.escape_debug(),
                        u32::from(other)
                    )?,
                }
                f.write_str(", which is not allowed in PEM: copy the file again as it is")
            }
            Self::BadBase64 { line, label } => write!(
                f,
                "the section {label} that begins in line {line} is damaged: characters are missing or \
                 changed, copy the file again"
            ),
        }
    }
}

impl std::error::Error for PemProblem {}

/// One section of a tidied text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PemSection<'a> {
    /// The offset of its beginning in bytes.
    at: usize,
    label: &'a str,
    /// The text between its BEGIN and END lines, and the offset of this text.
    body: &'a str,
    body_at: usize,
    /// The offset of its end.
    end: usize,
}

/// Returns the sections of a text, each with its BEGIN and END lines and its base64 without spaces;
/// text around them is removed. The result is wiped when it is dropped, since it may contain a key.
///
/// A section with headers, as in encrypted keys of the older form, is not changed.
///
/// ```
/// let pasted = "\u{feff}  -----BEGIN\u{a0}CERTIFICATE-----&#10;AQID&#10;-----END CERTIFICATE-----";
/// let tidied = amop_tls::pem::tidy(pasted.as_bytes())?;
/// assert_eq!(*tidied, "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n");
/// # Ok::<(), amop_tls::pem::PemProblem>(())
/// ```
///
/// # Errors
/// [`PemProblem`] with the problem and its line.
pub fn tidy(text: &[u8]) -> Result<Zeroizing<String>, PemProblem> {
    let text = plain(text);
    // The text grows at most by the line ends around the sections.
    let mut tidied = Zeroizing::new(String::with_capacity(2 * text.len()));
    let mut rest = 0;
    while let Some(section) = next_section(&text, rest)? {
        rest = section.end;
        let PemSection { label, body, .. } = section;
        tidied.push_str(BEGIN);
        tidied.push_str(label);
        tidied.push_str("-----\n");
        if body.contains(':') {
            // What is left of an escape is not part of a header.
            let is_odd = |&(_, character): &(usize, char)| matches!(character, '\\' | '&' | '<');
            if let Some((at, character)) = body.char_indices().find(is_odd) {
                let line = line_of(&text, section.body_at + at);
                return Err(PemProblem::BadCharacter { line, character });
            }
            for line in body.trim().lines().map(str::trim) {
                tidied.push_str(line);
                tidied.push('\n');
            }
        } else {
            push_base64(&mut tidied, &text, section)?;
            tidied.push('\n');
        }
        tidied.push_str("-----END ");
        tidied.push_str(label);
        tidied.push_str("-----\n");
    }
    if tidied.is_empty() {
        return Err(PemProblem::NoSection);
    }
    Ok(tidied)
}

/// Returns whether a private key in a [tidied](tidy) text is encrypted: in PKCS#8 the name of the
/// section shows this, in the older forms a header.
pub fn is_encrypted(tidied: &str) -> bool {
    tidied.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || tidied.lines().any(|line| {
            let header = line.strip_prefix("Proc-Type:");
            header.is_some_and(|value| value.contains("ENCRYPTED"))
        })
}

fn push_base64(
    tidied: &mut Zeroizing<String>,
    text: &str,
    section: PemSection<'_>,
) -> Result<(), PemProblem> {
    let mut digits = 0;
    for (at, character) in section.body.char_indices() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' | '=' => {
                tidied.push(character);
                digits += 1;
            }
            space if space.is_whitespace() => {}
            character => {
                return Err(PemProblem::BadCharacter {
                    line: line_of(text, section.body_at + at),
                    character,
                });
            }
        }
    }
    if digits % 4 != 0 || digits == 0 {
        return Err(PemProblem::BadBase64 {
            line: line_of(text, section.at),
            label: section.label.to_owned(),
        });
    }
    Ok(())
}

fn next_section(text: &str, from: usize) -> Result<Option<PemSection<'_>>, PemProblem> {
    let Some(found) = text[from..].find(BEGIN) else {
        return Ok(None);
    };
    let at = from + found;
    let named = at + BEGIN.len();
    let bad = || PemProblem::BadBegin {
        line: line_of(text, at),
    };
    let length = text[named..].find(DASHES).ok_or_else(bad)?;
    let label = &text[named..named + length];
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
    if label.is_empty() || label.len() > MAX_LABEL || !label.chars().all(is_name) {
        return Err(bad());
    }
    let body = named + length + DASHES.len();
    let last = format!("-----END {label}-----");
    let unfinished = || PemProblem::Unfinished {
        line: line_of(text, at),
        label: label.to_owned(),
    };
    let length = text[body..].find(&last).ok_or_else(unfinished)?;
    // Another section begins before this one ends, so this one has no end.
    if text[body..body + length].contains(BEGIN) {
        return Err(unfinished());
    }
    Ok(Some(PemSection {
        at,
        label,
        body: &text[body..body + length],
        body_at: body,
        end: body + length + last.len(),
    }))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// Returns the text with normal characters: all spaces become spaces, all line ends line feeds,
/// invisible characters are removed, and escapes of HTML and JSON are decoded. UTF-16 is recognised
/// by its byte order mark. The result is wiped when it is dropped.
///
/// ```
/// let written_by_windows = b"\xff\xfe0\0a\0\r\0\n\0";
/// assert_eq!(*amop_tls::pem::plain(written_by_windows), "0a\n");
/// ```
pub fn plain(text: &[u8]) -> Zeroizing<String> {
    let text = decoded(text);
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let (character, length) = match first {
            '&' => entity(rest),
            '\\' => escape(rest),
            '<' => line_break(rest),
            '\r' if rest.starts_with("\r\n") => (Some('\n'), 2),
            _ => (Some(first), first.len_utf8()),
        };
        rest = &rest[length..];
        match character {
            // The byte order mark, and characters without width.
            None | Some('\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}') => {}
            Some('\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}') => plain.push('\n'),
            Some(space) if space.is_whitespace() => plain.push(' '),
            Some(character) => plain.push(character),
        }
    }
    plain
}

/// Decodes UTF-8, or UTF-16 if it has a byte order mark.
fn decoded(text: &[u8]) -> Zeroizing<String> {
    let (unit, rest): (fn([u8; 2]) -> u16, _) = match text {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        _ => return Zeroizing::new(String::from_utf8_lossy(text).into_owned()),
    };
    let mut decoded = Zeroizing::new(String::with_capacity(2 * rest.len()));
    let units = rest
        .chunks(2)
        .map(|pair| pair.try_into().map_or(0xfffd, unit));
    for character in char::decode_utf16(units) {
        decoded.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    decoded
}

/// Returns the character that an HTML entity stands for, and the length of the entity. An `&` that
/// does not begin an entity stands for itself.
fn entity(text: &str) -> (Option<char>, usize) {
    const LONGEST: usize = 10;
    let alone = (Some('&'), 1);
    let Some(end) = text.bytes().take(LONGEST).position(|byte| byte == b';') else {
        return alone;
    };
    let name = &text[1..end];
    let number = |digits: &str, radix| {
        let number = u32::from_str_radix(digits, radix).ok();
        number.and_then(char::from_u32)
    };
    let character = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(digits, 10),
        },
        None => match name {
            "amp" => Some('&'),
            "nbsp" => Some(' '),
            "NewLine" => Some('\n'),
            "Tab" => Some('\t'),
            "plus" => Some('+'),
            "equals" => Some('='),
            "sol" => Some('/'),
            "hyphen" | "dash" => Some('-'),
            _ => None,
        },
    };
    match character {
        Some('&') => twice_escaped(&text[end + 1..], end + 1),
        Some(character) => (Some(character), end + 1),
        None => alone,
    }
}

/// Handles `&amp;`: an entity that was escaped twice may follow it.
fn twice_escaped(rest: &str, length: usize) -> (Option<char>, usize) {
    let end = rest.bytes().take(8).position(|byte| byte == b';');
    match end.map(|end| &rest[..=end]) {
        Some("#10;") => (Some('\n'), length + "#10;".len()),
        Some("#13;") => (Some('\n'), length + "#13;".len()),
        Some("#43;") => (Some('+'), length + "#43;".len()),
        Some("#47;") => (Some('/'), length + "#47;".len()),
        Some("#61;") => (Some('='), length + "#61;".len()),
        Some("nbsp;") => (Some(' '), length + "nbsp;".len()),
        _ => (Some('&'), length),
    }
}

/// Returns the character that an escape of JSON or of a shell stands for, and the length of the
/// escape.
fn escape(text: &str) -> (Option<char>, usize) {
    match text.as_bytes().get(1) {
        Some(b'n') => (Some('\n'), 2),
        Some(b'r') => (Some(' '), 2),
        Some(b't') => (Some(' '), 2),
        // JSON may escape a slash.
        Some(b'/') => (Some('/'), 2),
        // A line end after which a shell joins the next line.
        Some(b'\n' | b'\r') => (None, 1),
        _ => (Some('\\'), 1),
    }
}

/// Returns a line end for an HTML tag, which web pages put between lines or around the text.
fn line_break(text: &str) -> (Option<char>, usize) {
    let end = text.bytes().take(32).position(|byte| byte == b'>');
    let Some(end) = end else {
        return (Some('<'), 1);
    };
    let tag = text[1..end].trim_matches(['/', ' ']);
    let name = tag.split(' ').next().unwrap_or_default();
    let known = ["br", "p", "div", "pre", "code", "span", "wbr"];
    if known.iter().any(|tag| name.eq_ignore_ascii_case(tag)) {
        (Some('\n'), end + 1)
    } else {
        (Some('<'), 1)
    }
}

#[cfg(test)]
mod tests;
