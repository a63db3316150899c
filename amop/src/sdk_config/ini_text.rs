//! Text in INI.

/// Tables that only the C SDK's files have.
const SECTIONS: [&str; 3] = ["common", "cert", "peers"];

/// Tables that only the files of other SDKs have.
const OTHERS: [&str; 3] = ["network", "cryptomaterial", "chain"];

/// A value with its key and the line that it is in.
pub(super) struct IniValue<'t> {
    pub(super) line: usize,
    pub(super) section: &'t str,
    pub(super) key: &'t str,
    pub(super) value: &'t str,
}

impl IniValue<'_> {
    /// Returns the key with its section.
    pub(super) fn full(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// Returns the name of the section that a line begins.
fn section(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('[')?.strip_suffix(']')?;
    Some(name.trim())
}

/// Returns whether a text is a file of the C SDK.
pub(super) fn is_ini(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let sections: Vec<&str> = text.lines().filter_map(section).collect();
    let any = |list: &[&str]| {
        let mut sections = sections.iter();
        sections.any(|name| list.iter().any(|known| name.eq_ignore_ascii_case(known)))
    };
    any(&SECTIONS) && !any(&OTHERS)
}

/// Returns the values of a text, or the number of the line that cannot be read. As in the SDK's own
/// reader, a comment is a line of its own.
pub(super) fn values(text: &str) -> Result<Vec<IniValue<'_>>, usize> {
    let text = text.trim_start_matches('\u{feff}');
    let mut current = "";
    let mut values = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() || content.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = section(content) {
            current = name;
            continue;
        }
        let (key, value) = content.split_once('=').ok_or(line + 1)?;
        values.push(IniValue {
            line: line + 1,
            section: current,
            key: key.trim(),
            value: value.trim(),
        });
    }
    Ok(values)
}
