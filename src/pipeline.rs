//! The way of a request, top to bottom: route -> user -> body -> plan and limits -> host's gate -> forward -> answer.
//!
//! [`Pipeline::admit`] decides all that can be decided without waiting: on Node's main thread, where the request came to Node.
//! [`Pipeline::carry_out`] is the rest, on a thread of the addon's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::arrival::{Arrival, Request, RequestIds};
use crate::core::{Context, Core, User};
use crate::error::{Code, Error};
use crate::failures::Failed;
use crate::host::{Question, ask};
use crate::identity::{Identities, Identity};
use crate::metrics::{Gauges, Measured, Op};
use crate::operation::Operation;
use crate::police::{self, Standings};
use crate::proxy::forward::forward;
use crate::route::Route;
use crate::run::Mode;
use crate::upstream::Caller;
use crate::{flow, health, run};

/// Bodies up to this size are read on Node's main thread, so that a bad one is refused at once; larger ones elsewhere.
const READ_AT_ONCE: usize = 16 * 1024;
/// What an answer may take beyond the wait that was asked for.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// What became of a request at once.
pub enum Admission {
    /// It is answered.
    Answered(Answer),
    /// It goes on.
    Admitted(Box<Work>),
}

/// An admitted request.
pub struct Work {
    request_id: String,
    measured: Measured,
    task: Task,
}

impl Work {
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Whether it is a stream that tells of a run, and neither starts nor ends anything.
    pub fn only_watches(&self) -> bool {
        match &self.task {
            Task::Ready(ready) => matches!(ready.operation, Operation::WatchRun(..)),
            Task::Arrived(arrival, _) => matches!(arrival.route, Route::RunEvents(_)),
        }
    }

    /// Whether it is a call to forward, or may turn out to be one.
    pub fn forwards(&self) -> bool {
        match &self.task {
            Task::Ready(ready) => matches!(ready.operation, Operation::Forward(_)),
            Task::Arrived(arrival, _) => matches!(arrival.route, Route::Proxy),
        }
    }
}

enum Task {
    /// All that can be decided at once was.
    Ready(Ready),
    /// Who asks, or what, is still to be found out.
    Arrived(Arrival, Identity),
}

struct Ready {
    context: Context,
    operation: Operation,
    standings: Standings,
}

pub struct Pipeline {
    core: Arc<Core>,
    identities: Identities,
    request_ids: RequestIds,
}

impl Pipeline {
    pub fn new(core: Core, identities: Identities) -> Self {
        Self { core: Arc::new(core), identities, request_ids: RequestIds::new() }
    }

    /// Begins to connect to what processes share. Must be called on the runtime.
    pub fn connect(&self) {
        self.core.policy.connect();
        self.core.watches.connect();
    }

    /// What was counted, in Prometheus' text format, with what only the engine sees of requests and streams.
    pub fn metrics(&self, in_flight: usize, streams: usize) -> String {
        let core = &self.core;
        let (pollers, watchers) = core.watches.counts();
        core.metrics.text(&Gauges {
            in_flight,
            streams,
            watchers,
            pollers,
            breaker: core.upstream.as_ref().map(|upstream| upstream.circuit().as_str()),
            redis: core.policy.shared_status().map(|status| (status.up, status.fallbacks, status.outages)),
            limit_keys: core.policy.keys_in_memory(),
        })
    }

    /// Whether limits are shared through Redis now; `None` where they are not meant to be.
    pub fn redis_up(&self) -> Option<bool> {
        self.core.policy.shared_status().map(|status| status.up)
    }

    /// Resolves when other processes know that nothing is polled here any more, and which streamed runs have ended.
    pub async fn at_rest(&self) {
        self.core.watches.at_rest().await;
        self.core.policy.at_rest().await;
    }

    /// Whether the one bearer token among these values of `Authorization` is good.
    pub fn knows(&self, authorization: &[String]) -> bool {
        self.identities.knows(authorization.iter().map(String::as_str))
    }

    /// How long the bearer token in this value of `Authorization` is good for from now on.
    pub fn good_for(&self, authorization: &str) -> Duration {
        self.identities.good_for(std::iter::once(authorization))
    }

