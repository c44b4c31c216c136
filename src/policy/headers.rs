//! Limits as response fields: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-08) and Retry-After
//! (RFC 9110). Knows only a [`Standing`].

use std::fmt::Write;

use super::ask::Standing;

/// `RateLimit-Policy`: `"run";q=60;w=60`. A list of one structured-field string (RFC 9651) with the quota `q` and the
/// window `w` in seconds. The names are fixed and need no escape.
pub fn rate_limit_policy(standing: &Standing) -> String {
    let mut field = format!("\"{}\";q={}", standing.policy, standing.limit);
    if let Some(window) = standing.window_seconds {
        // Writing to a String cannot fail.
        let _ = write!(field, ";w={window}");
    }
    field
}

/// `RateLimit`: `"run";r=59;t=1`, what remains and the seconds until the quota is whole again. `t` is never before the
/// moment that Retry-After names.
pub fn rate_limit(standing: &Standing) -> String {
    format!("\"{}\";r={};t={}", standing.policy, standing.remaining, standing.reset_seconds)
}

/// `Retry-After` in whole seconds, rounded up and at least 1: a client that waits so long is not refused again too early.
pub fn retry_after(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_reads_as_the_draft_writes_it() {
        let mut standing =
            Standing { policy: "run", limit: 60, window_seconds: Some(60), remaining: 59, reset_seconds: 1 };
        assert_eq!(rate_limit_policy(&standing), "\"run\";q=60;w=60");
        assert_eq!(rate_limit(&standing), "\"run\";r=59;t=1");
        standing.policy = "concurrent-runs";
        standing.window_seconds = None;
        assert_eq!(rate_limit_policy(&standing), "\"concurrent-runs\";q=60");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        assert_eq!((retry_after(0), retry_after(1), retry_after(1_000), retry_after(1_001)), (1, 1, 1, 2));
    }
}
