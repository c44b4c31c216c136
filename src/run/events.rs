//! Server-sent events of a run, as our own routes write them. It knows the form, not where they come from.

use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::Error;
use crate::host::Outlet;

/// Writes events to one client, numbered from 1.
pub(super) struct Events {
    outlet: Outlet,
    count: u64,
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
        Self { outlet: core.host.open(context.call, head), count: 0 }
    }

    /// One event with the next number as its id.
    pub(super) async fn send(&mut self, name: &str, data: &[u8]) {
        self.count += 1;
        let id = self.count.to_string();
        self.send_as(name, &id, data).await;
    }

    /// One event. `data` is JSON.
    pub(super) async fn send_as(&mut self, name: &str, id: &str, data: &[u8]) {
        let mut bytes = Vec::with_capacity(data.len() + name.len() + id.len() + 24);
        for part in [b"id: ".as_slice(), id.as_bytes(), b"\nevent: ", name.as_bytes(), b"\ndata: "] {
            bytes.extend_from_slice(part);
        }
        // A raw line feed in JSON is white space between tokens; in an event it would end the line.
        bytes.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        bytes.extend_from_slice(b"\n\n");
        self.outlet.write(&bytes).await;
    }

    /// What went wrong with the stream itself, as its last event.
    pub(super) async fn fail(&mut self, error: &Error, request_id: &str) {
        self.send("error", &error.to_json(request_id)).await;
    }

    /// Keeps proxies from closing a quiet stream, and finds out that the client has gone.
    pub(super) async fn heartbeat(&self) {
        self.outlet.write(b": heartbeat\n\n").await;
    }
}
