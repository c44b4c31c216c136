//! What goes wrong on our side or Sim's, as lines for the host's log: one line tells the cause, and an outage is a few
//! lines, not one for each request. It must not know how a failure came about.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{Code, Error};
use crate::host::{Host, Level};
use crate::metrics::Op;

/// Lines of one code within one window. What comes beyond is counted, and told with the next line.
const LINES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);

/// What is known of a failed request beside its error.
pub struct Failed<'a> {
    pub op: Op,
    pub request_id: &'a str,
    pub took: Duration,
}

/// Tells failures, a few of each code.
pub struct Failures([Mutex<Window>; Code::ALL.len()]);

#[derive(Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Default for Failures {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Failures {
    /// Tells of `error` if it is no fault of the client's (5xx). A shutdown is nobody's.
    pub fn tell(&self, host: &dyn Host, failed: &Failed<'_>, error: &Error) {
        if error.code.status() < 500 || error.code == Code::ShuttingDown {
            return;
        }
        let mut window = self.0[error.code as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let Some(suppressed) = window.admit(Instant::now()) else { return };
        drop(window);
        let (message, about) = line(failed, error, suppressed);
        host.log_about(Level::Error, "request_failed", &message, about);
    }
}

impl Window {
    /// How many were held back since the last line, if there may be one now.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now - began >= WINDOW) {
            self.began = Some(now);
            self.lines = 0;
        }
        if self.lines == LINES {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// A message to read, and the same as fields. The error's message is our own text.
fn line(failed: &Failed<'_>, error: &Error, suppressed: u64) -> (String, serde_json::Value) {
    let (op, code, took) = (failed.op.as_str(), error.code.as_str(), failed.took.as_millis() as u64);
    let mut message = format!("{op} failed with {code} in {took} ms: {}", error.message);
    let mut about = json!({
        "code": code,
        "status": error.code.status(),
        "operation": op,
        "requestId": failed.request_id,
        "durationMs": took,
    });
    // Writing to a `String` cannot fail.
    if let Some(trail) = &error.trail {
        about["tries"] = trail.tries.into();
        about["upstreamMs"] = (trail.took.as_millis() as u64).into();
        let _ = write!(message, "; {} tries", trail.tries);
        if let Some(status) = trail.status {
            about["upstreamStatus"] = status.into();
            let _ = write!(message, ", the last was answered {status}");
        }
    }
    let _ = write!(message, " (request {})", failed.request_id);
    if suppressed > 0 {
        about["suppressed"] = suppressed.into();
        let _ = write!(message, "; {suppressed} more like it were not logged");
    }
    (message, about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trail;

    #[test]
    fn a_few_lines_a_window_and_the_next_tells_how_many_were_held_back() {
        let mut window = Window::default();
        let start = Instant::now();
        let told = (0..100).filter_map(|_| window.admit(start)).count();
        assert_eq!(told, LINES as usize);
        assert_eq!(window.admit(start + WINDOW), Some(100 - u64::from(LINES)));
        assert_eq!(window.admit(start + WINDOW), Some(0));
    }

    #[test]
    fn one_line_names_operation_code_tries_status_times_and_request() {
        let mut error = Error::new(Code::UpstreamError, "Sim answered with an error");
        error.trail = Some(Trail { tries: 4, status: Some(502), took: Duration::from_millis(650) });
        let failed = Failed { op: Op::FlowsRun, request_id: "r1", took: Duration::from_millis(661) };
        let (message, about) = line(&failed, &error, 7);
        assert_eq!(
            message,
            "flows_run failed with upstream_error in 661 ms: Sim answered with an error; 4 tries, the last was answered \
             502 (request r1); 7 more like it were not logged"
        );
        assert_eq!(
            about,
            json!({"code": "upstream_error", "status": 502, "operation": "flows_run", "requestId": "r1", "durationMs": 661,
                "tries": 4, "upstreamMs": 650, "upstreamStatus": 502, "suppressed": 7})
        );
    }
}
