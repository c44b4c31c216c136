//! Where the pipeline meets plans and limits: what is asked of them, and what their refusals look like to a client.

use serde_json::json;

use crate::answer::Answer;
use crate::core::{Core, User};
use crate::error::{Code, Error};
use crate::operation::Operation;
use crate::policy::{self, Admitted, Ask, Bucket, Exceeded, Local, Refusal, Standing, rfc3339};
use crate::route::Route;

/// Where the user stands, for the RateLimit fields.
#[derive(Debug, Default)]
pub struct Standings {
    rate: Option<Standing>,
    /// Shared limits are still to be asked.
    ask_shared: bool,
    /// A run that was counted before takes nothing, so nothing of it can be given back.
    replay: bool,
}

impl From<Admitted> for Standings {
    fn from(admitted: Admitted) -> Self {
        Self { rate: admitted.standing, ask_shared: false, replay: admitted.replay }
    }
}

impl Standings {
    /// Adds `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-08).
    pub fn onto(&self, answer: Answer) -> Answer {
        match &self.rate {
            None => answer,
            Some(standing) => answer
                .header("ratelimit-policy", policy::rate_limit_policy(standing))
                .header("ratelimit", policy::rate_limit(standing)),
        }
    }
}

/// An error, and where the user stood when it came.
pub struct Refused {
    error: Error,
    standings: Option<Box<Standings>>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, standings: None }
    }
}

impl Refused {
    pub fn new(error: Error, standings: Standings) -> Self {
        Self { error, standings: Some(Box::new(standings)) }
    }

    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The limit that was met, by its name in the RateLimit fields.
    pub fn limit(&self) -> Option<&'static str> {
        let limited = matches!(self.error.code, Code::RateLimited | Code::QuotaExceeded);
        self.standings.as_ref().filter(|_| limited)?.rate.map(|standing| standing.policy)
    }

    pub fn into_answer(self, request_id: &str) -> Answer {
        let answer = Answer::error(&self.error, request_id);
        match self.standings {
            Some(standings) => standings.onto(answer),
            None => answer,
        }
    }
}

/// The rate of the address, before anybody is known.
pub fn address(core: &Core, ip: Option<&str>, route: &Route) -> Result<(), Refused> {
    let bucket = match route {
        Route::RunFlow(_) | Route::ResumeRun(_) => Bucket::Run,
        Route::CreateFlow => Bucket::Create,
        _ => Bucket::Read,
    };
    address_in(core, ip, bucket)
}

/// The same for what `/proxy` turned out to be: a way round must not be a way past.
pub fn proxied_address(core: &Core, ip: Option<&str>, operation: &Operation) -> Result<(), Refused> {
    match operation.kind().bucket() {
        Bucket::Read => Ok(()),
        bucket => address_in(core, ip, bucket),
    }
}

fn address_in(core: &Core, ip: Option<&str>, bucket: Bucket) -> Result<(), Refused> {
    match ip.map(|ip| core.policy.check_ip(ip, bucket)) {
        Some(Err(refusal)) => Err(refused(refusal)),
        _ => Ok(()),
    }
}

/// What the plan allows and, without Redis, what the limits do.
pub fn local(core: &Core, user: &User, operation: &Operation) -> Result<Standings, Refused> {
    let Some(ask) = asking(user, operation) else { return Ok(Standings::default()) };
    if let Operation::CreateFlow(_) = operation {
        // Deploying is a right of its own, and needs that of creating too.
        core.policy.permit(&Ask { operation: policy::Operation::FlowsCreate, ..ask }).map_err(refused)?;
    }
    match core.policy.check_local(&ask).map_err(refused)? {
        Local::Admitted(admitted) => Ok(admitted.into()),
        Local::AskShared => Ok(Standings { ask_shared: true, ..Standings::default() }),
    }
}

/// The limits that all instances share.
pub async fn shared(core: &Core, user: &User, operation: &Operation, so_far: Standings) -> Result<Standings, Refused> {
    match asking(user, operation).filter(|_| so_far.ask_shared) {
        None => Ok(so_far),
        Some(ask) => Box::pin(core.policy.check_shared(&ask)).await.map(Standings::from).map_err(refused),
    }
}

/// Gives back what a run took that surely never started.
pub async fn settle(
    core: &Core,
    user: &User,
    operation: &Operation,
    standings: &Standings,
    outcome: &Result<Option<Answer>, Error>,
) {
    let (Some(subject), Operation::RunFlow(request), Err(error)) = (user.subject(), operation, outcome) else { return };
    if !standings.replay && !error.may_have_started {
        Box::pin(core.policy.refund(&subject, request.id.as_str())).await;
    }
}

fn asking<'a>(user: &'a User, operation: &'a Operation) -> Option<Ask<'a>> {
    let (input_len, run_id) = match operation {
        Operation::RunFlow(request) => (request.input.get().len(), Some(request.id.as_str())),
        _ => (0, None),
    };
    Some(Ask { subject: user.subject()?, operation: operation.kind(), flow: operation.flow(), input_len, run_id })
}

fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Forbidden => Error::new(Code::Forbidden, "this is for administrators").into(),
        Refusal::FlowHidden => Error::not_found("there is no such flow").into(),
        Refusal::PlanRequired { plan, limit, value } => {
            Error::new(Code::PlanRequired, "the plan does not include this")
                .details(json!({ "plan": &*plan, "limit": limit, "value": value }))
                .into()
        }
        Refusal::RateLimited(exceeded) => limited(Code::RateLimited, "too many requests", exceeded),
        Refusal::QuotaExceeded(exceeded) => limited(Code::QuotaExceeded, "the plan's runs are used up", exceeded),
    }
}

fn limited(code: Code, message: &'static str, exceeded: Exceeded) -> Refused {
    let details = json!({
        "plan": exceeded.plan.as_deref(),
        "limit": exceeded.limit,
        "value": exceeded.value,
        "resetsAt": rfc3339(exceeded.resets_at_ms),
    });
    let after = std::time::Duration::from_millis(exceeded.retry_after_ms);
    let error = Error::new(code, message).details(details).retry_after(Some(after));
    Refused::new(error, Standings { rate: Some(exceeded.standing), ..Standings::default() })
}
