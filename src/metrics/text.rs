//! The counters as Prometheus reads them: text exposition format 0.0.4. Names follow
//! https://prometheus.io/docs/practices/naming/. What alerts look at is there from the
//! start, as zero: from nothing to one is no increase. Other series come with their first count.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::histogram::{BOUNDS, Histogram};
use super::{Counter, GENERATIONS, LIMITS, Metrics, Op, TRIES, outcome_labels};

/// What is not counted but read at the moment of asking.
pub struct Gauges {
    pub in_flight: usize,
    pub streams: usize,
    /// Streams that watch a run, and the pollers that serve them.
    pub watchers: usize,
    pub pollers: usize,
    /// `closed`, `open` or `half_open`; nothing without Sim.
    pub breaker: Option<&'static str>,
    /// Nothing without Redis: up, fallbacks, outages.
    pub redis: Option<(bool, u64, u64)>,
    pub limit_keys: usize,
}

const BREAKER_STATES: [&str; 3] = ["closed", "half_open", "open"];

impl Metrics {
    /// The body of `GET /metrics`; its content type is `text/plain; version=0.0.4; charset=utf-8`.
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut page = Page(String::with_capacity(16 * 1024));
        page.family("info", "gauge", "The adapter's version; always 1.");
        page.sample("info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
        self.requests(&mut page);
        self.upstream_requests(&mut page);
        page.family("breaker_opened_total", "counter", "How often calls to Sim were paused because it failed.");
        page.sample("breaker_opened_total", "", get(&self.breaker_opened));
        if let Some(now) = gauges.breaker {
            page.family("breaker_state", "gauge", "1 for the state that the circuit to Sim is in.");
            for state in BREAKER_STATES {
                page.sample("breaker_state", &format!("state=\"{state}\""), u64::from(state == now));
            }
        }
        page.family(
            "streams_broken_total",
            "counter",
            "Answers in pieces that ended in an error after they had begun.",
        );
        page.sample("streams_broken_total", "", get(&self.streams_broken));
        page.gauge("requests_in_flight", "Requests that are admitted and not answered.", gauges.in_flight);
        page.gauge(
            "streams_open",
            "Answers in pieces (event streams, large answers) that have not ended.",
            gauges.streams,
        );
        page.gauge("watchers", "Streams that wait for news of a run.", gauges.watchers);
        page.gauge("pollers", "Runs whose status is asked for again and again, for those who watch.", gauges.pollers);
        page.gauge("limit_keys", "Users and addresses whose rate is held in memory.", gauges.limit_keys);
        if let Some((up, fallbacks, outages)) = gauges.redis {
            page.gauge("redis_up", "Whether limits are shared through Redis now.", usize::from(up));
            page.family("redis_fallbacks_total", "counter", "Decisions made in memory because Redis was away.");
            page.sample("redis_fallbacks_total", "", fallbacks);
            page.family("redis_outages_total", "counter", "How often Redis went away.");
            page.sample("redis_outages_total", "", outages);
        }
        page.0
    }

    fn requests(&self, page: &mut Page) {
        page.family("requests_total", "counter", "Requests that ended, by operation, class of status and error code.");
        for (op, outcomes) in Op::ALL.iter().zip(&self.requests) {
            for (outcome, counter) in outcomes.iter().enumerate() {
                let count = get(counter);
                let (status, code) = outcome_labels(outcome);
                if count > 0 || (matches!(status, "2xx" | "5xx") && *op != Op::Unknown) {
                    let labels = format!("operation=\"{}\",status=\"{status}\",code=\"{code}\"", op.as_str());
                    page.sample("requests_total", &labels, count);
                }
            }
        }
        let help = "How long requests took that were not refused at once; streams until their end.";
        page.histograms("request_duration_seconds", help, &self.durations);
        page.family("limit_refusals_total", "counter", "Requests refused by a limit (429), by the limit.");
        for (limit, counter) in LIMITS.iter().zip(&self.limited) {
            page.sample("limit_refusals_total", &format!("limit=\"{limit}\""), get(counter));
        }
    }

    fn upstream_requests(&self, page: &mut Page) {
        let help = "Tries of calls to Sim, by operation, API generation and how they ended.";
        page.family("upstream_requests_total", "counter", help);
        for (op, generations) in Op::ALL.iter().zip(&self.tries) {
            for (generation, ends) in GENERATIONS.iter().zip(generations) {
                for (end, counter) in TRIES.iter().zip(ends).filter(|(_, counter)| get(counter) > 0) {
                    let op = op.as_str();
                    let labels = format!("operation=\"{op}\",generation=\"{generation}\",status=\"{end}\"");
                    page.sample("upstream_requests_total", &labels, get(counter));
                }
            }
        }
        let help = "How long one try took, until Sim's answer was read; of a stream, until it began.";
        page.histograms("upstream_request_duration_seconds", help, &self.try_durations);
        page.family("upstream_retries_total", "counter", "Tries beyond the first of a call to Sim.");
        for (op, counter) in Op::ALL.iter().zip(&self.retries).filter(|(op, _)| **op != Op::Unknown) {
            page.sample("upstream_retries_total", &format!("operation=\"{}\"", op.as_str()), get(counter));
        }
    }
}

fn get(counter: &Counter) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Writes lines. Label values are our own words: none needs escaping. Writing to a `String` cannot fail.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP sim_adapter_{name} {help}\n# TYPE sim_adapter_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        let _ = match labels {
            "" => writeln!(self.0, "sim_adapter_{name} {value}"),
            labels => writeln!(self.0, "sim_adapter_{name}{{{labels}}} {value}"),
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.family(name, "gauge", help);
        self.sample(name, "", value as u64);
    }

    fn histograms(&mut self, name: &str, help: &str, histograms: &[Histogram]) {
        self.family(name, "histogram", help);
        for (op, histogram) in Op::ALL.iter().zip(histograms) {
            let reading = histogram.read();
            if reading.count == 0 {
                continue;
            }
            let (op, out) = (op.as_str(), &mut self.0);
            for ((_, bound), count) in BOUNDS.iter().zip(reading.buckets) {
                let _ = writeln!(out, "sim_adapter_{name}_bucket{{operation=\"{op}\",le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "sim_adapter_{name}_bucket{{operation=\"{op}\",le=\"+Inf\"}} {}", reading.count);
            let seconds = reading.sum_micros as f64 / 1e6;
            let _ = writeln!(out, "sim_adapter_{name}_sum{{operation=\"{op}\"}} {seconds}");
            let _ = writeln!(out, "sim_adapter_{name}_count{{operation=\"{op}\"}} {}", reading.count);
        }
    }
}
