//! "Did you mean": finds the known name that is closest to a mistyped one.

/// Returns ` (did you mean "json"?)`, or an empty string if no known name is close.
pub(crate) fn hint(name: &str, known: &[&str], aliases: &[(&str, &str)]) -> String {
    let lower = name.to_lowercase();
    let alias = aliases.iter().find(|(alias, _)| *alias == lower);
    let guess = alias.map(|(_, meant)| *meant).or_else(|| {
        known
            .iter()
            .map(|known| (distance(&lower, known), *known))
            // At most two typing errors, and fewer than the letters of the name.
            .filter(|(distance, known)| *distance <= 2 && *distance + 1 < known.len())
            .min()
            .map(|(_, known)| known)
    });
    guess.map_or_else(String::new, |guess| format!(" (did you mean \"{guess}\"?)"))
}

/// Returns the Levenshtein distance: the insertions, deletions and replacements from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
