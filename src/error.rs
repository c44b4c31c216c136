//! The one error a caller sees: a code, a message in our own words, and nothing of the upstream's.
//! It knows the wire shape and the status of each code; it must not know how an error came about.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:literal;)*) => {
        /// Every code an answer can carry. `docs/errors.md` has a section for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($variant),* }

        impl Code {
            /// Every code, in the order of `docs/errors.md`.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status),* }
            }
        }
    };
}

codes! {
    Unauthenticated = "unauthenticated", 401;
    Forbidden = "forbidden", 403;
    PlanRequired = "plan_required", 403;
    PathNotAllowed = "path_not_allowed", 403;
    NotFound = "not_found", 404;
    Conflict = "conflict", 409;
    FlowNotDeployed = "flow_not_deployed", 409;
    IdempotencyMismatch = "idempotency_mismatch", 422;
    InvalidRequest = "invalid_request", 400;
    PayloadTooLarge = "payload_too_large", 413;
    RateLimited = "rate_limited", 429;
    QuotaExceeded = "quota_exceeded", 429;
    NotConfigured = "not_configured", 503;
    UpstreamUnreachable = "upstream_unreachable", 502;
    UpstreamAuth = "upstream_auth", 502;
    UpstreamError = "upstream_error", 502;
    UpstreamQuota = "upstream_quota", 503;
    UpstreamBusy = "upstream_busy", 503;
    UpstreamTimeout = "upstream_timeout", 504;
    CircuitOpen = "circuit_open", 503;
    ShuttingDown = "shutting_down", 503;
}

/// What went wrong, as the caller may know it.
#[derive(Clone, Debug)]
pub struct Error {
    pub code: Code,
    pub message: Cow<'static, str>,
    pub details: Option<Value>,
    pub retry_after: Option<Duration>,
    /// A run may exist all the same. Not for the wire: it only keeps what the run took from being given back.
    pub may_have_started: bool,
    /// What was tried at Sim. Not for the wire: for the log.
    pub trail: Option<Trail>,
}

/// The calls behind an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    pub tries: u32,
    /// Of the last answer, if there was one.
    pub status: Option<u16>,
    /// All tries, and the waits between them.
    pub took: Duration,
}

impl Error {
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None, may_have_started: false, trail: None }
    }

    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    pub fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    pub fn may_have_started(mut self) -> Self {
        self.may_have_started = true;
        self
    }

    /// Adds one member to `details`, beside those already there.
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        let mut map = match self.details.take() {
            Some(Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        map.insert(name.to_owned(), value.into());
        self.details = Some(Value::Object(map));
        self
    }

    pub fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, what)
    }

    pub fn conflict(reason: &'static str, message: &'static str) -> Self {
        Self::new(Code::Conflict, message).with_detail("reason", reason)
    }

    /// An answer of Sim that could not be read as what its API promises.
    pub fn malformed() -> Self {
        Self::new(Code::UpstreamError, "Sim's answer could not be read")
    }

    /// The body on the wire: `{"error":{code,message,details?,requestId}}`.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Outer<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Inner<'a> {
            code: &'static str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Value>,
            request_id: &'a str,
        }
        let inner =
            Inner { code: self.code.as_str(), message: &self.message, details: self.details.as_ref(), request_id };
        // Only strings and JSON values are written, which cannot fail.
        serde_json::to_vec(&Outer { error: inner }).unwrap_or_default()
    }
}

/// One offending field of a request, by its JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub path: String,
    pub message: Cow<'static, str>,
}

impl FieldError {
    pub fn new(path: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// 400 with every offending field: `details.fields: [{path, message}]`.
pub fn invalid(fields: &[FieldError]) -> Error {
    let list: Vec<Value> = fields.iter().map(|f| serde_json::json!({ "path": f.path, "message": f.message })).collect();
    let message = match fields {
        [one] if one.path.is_empty() => one.message.to_string(),
        [one] => format!("{}: {}", one.path, one.message),
        many => format!("{} fields are invalid", many.len()),
    };
    Error::new(Code::InvalidRequest, message).with_detail("fields", list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_shape_with_its_request_id() {
        let error = Error::conflict("locked", "the flow is locked");
        let json: Value = serde_json::from_slice(&error.to_json("r1")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {"code": "conflict", "message": "the flow is locked",
                "details": {"reason": "locked"}, "requestId": "r1"}})
        );
    }

    #[test]
    fn every_code_has_its_own_name() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn an_invalid_request_names_every_field() {
        let error = invalid(&[FieldError::new("name", "must be a string"), FieldError::new("x", "is unknown")]);
        assert_eq!(error.details.unwrap()["fields"].as_array().unwrap().len(), 2);
    }
}
