//! The texts of `google.protobuf.Timestamp` and `google.protobuf.Duration`.

use crate::ProtoJsonError;

/// 0001-01-01T00:00:00Z.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;
/// 10,000 years.
const LONGEST: i64 = 315_576_000_000;
const NANOS: i32 = 1_000_000_000;
const DAY: i64 = 86_400;

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
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction(nanos);
    Ok(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// Returns seconds with a fraction.
pub(crate) fn duration(seconds: i64, nanos: i32) -> Result<String, ProtoJsonError> {
    check_duration(seconds, nanos)?;
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (seconds, fraction) = (seconds.abs(), fraction(nanos.abs()));
    Ok(format!("{sign}{seconds}{fraction}s"))
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

/// Returns the fraction with three, six or nine digits, as few as possible.
fn fraction(nanos: i32) -> String {
    if nanos == 0 {
        String::new()
    } else if nanos % 1_000_000 == 0 {
        format!(".{:03}", nanos / 1_000_000)
    } else if nanos % 1000 == 0 {
        format!(".{:06}", nanos / 1000)
    } else {
        format!(".{nanos:09}")
    }
}

/// Reads a time, and returns seconds and nanoseconds.
pub(crate) fn read_timestamp(text: &str) -> Result<(i64, i32), ProtoJsonError> {
    let wrong = || {
        ProtoJsonError::new(format!(
            "{text:?} is not a timestamp: write it as 2006-01-02T15:04:05.999Z"
        ))
    };
    let (seconds, nanos) = parse_timestamp(text).ok_or_else(wrong)?;
    if !(FIRST..=LAST).contains(&seconds) {
        return Err(ProtoJsonError::new(format!(
            "{text:?} is not between the years 1 and 9999"
        )));
    }
    Ok((seconds, nanos))
}

fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, rest) = text.split_at_checked(19)?;
    let bytes = date.as_bytes();
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let number = |from: usize, to: usize| digits(&date[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            (read_fraction(&rest[..len])?, &rest[len..])
        }
        None => (0, rest),
    };
    let local = days_since_1970(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some((local - offset(zone)?, nanos))
}

/// Returns the number of seconds by which a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let bytes = zone.as_bytes();
    if zone.len() != 6 || bytes[3] != b':' || !zone.is_ascii() {
        return None;
    }
    let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    match bytes[0] {
        b'+' => Some(hours * 3600 + minutes * 60),
        b'-' => Some(-hours * 3600 - minutes * 60),
        _ => None,
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads one to nine digits as nanoseconds.
fn read_fraction(text: &str) -> Option<i32> {
    let digits = digits(text).filter(|_| text.len() <= 9)?;
    let missing = 9 - u32::try_from(text.len()).ok()?;
    i32::try_from(digits * 10_i64.pow(missing)).ok()
}

/// Reads a duration, and returns seconds and nanoseconds.
pub(crate) fn read_duration(text: &str) -> Result<(i64, i32), ProtoJsonError> {
    let wrong = || ProtoJsonError::new(format!("{text:?} is not a duration: write it as 1.5s"));
    let (seconds, nanos) = parse_duration(text).ok_or_else(wrong)?;
    check_duration(seconds, nanos)?;
    Ok((seconds, nanos))
}

fn parse_duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (seconds, nanos) = match text.split_once('.') {
        Some((seconds, fraction)) => (digits(seconds)?, read_fraction(fraction)?),
        None => (digits(text)?, 0),
    };
    Some(if negative {
        (-seconds, -nanos)
    } else {
        (seconds, nanos)
    })
}

/// Days in 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;

/// Returns the number of a day of the Gregorian calendar, counted from 1970-01-01. Years start in
/// March, so that the leap day is the last day of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// Returns year, month and day of a day counted from 1970-01-01, for years from 0.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    let year = era * 400 + year + i64::from(january);
    (year, if january { month - 9 } else { month + 3 }, date)
}

#[cfg(test)]
mod tests;
