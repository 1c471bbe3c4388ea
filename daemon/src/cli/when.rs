//! Times as a person writes them: `2h`, `3d`, `2026-03-01`, `2026-03-01T12:00:00Z`.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};

/// A moment in the past, given as an age, a date (its midnight in UTC) or a full time.
pub(super) fn parse(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    age(text).and_then(|age| now.checked_sub_signed(age)).ok_or_else(|| {
        format!(
            "`{text}` is not a time: write an age as 30m, 2h, 3d or 1w, a date as 2026-03-01, or 2026-03-01T12:00:00Z"
        )
    })
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
    match unit {
        's' => Duration::try_seconds(count),
        'm' => Duration::try_minutes(count),
        'h' => Duration::try_hours(count),
        'd' => Duration::try_days(count),
        'w' => Duration::try_weeks(count),
        _ => None,
    }
}

/// For clap: against the clock, as the API takes it.
pub(super) fn from_argument(text: &str) -> Result<DateTime<Utc>, String> {
    parse(text, Utc::now())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ages_dates_and_times() {
        let now = "2026-03-10T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90s", "2026-03-10T11:58:30Z"),
            ("30m", "2026-03-10T11:30:00Z"),
            ("2h", "2026-03-10T10:00:00Z"),
            ("3d", "2026-03-07T12:00:00Z"),
            ("1w", "2026-03-03T12:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z"),
        ] {
            assert_eq!(parse(text, now).unwrap(), expected.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "d", "3", "-3d", "3y", "yesterday", "9999999999999999d", "99999999999w", "3é", "2026-13-01"] {
            let refusal = parse(text, Utc::now()).unwrap_err();
            assert!(refusal.contains("is not a time: write"), "{text}: {refusal}");
        }
    }
}
