//! Server-sent events of a run, as our own routes write them. It knows the form, not where they come from.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::Error;
use crate::failures::Failed;
use crate::host::Outlet;
use crate::stream;
use crate::upstream::Caller;

/// Silence after which a heartbeat goes out.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Data longer than this goes out as it is, without a copy: the state of a run is shared by all who watch it, and a client
/// that does not read holds its own part of the window and no more.
const SHARED: usize = 4 * 1024;

/// Events that wait for one another go out when they are this long together.
const TOGETHER: usize = 8 * 1024;

/// Writes events to one client, numbered from 1.
pub(super) struct Events {
    outlet: Outlet,
    /// What goes out with the next flush.
    held: Vec<u8>,
    count: u64,
    began: Instant,
    heartbeat: Interval,
}

impl Events {
    /// Opens the stream: status, headers, nothing yet.
    pub(super) fn open(core: &Core, context: &Context, head: Answer) -> Self {
        let head = head
            .header("content-type", "text/event-stream; charset=utf-8")
            .header("cache-control", "no-cache, no-transform")
            // LibreChat compresses answers, proxies buffer them: both would hold events back.
            .header("content-encoding", "identity")
            .header("x-accel-buffering", "no");
        Self::over(core.host.open(context.call, head, stream::EVENTS))
    }

    fn over(outlet: Outlet) -> Self {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { outlet, held: Vec::new(), count: 0, began: Instant::now(), heartbeat }
    }

    /// One event with the next number as its id.
    pub(super) async fn send(&mut self, name: &str, data: impl Into<Bytes>) {
        self.add(name, data).await;
        self.flush().await;
    }

    /// One event. `data` is JSON.
    pub(super) async fn send_as(&mut self, name: &str, id: &str, data: impl Into<Bytes>) {
        self.hold(name, id, data.into()).await;
        self.flush().await;
    }

    /// One event with the next number as its id, that may wait for others: a wake-up of the host for each would cost more
    /// than the event itself.
    pub(super) async fn add(&mut self, name: &str, data: impl Into<Bytes>) {
        self.count += 1;
        self.hold(name, self.count, data.into()).await;
        if self.held.len() >= TOGETHER {
            self.flush().await;
        }
    }

    /// Whether something waits for a flush.
    pub(super) fn holds_some(&self) -> bool {
        !self.held.is_empty()
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) {
        if !self.held.is_empty() {
            self.outlet.write(std::mem::take(&mut self.held)).await;
            self.heartbeat.reset();
        }
    }

    async fn hold(&mut self, name: &str, id: impl std::fmt::Display, data: Bytes) {
        // Writing to memory cannot fail.
        let _ = write!(self.held, "id: {id}\nevent: {name}\ndata: ");
        if data.len() > SHARED && memchr2(b'\n', b'\r', &data).is_none() {
            self.flush().await;
            self.outlet.write(data).await;
        } else {
            // A raw line feed in JSON is white space between tokens; in an event it would end the line.
            self.held.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        }
        self.held.extend_from_slice(b"\n\n");
    }

    /// Waits for `work`. Heartbeats meanwhile keep proxies from closing a stream that has nothing to tell.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.silence() => self.beat().await,
            }
        }
    }

    /// Resolves when a heartbeat is due.
    pub(super) async fn silence(&mut self) {
        self.heartbeat.tick().await;
    }

    /// Sends one.
    pub(super) async fn beat(&mut self) {
        self.outlet.write(Bytes::from_static(b": heartbeat\n\n")).await;
    }

    /// Ends the stream with what went wrong with the stream itself. Without an id: what the client saw last stays last.
    pub(super) fn fail(self, core: &Core, context: &Context, error: &Error) {
        let Caller { op, request_id, .. } = &context.caller;
        let failed = Failed { op: *op, request_id, took: self.began.elapsed() };
        core.metrics.stream_broken();
        core.failures.tell(&*core.host, &failed, error);
        self.outlet.fail(Answer::error(error, request_id));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;
    use crate::stream::Pipe;

    fn events() -> (Events, Arc<Pipe>) {
        let pipe = Arc::new(Pipe::new(stream::EVENTS));
        (Events::over(Outlet::new(Arc::clone(&pipe), Box::new(|_| {}))), pipe)
    }

    fn told(pipe: &Pipe) -> String {
        let mut taken = vec![0; stream::EVENTS];
        let (count, _) = pipe.take(&mut taken);
        String::from_utf8(taken[..count].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn fifteen_seconds_of_silence_bring_a_heartbeat() {
        let (mut events, pipe) = events();
        events.meanwhile(sleep(Duration::from_secs(14))).await;
        assert_eq!(told(&pipe), "");
        events.meanwhile(sleep(Duration::from_secs(2))).await;
        assert_eq!(told(&pipe), ": heartbeat\n\n");
        events.meanwhile(sleep(Duration::from_secs(30))).await;
        assert_eq!(told(&pipe), ": heartbeat\n\n: heartbeat\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_puts_the_next_heartbeat_off() {
        let (mut events, pipe) = events();
        events.meanwhile(sleep(Duration::from_secs(10))).await;
        events.send("chunk", "{}").await;
        events.meanwhile(sleep(Duration::from_secs(14))).await;
        assert_eq!(told(&pipe), "id: 1\nevent: chunk\ndata: {}\n\n");
        events.meanwhile(sleep(Duration::from_secs(2))).await;
        assert_eq!(told(&pipe), ": heartbeat\n\n");
    }

    #[tokio::test]
    async fn line_feeds_between_tokens_do_not_end_an_event() {
        let (mut events, pipe) = events();
        events.send("chunk", "{\r\n\"a\":\n1}").await;
        assert_eq!(told(&pipe), "id: 1\nevent: chunk\ndata: {  \"a\": 1}\n\n");
        let long = format!("[\n\"{}\"]", "x".repeat(SHARED));
        events.send("chunk", long.clone()).await;
        assert_eq!(told(&pipe), format!("id: 2\nevent: chunk\ndata: {}\n\n", long.replace('\n', " ")));
    }
}
