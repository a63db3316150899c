//! The texts of `google.protobuf.Timestamp` and `google.protobuf.Duration`, which prost-types
//! writes and reads. It is more lenient than the JSON mapping, so the rest is checked here.

use crate::ProtoJsonError;
use prost_types::{Duration, Timestamp};

/// 0001-01-01T00:00:00Z.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;
/// 10,000 years.
const LONGEST: i64 = 315_576_000_000;
const NANOS: i32 = 1_000_000_000;

/// Returns a time in the format of RFC 3339, in UTC.
pub(crate) fn timestamp(seconds: i64, nanos: i32) -> Result<String, ProtoJsonError> {
    if !(FIRST..=LAST).contains(&seconds) {
        return Err(ProtoJsonError::new(format!(
            "a timestamp of {seconds} s is not between the years 1 and 9999"
        )));
    }
    if !(0..NANOS).contains(&nanos) {
        return Err(ProtoJsonError::new(format!(
            "a timestamp has {nanos} nanoseconds, which is not between 0 and 999999999"
        )));
    }
    Ok(Timestamp { seconds, nanos }.to_string())
}

/// Returns seconds with a fraction.
pub(crate) fn duration(seconds: i64, nanos: i32) -> Result<String, ProtoJsonError> {
    check_duration(seconds, nanos)?;
    Ok(Duration { seconds, nanos }.to_string())
}

fn check_duration(seconds: i64, nanos: i32) -> Result<(), ProtoJsonError> {
    if !(-LONGEST..=LONGEST).contains(&seconds) {
        return Err(ProtoJsonError::new(format!(
            "a duration of {seconds} s is longer than {LONGEST} s"
        )));
    }
    if !(-NANOS + 1..NANOS).contains(&nanos) {
        return Err(ProtoJsonError::new(format!(
            "a duration has {nanos} nanoseconds, which is a second or more"
        )));
    }
    if seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
        return Err(ProtoJsonError::new(format!(
            "a duration has {seconds} s and {nanos} ns, which differ in their signs"
        )));
    }
    Ok(())
}

/// Reads a time, and returns seconds and nanoseconds.
pub(crate) fn read_timestamp(text: &str) -> Result<(i64, i32), ProtoJsonError> {
    let time = Some(text)
        .filter(|text| is_timestamp(text))
        .and_then(|text| text.parse::<Timestamp>().ok())
        .ok_or_else(|| {
            ProtoJsonError::new(format!(
                "{text:?} is not a timestamp: write it as 2006-01-02T15:04:05.999Z"
            ))
        })?;
    if !(FIRST..=LAST).contains(&time.seconds) {
        return Err(ProtoJsonError::new(format!(
            "{text:?} is not between the years 1 and 9999"
        )));
    }
    Ok((time.seconds, time.nanos))
}

/// Returns whether a text has the form of a time in JSON. prost-types also reads other forms, cuts
/// fractions after nine digits, and takes a leap second for the second before it.
fn is_timestamp(text: &str) -> bool {
    let form = text.replace(|c: char| c.is_ascii_digit(), "0");
    let rest = form.strip_prefix("0000-00-00T00:00:00").unwrap_or_default();
    let zone = rest.trim_start_matches(['.', '0']);
    matches!(zone, "Z" | "+00:00" | "-00:00")
        && rest.len() - zone.len() <= ".123456789".len()
        && !text.starts_with("0000")
        && !text[..19].ends_with("60")
}

/// Reads a duration, and returns seconds and nanoseconds.
pub(crate) fn read_duration(text: &str) -> Result<(i64, i32), ProtoJsonError> {
    // prost-types cuts longer fractions.
    let exact = |(_, fraction): (&str, &str)| fraction.len() <= "123456789s".len();
    let time = Some(text)
        .filter(|text| text.split_once('.').is_none_or(exact))
        .and_then(|text| text.parse::<Duration>().ok())
        .ok_or_else(|| {
            ProtoJsonError::new(format!("{text:?} is not a duration: write it as 1.5s"))
        })?;
    check_duration(time.seconds, time.nanos)?;
    Ok((time.seconds, time.nanos))
}

#[cfg(test)]
mod tests;
