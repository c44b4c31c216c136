//! The words between the pipeline and the policy: who asks for what, and what the answer is. No rule lives here.

use std::sync::Arc;

use super::rate::Rate;

/// Who asks, as found out by the rooms before this one. Nothing here may come from a request's header or body.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub tenant: Option<&'a str>,
    pub user: &'a str,
    /// The name that `planOf` gave.
    pub plan: Option<&'a str>,
    pub role: Option<&'a str>,
    /// Express's `req.ip`.
    pub ip: Option<&'a str>,
}

/// What a plan can allow, from the least power to the most: the order in which plans are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    FlowsList,
    FlowsGet,
    RunsRead,
    Knowledge,
    RunsCancel,
    RunsResume,
    FlowsRun,
    Proxy,
    FlowsCreate,
    FlowsDeploy,
    /// In no plan: whoever is signed in may ask for it, as often as the rate allows.
    Health,
}

impl Operation {
    /// Those that a plan can name.
    pub const ALL: [Operation; 10] = [
        Operation::FlowsList,
        Operation::FlowsGet,
        Operation::RunsRead,
        Operation::Knowledge,
        Operation::RunsCancel,
        Operation::RunsResume,
        Operation::FlowsRun,
        Operation::Proxy,
        Operation::FlowsCreate,
        Operation::FlowsDeploy,
    ];

    /// Its name in a plan.
    pub fn name(self) -> &'static str {
        match self {
            Operation::FlowsList => "flows.list",
            Operation::FlowsGet => "flows.get",
            Operation::RunsRead => "runs.read",
            Operation::Knowledge => "knowledge",
            Operation::RunsCancel => "runs.cancel",
            Operation::RunsResume => "runs.resume",
            Operation::FlowsRun => "flows.run",
            Operation::Proxy => "proxy",
            Operation::FlowsCreate => "flows.create",
            Operation::FlowsDeploy => "flows.deploy",
            Operation::Health => "health",
        }
    }

    /// The rate it counts against. Cancelling counts as reading: who has used up his runs must still be able to stop one.
    pub fn bucket(self) -> Bucket {
        match self {
            Operation::FlowsRun | Operation::RunsResume => Bucket::Run,
            Operation::FlowsCreate | Operation::FlowsDeploy => Bucket::Create,
            Operation::FlowsList
            | Operation::FlowsGet
            | Operation::RunsRead
            | Operation::Knowledge
            | Operation::RunsCancel
            | Operation::Proxy
            | Operation::Health => Bucket::Read,
        }
    }
}

/// A rate of its own, so that reading never uses up the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bucket {
    Run,
    Create,
    Read,
}

impl Bucket {
    pub const ALL: [Bucket; 3] = [Bucket::Run, Bucket::Create, Bucket::Read];

    pub fn name(self) -> &'static str {
        match self {
            Bucket::Run => "run",
            Bucket::Create => "create",
            Bucket::Read => "read",
        }
    }

    pub(crate) fn ip_name(self) -> &'static str {
        match self {
            Bucket::Run => "ip-run",
            Bucket::Create => "ip-create",
            Bucket::Read => "ip-read",
        }
    }
}

/// One request, as far as the policy needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub subject: Subject<'a>,
    pub operation: Operation,
    /// The flow it is about, where there is one.
    pub flow: Option<&'a str>,
    /// Bytes of `input`, for a run.
    pub input_len: usize,
    /// The derived run id, the same on every replay: needed for `flows.run`, which is refused without one.
    pub run_id: Option<&'a str>,
}

/// Where a user or an address stands within one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `run`, `create`, `read`, the same with `ip-` before it, `runs-per-day` or `concurrent-runs`.
    pub policy: &'static str,
    pub limit: u32,
    /// `None` for `concurrent-runs`, which has no window.
    pub window_seconds: Option<u64>,
    pub remaining: u32,
    /// Until the whole limit is there again.
    pub reset_seconds: u64,
}

impl Standing {
    pub(crate) fn of_rate(policy: &'static str, rate: Rate, remaining: u32) -> Standing {
        // At most one refill later than it truly is, since a refill under way is not known of.
        let full_in = rate.refill() * rate.max().saturating_sub(remaining);
        Standing {
            policy,
            limit: rate.max(),
            window_seconds: Some(rate.window().as_secs()),
            remaining,
            reset_seconds: full_in.as_millis().div_ceil(1_000) as u64,
        }
    }
}

/// A request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// For the RateLimit fields; `None` where no rate is set.
    pub standing: Option<Standing>,
    /// The run id was counted before: a later refusal must not be refunded, since this request took nothing.
    pub replay: bool,
}

/// A request that ends here. Nothing upstream has been called, and nothing was taken from day or slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 403 `forbidden`: no plans are configured and the operation is for the role ADMIN, or a run bears no id.
    Forbidden,
    /// 403 `plan_required`. `limit` is an operation's name, or `maxInputBytes` with its `value`. It never resets.
    PlanRequired { plan: Arc<str>, limit: &'static str, value: Option<u64> },
    /// 404 `not_found`: the plan's flow patterns leave this flow out.
    FlowHidden,
    /// 429 `rate_limited`.
    RateLimited(Exceeded),
    /// 429 `quota_exceeded`.
    QuotaExceeded(Exceeded),
}

/// The limit that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// `None` for an address's limit.
    pub plan: Option<Arc<str>>,
    /// `run`, `create`, `read`, the same with `ip-` before it, `runsPerDay` or `concurrentRuns`.
    pub limit: &'static str,
    pub value: u32,
    /// When it is worth asking again, in milliseconds.
    pub retry_after_ms: u64,
    /// When the limit admits again by itself, in milliseconds since 1970; see [`super::rfc3339`].
    pub resets_at_ms: u64,
    pub standing: Standing,
}