    /// The largest body worth reading, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.core.config.max_body_bytes
    }

    /// What all requests share.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The caller's request id, if it can be passed on, else a new one.
    pub fn request_id(&self, given: Option<&str>) -> String {
        self.request_ids.take(given)
    }

    /// Decides what can be decided at once. `call` is the host's number for the request.
    pub fn admit(&self, call: u32, request: Request<'_>) -> Admission {
        let request_id = self.request_ids.take(request.request_id);
        let mut op = Op::Unknown;
        match self.try_admit(call, request, &request_id, &mut op) {
            Ok(task) => {
                let measured = self.core.metrics.request(op);
                Admission::Admitted(Box::new(Work { request_id, measured, task }))
            }
            Err(refused) => {
                self.core.metrics.refused(op, refused.error().code);
                Admission::Answered(self.refuse(refused, op, &request_id, Duration::ZERO))
            }
        }
    }

    fn try_admit(
        &self,
        call: u32,
        request: Request<'_>,
        request_id: &str,
        op: &mut Op,
    ) -> Result<Task, police::Refused> {
        let arrival = Arrival::read(call, &request, request_id, &self.core)?;
        *op = arrival.route.op();
        police::address(&self.core, request.ip, &arrival.route)?;
        let identity = self.identities.identify(&request)?;
        self.core.upstream()?;
        if request.too_large || request.body.len() > self.max_body_bytes() {
            return Err(Error::new(Code::PayloadTooLarge, "the body is larger than SIM_MAX_BODY_BYTES").into());
        }
        match identity {
            Identity::Known(user) if arrival.body.len() <= READ_AT_ONCE => {
                self.prepare(arrival, user, op).map(Task::Ready)
            }
            identity => Ok(Task::Arrived(arrival, identity)),
        }
    }

    /// Reads the body and asks the limits: everything between knowing the user and waiting for anybody.
    fn prepare(&self, arrival: Arrival, user: User, op: &mut Op) -> Result<Ready, police::Refused> {
        let proxied = matches!(arrival.route, Route::Proxy);
        let operation = Operation::read(arrival.route, &arrival.body, &arrival.terms, &self.core, &user.owner)?;
        *op = operation.op();
        if proxied {
            police::proxied_address(&self.core, user.ip.as_deref(), &operation)?;
        }
        let standings = police::local(&self.core, &user, &operation)?;
        let caller = Caller {
            request_id: arrival.request_id,
            sim_user: user.sim_user(),
            trace: arrival.trace,
            op: *op,
            deadline: Instant::now() + self.longest(&operation, arrival.timeout),
        };
        let context = Context { call: arrival.call, caller, user, mount: arrival.mount };
        Ok(Ready { context, operation, standings })
    }

    /// Does what was admitted. `None`: the answer went out in pieces.
    pub async fn carry_out(&self, work: Work) -> Option<Answer> {
        let Work { request_id, mut measured, task } = work;
        match self.try_carry_out(task, &mut measured.op).await {
            Ok(answer) => {
                measured.answered(answer.as_ref().map_or(200, |answer| answer.status));
                answer
            }
            Err(refused) => {
                let answer_code = refused.error().code;
                let answer = self.refuse(refused, measured.op, &request_id, measured.began.elapsed());
                measured.failed(answer_code);
                Some(answer)
            }
        }
    }

    /// The one end of all that is not answered as it was asked.
    fn refuse(&self, refused: police::Refused, op: Op, request_id: &str, took: Duration) -> Answer {
        if let Some(limit) = refused.limit() {
            self.core.metrics.limited(limit);
        }
        // That there is no Sim at all was said at the start.
        if self.core.upstream.is_some() {
            self.core.failures.tell(&*self.core.host, &Failed { op, request_id, took }, refused.error());
        }
        refused.into_answer(request_id)
    }

    async fn try_carry_out(&self, task: Task, op: &mut Op) -> Result<Option<Answer>, police::Refused> {
        let ready = match task {
            Task::Ready(ready) => ready,
            Task::Arrived(arrival, identity) => {
                let user =
                    self.identities.resolve(identity, &*self.core.host, arrival.call, self.host_deadline()).await?;
                self.prepare(arrival, user, op)?
            }
        };
        let Ready { context, operation, standings } = ready;
        let standings = police::shared(&self.core, &context.user, &operation, standings).await?;
        let outcome = match self.gate(&context, &operation).await {
            Ok(()) => self.perform(&context, &operation, &standings).await,
            Err(error) => Err(error),
        };
        police::settle(&self.core, &context.user, &operation, &standings, &outcome).await;
        match outcome {
            Ok(answer) => Ok(answer.map(|answer| standings.onto(answer))),
            Err(error) => Err(police::Refused::new(error, standings)),
        }
    }

    /// The host's last word, before anything reaches Sim.
    async fn gate(&self, context: &Context, operation: &Operation) -> Result<(), Error> {
        if !self.core.config.asks_gate || context.user.owner.user.is_none() {
            return Ok(());
        }
        let about = json!({
            "user": context.user.resolved,
            "operation": operation.kind().name(),
            "flowId": operation.flow(),
        });
        match ask(&*self.core.host, context.call, Question::Gate, about, context.caller.deadline).await? {
            serde_json::Value::Bool(true) => Ok(()),
            serde_json::Value::String(reason) => {
                Err(Error::new(Code::Forbidden, "the server does not allow this").with_detail("reason", reason))
            }
            _ => Err(Error::new(Code::Forbidden, "the server does not allow this")),
        }
    }

    async fn perform(
        &self,
        context: &Context,
        operation: &Operation,
        standings: &Standings,
    ) -> Result<Option<Answer>, Error> {
        let core = &self.core;
        let head = |status| standings.onto(Answer::json(status, Vec::new(), &context.caller.request_id));
        // Boxed, so that a request takes the room of its own operation, not that of the largest, and is moved cheaply.
        let (status, body) = match operation {
            Operation::Health => Box::pin(health::health(core, context)).await?,
            Operation::Config => (200, public_config(core)),
            Operation::ListFlows(page) => (200, Box::pin(flow::list(core, context, page)).await?),
            Operation::GetFlow(id) => (200, Box::pin(flow::get(core, context, id)).await?),
            Operation::CreateFlow(request) => (201, Box::pin(flow::create(core, context, request)).await?),
            Operation::RunFlow(request) if request.mode == Mode::Stream => {
                return Box::pin(run::stream(core, context, request, head(200))).await.map(|()| None);
            }
            Operation::RunFlow(request) => return Box::pin(run::start(core, context, request)).await.map(Some),
            Operation::WatchRun(run, seen) => {
                return Box::pin(run::watch(core, context, run, seen.as_deref(), head(200))).await.map(|()| None);
            }
            Operation::Forward(call) => return Box::pin(forward(core, context, call, head)).await,
            Operation::RunStatus(run) => (200, Box::pin(run::read(core, context, run)).await?),
            Operation::CancelRun(run) => (200, Box::pin(run::cancel(core, context, run)).await?),
            Operation::ResumeRun(run, request) => (200, Box::pin(run::resume(core, context, run, request)).await?),
        };
        Ok(Some(Answer::json(status, body, &context.caller.request_id)))
    }

    /// Until when the host may say who asks.
    fn host_deadline(&self) -> Instant {
        Instant::now() + self.core.config.sim.as_ref().map_or(self.core.config.sync_timeout, |sim| sim.timeout)
    }

    /// How long an operation may take.
    fn longest(&self, operation: &Operation, asked: Option<Duration>) -> Duration {
        let config = &self.core.config;
        let usual = config.sim.as_ref().map_or(config.sync_timeout, |sim| sim.timeout);
        let patience = operation.patience(config.sync_timeout).map_or(Duration::ZERO, |wait| wait + ANSWER_MARGIN);
        asked.or(operation.limit()).unwrap_or_else(|| usual.max(patience))
    }
}

/// `GET /config`: what a client needs to know of the server's settings.
fn public_config(core: &Core) -> Vec<u8> {
    let realtime = core.config.public_ws_url.as_ref().map(url::Url::as_str);
    json!({ "config": { "realtimeUrl": realtime.map(|url| url.trim_end_matches('/')) } }).to_string().into_bytes()
}
