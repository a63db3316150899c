//! "Did you mean": finds the known name that is closest to a mistyped one.

/// Returns ` (did you mean "json"?)`, or an empty string if no known name is close.
pub(crate) fn hint(name: &str, known: &[&str], aliases: &[(&str, &str)]) -> String {
    let lower = name.to_lowercase();
    let alias = aliases.iter().find(|(alias, _)| *alias == lower);
    let guess = alias.map(|(_, meant)| *meant).or_else(|| {
        known
            .iter()
            .map(|known| (strsim::levenshtein(&lower, known), *known))
            // At most two typing errors, and fewer than the letters of the name.
            .filter(|(distance, known)| *distance <= 2 && *distance + 1 < known.len())
            .min()
            .map(|(_, known)| known)
    });
    guess.map_or_else(String::new, |guess| format!(" (did you mean \"{guess}\"?)"))
}

#[cfg(test)]
mod tests;
