//! `GET /health`: whether Sim answers. It never names the upstream host.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::Instant as TokioInstant;

use crate::core::{Context, Core};
use crate::error::Error;
use crate::run::Generation;
use crate::upstream::{Call, Caller, Circuit};

/// A health check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// 200 or 503, `{ok, sim: {reachable, apiVersion, latencyMs}, breaker}`. `apiVersion` is null until it is known.
pub async fn health(core: &Core, context: &Context) -> Result<(u16, Vec<u8>), Error> {
    let upstream = core.upstream()?;
    let caller =
        Caller { deadline: context.caller.deadline.min(TokioInstant::now() + PATIENCE), ..context.caller.clone() };
    let began = Instant::now();
    let reachable = upstream.send(&caller, &Call::get("/api/health".to_owned())).await.is_ok();
    let latency = reachable.then(|| began.elapsed().as_millis() as u64);
    if reachable && upstream.known_generation().is_none() {
        // Being reachable does not depend on it: a failed probe leaves it unknown.
        let _ = upstream.api(&caller).await;
    }
    let version = upstream.known_generation().map(|generation| match generation {
        Generation::V2 => "v2",
        Generation::V1 => "v1",
        Generation::Flows => "flows",
    });
    let circuit = upstream.circuit();
    let ok = reachable && circuit == Circuit::Closed;
    let body = json!({
        "ok": ok,
        "sim": { "reachable": reachable, "apiVersion": version, "latencyMs": latency },
        "breaker": circuit.as_str(),
    });
    Ok((if ok { 200 } else { 503 }, body.to_string().into_bytes()))
}
