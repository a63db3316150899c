//! What breaks programs.

use std::collections::BTreeSet;

/// Returns the items that programs may need and that are no longer there, and the new variants that a `match` without
/// a wildcard lacks. An item that has changed counts as removed.
///
/// A new method that implementations of a trait must have, and a new field of a struct that programs construct, are not
/// found.
pub(crate) fn breaks(old: &[String], new: &[String]) -> Vec<String> {
    let (before, after) = (set(old), set(new));
    let removed = before
        .difference(&after)
        .map(|item| format!("removed or changed: {item}"));
    let variants = after
        .difference(&before)
        .filter(|item| is_variant_of_exhaustive(item, &before))
        .map(|item| format!("a variant of an enum that is not `non_exhaustive`: {item}"));
    removed.chain(variants).collect()
}

fn set(items: &[String]) -> BTreeSet<&str> {
    items.iter().map(String::as_str).collect()
}

/// Whether an item such as `pub amop::Event::Closed` is a variant of an enum that is in `items` and exhaustive.
fn is_variant_of_exhaustive(item: &str, items: &BTreeSet<&str>) -> bool {
    // `pub krate::Enum::Variant(u8)`
    let Some(rest) = item.strip_prefix("pub ") else {
        return false;
    };
    let path = rest.split(['(', ' ']).next().unwrap_or(rest);
    let Some((owner, _)) = path.rsplit_once("::") else {
        return false;
    };
    items.iter().any(|item| {
        let name = item.strip_prefix("pub enum ");
        name.is_some_and(|name| name.split('<').next() == Some(owner))
    })
}

/// Returns whether a version may break programs that use the old one, as Cargo understands versions: the first number
/// that is not 0 has changed.
pub(crate) fn may_break(old: &str, new: &str) -> bool {
    significant(old) != significant(new)
}

fn significant(version: &str) -> String {
    let core = version.split(['-', '+']).next().unwrap_or(version);
    let mut numbers = Vec::new();
    for number in core.split('.') {
        numbers.push(number);
        if number != "0" {
            break;
        }
    }
    numbers.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    const OLD: &str = "\
pub fn amop::Client::close(&self)
pub struct amop::Client
pub enum amop::Code<T>
pub amop::Code::One(T)
#[non_exhaustive] pub enum amop::Event
pub amop::Event::Closed
pub amop::Event::Closed::code: u8";

    #[test]
    fn what_is_only_added_breaks_nothing() {
        let new = format!("{OLD}\npub amop::Event::Lost\npub fn amop::Client::drain(&self)");
        assert_eq!(breaks(&lines(OLD), &lines(&new)), [""; 0]);
    }

    #[test]
    fn what_is_gone_or_changed_breaks_programs() {
        let new = OLD.replace("close(&self)", "close(self)");
        let new = new.replace("\npub amop::Event::Closed::code: u8", "");
        assert_eq!(
            breaks(&lines(OLD), &lines(&new)),
            [
                "removed or changed: pub amop::Event::Closed::code: u8",
                "removed or changed: pub fn amop::Client::close(&self)"
            ]
        );
    }

    #[test]
    fn a_new_variant_breaks_programs_that_match_on_all() {
        let new = format!("{OLD}\npub amop::Code::Two");
        let found = breaks(&lines(OLD), &lines(&new));
        assert_eq!(
            found,
            ["a variant of an enum that is not `non_exhaustive`: pub amop::Code::Two"]
        );
    }

    #[test]
    fn versions_that_may_break() {
        for (old, new, expected) in [
            ("0.1.0", "0.1.9", false),
            ("0.1.0", "0.2.0", true),
            ("0.0.1", "0.0.2", true),
            ("1.0.0", "1.9.0", false),
            ("1.9.0", "2.0.0-rc.1", true),
            ("0.9.0", "1.0.0", true),
        ] {
            assert_eq!(may_break(old, new), expected, "{old} -> {new}");
        }
    }
}
