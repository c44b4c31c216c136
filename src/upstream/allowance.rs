//! What Sim says is left of its rate limit: `X-RateLimit-Remaining` and `-Reset` (v1 and v2, SIM's own form: an RFC 3339
//! date). It must not know who asks, nor what for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// Sim's windows last a minute: a date further away comes from clocks that differ.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// Requests that are left, and how long they have to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    remaining: u32,
    resets_in: Duration,
}

impl Allowance {
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        let remaining = text("x-ratelimit-remaining")?.trim().parse().ok()?;
        let resets_at = unix_time(text("x-ratelimit-reset")?.trim())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(Self { remaining, resets_in: resets_at.saturating_sub(now).min(LONGEST_WINDOW) })
    }

    /// Until all of it is there again.
    pub fn resets_in(&self) -> Duration {
        self.resets_in
    }

    /// The wait between two requests of each of `callers` with which they take half of what is left: the other half is for
    /// those who do not wait.
    pub fn pace(&self, callers: usize) -> Duration {
        match self.remaining / 2 {
            0 => self.resets_in,
            share => self.resets_in * u32::try_from(callers).unwrap_or(u32::MAX).min(share) / share,
        }
    }
}

/// `2026-01-01T00:00:00.000Z`, as time since 1970.
fn unix_time(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, _fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years are counted from March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(Duration::from_secs(days * 86_400 + hour.min(23) * 3600 + minute.min(59) * 60 + second.min(60)))
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let mut parts = text.split(between).map(|part| part.parse().ok());
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_sims_is_a_moment() {
        let seconds = |text| unix_time(text).map(|time| time.as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2024-03-01T00:00:01.999Z"), Some(1_709_251_201));
        assert_eq!(seconds("2100-03-01T00:00:00.001Z"), Some(4_107_542_400));
        for text in
            ["", "Z", "1767225600", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00Z", "-1-01-01T0:0:0Z"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn half_of_what_is_left_lasts_until_there_is_more() {
        let left = |remaining| Allowance { remaining, resets_in: Duration::from_secs(60) };
        assert_eq!(left(60).pace(1), Duration::from_secs(2));
        assert_eq!(left(60).pace(10), Duration::from_secs(20));
        assert_eq!(left(60).pace(1000), Duration::from_secs(60));
        assert_eq!(left(1).pace(1), Duration::from_secs(60));
        assert!(left(999_999).pace(100) < Duration::from_millis(15));
    }

    #[test]
    fn headers_that_say_nothing_of_use_are_no_allowance() {
        let read = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            Allowance::read(&headers)
        };
        let reset = ("x-ratelimit-reset", "2026-01-01T00:00:00.000Z");
        assert_eq!(read(&[("x-ratelimit-remaining", "7"), reset]).map(|left| left.remaining), Some(7));
        let far = read(&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "9999-01-01T00:00:00.000Z")]);
        assert_eq!(far.map(|left| left.resets_in), Some(LONGEST_WINDOW));
        for pairs in [&[reset][..], &[("x-ratelimit-remaining", "7")], &[("x-ratelimit-remaining", "-1"), reset]] {
            assert_eq!(read(pairs), None);
        }
    }
}
