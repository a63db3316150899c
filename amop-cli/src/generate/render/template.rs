//! Fills in a template.

/// Replaces `{{name}}`. Inserted values are not searched for names, so they may contain anything.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("{{") {
        // Of `{{{` the first brace belongs to the template.
        let begin = begin + usize::from(rest[begin + 2..].starts_with('{'));
        let (before, tail) = rest.split_at(begin);
        filled.push_str(before);
        let name = tail[2..].split("}}").next().unwrap_or_default();
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => {
                filled.push_str(value);
                rest = tail.get(name.len() + 4..).unwrap_or_default();
            }
            None => {
                filled.push_str("{{");
                rest = &tail[2..];
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests;
