//! Numbers in JSON's notation, without rounding.

use serde::de::IgnoredAny;

/// Returns whether a text is a number in JSON's notation, of any size.
pub(crate) fn is_number(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    // Most numbers are only digits.
    if !text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    (text.starts_with('-') || text.starts_with(digit))
        && text.ends_with(digit)
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Returns the integer value of a number in any notation; `None` if it has a fraction or more than
/// 30 digits.
pub(crate) fn integer(text: &str) -> Option<i128> {
    // Most numbers are only digits. This short, they fit.
    if text.len() < 19
        && let Ok(value) = text.parse::<i64>()
    {
        return Some(value.into());
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (rest, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // An exponent out of range here is out of every type's range.
    let exponent: i64 = exponent.parse().ok()?;
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let scale = exponent
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(zeros).ok()?)?;
    let scale = u32::try_from(scale).ok()?;
    if significant.len() + usize::try_from(scale).ok()? > 30 {
        return None;
    }
    let value = significant.parse::<i128>().ok()? * 10_i128.pow(scale);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
