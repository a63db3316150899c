//! Times as text for people.

use std::fmt;

const DAY: i64 = 86_400;

/// A time in a readable form: seconds since 1970 become `2021-01-01T00:00:00Z`.
///
/// ```
/// assert_eq!(amop_proto::log::Utc(1_609_459_200).to_string(), "2021-01-01T00:00:00Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc(
    /// Seconds since the beginning of 1970, without leap seconds.
    pub i64,
);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Returns the date of a day, counted from 1970-01-01. Years begin with March here, so that a leap
/// day is the last day of its year, and eras of 400 years all have the same length.
fn date(days: i64) -> (i64, i64, i64) {
    /// The number of days from 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    const ERA: i64 = 146_097;
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
