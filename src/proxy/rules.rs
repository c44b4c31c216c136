//! The allow-list of `POST /proxy`: method and path pattern, deny by default.
//! It must not know users, handles or HTTP; it says what is allowed, not who may.

use http::Method;
use thiserror::Error;

use super::path::{CanonicalPath, PathError};
use super::target::{RESERVED, Target};

/// What is admitted without any configuration: to read flows, and one run by its handle.
pub const DEFAULT: [&str; 9] = [
    "GET /api/v2/workflows",
    "GET /api/v2/workflows/{flow}",
    "GET /api/v2/workflows/{flow}/runs/{run}",
    "GET /api/v1/workflows",
    "GET /api/v1/workflows/{flow}",
    "GET /api/workflows/{flow}/executions/{run}",
    "GET /api/flows",
    "GET /api/flows/{flow}",
    "GET /api/runs/{run}",
];

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denied {
    /// No rule has this method and path: 403 `path_not_allowed`.
    #[error("no_rule")]
    NoRule,
    /// A rule has it, but what stands in a flow's place cannot be one: 404 `not_found`.
    #[error("no_such_flow")]
    NoSuchFlow,
}

/// Why a configured rule is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleProblem {
    #[error("must be a method, one blank and a path")]
    Form,
    #[error("the method must be GET, POST, PUT, PATCH or DELETE")]
    Method,
    #[error("the path is not canonical: {0}")]
    Path(#[from] PathError),
    #[error("the path must begin with /api/ and go on with a name")]
    Prefix,
    #[error("a placeholder is a whole segment: a name of letters in braces")]
    Placeholder,
    /// Sim answers there with the whole snapshot of an execution.
    #[error("GET below /api/resume is never forwarded")]
    Snapshot,
}

/// One configured rule that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule {number}, \"{rule}\": {problem}")]
pub struct RuleError {
    /// Counted from 1.
    pub number: usize,
    pub rule: String,
    pub problem: RuleProblem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    method: Method,
    /// `None` is a placeholder.
    segments: Vec<Option<Box<str>>>,
}

/// The allow-list in force.
#[derive(Debug, Clone)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// The default rules and `extra` ones, such as `POST /api/v2/workflows/{id}/execute`.
    ///
    /// # Errors
    /// Every rule that is none.
    pub fn new<S: AsRef<str>>(extra: &[S]) -> Result<Self, Vec<RuleError>> {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for rule in DEFAULT {
            rules.extend(Rule::parse(rule));
        }
        for (at, rule) in extra.iter().enumerate() {
            let rule = rule.as_ref();
            match Rule::parse(rule) {
                Ok(rule) => rules.push(rule),
                Err(problem) => errors.push(RuleError { number: at + 1, rule: rule.to_owned(), problem }),
            }
        }
        if errors.is_empty() { Ok(Self(rules)) } else { Err(errors) }
    }

    /// What `method` and `path` are for, if a rule admits them.
    ///
    /// The target comes from the path that will be sent, not from the rule: a wide rule cannot turn an operation of the
    /// adapter into a plain request.
    ///
    /// # Errors
    /// No rule has them, or the path names a flow that cannot exist.
    pub fn admit(&self, method: &Method, path: &CanonicalPath) -> Result<Target, Denied> {
        let segments: Vec<&str> = path.segments().collect();
        if !self.0.iter().any(|rule| rule.admits(method, &segments)) {
            return Err(Denied::NoRule);
        }
        Target::of(method, path).map_err(|_| Denied::NoSuchFlow)
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, RuleProblem> {
        let (method, path) = text.split_once(' ').ok_or(RuleProblem::Form)?;
        let method = parse_method(method).ok_or(RuleProblem::Method)?;
        let parts: Vec<Option<&str>> = path.split('/').map(placeholder_or_name).collect::<Result<_, _>>()?;
        // The pattern is held to the same form as a path, with any name for its placeholders.
        let example: Vec<&str> = parts.iter().map(|part| part.unwrap_or("x")).collect();
        CanonicalPath::parse(&example.join("/"))?;
        match parts.as_slice() {
            [_, Some("api"), Some("resume"), ..] if method == Method::GET => {
                return Err(RuleProblem::Snapshot);
            }
            [_, Some("api"), Some(_), ..] => {}
            _ => return Err(RuleProblem::Prefix),
        }
        Ok(Self { method, segments: parts.into_iter().skip(1).map(|part| part.map(Into::into)).collect() })
    }

    fn admits(&self, method: &Method, segments: &[&str]) -> bool {
        self.segments.len() == segments.len()
            && self.method == *method
            && self.segments.iter().zip(segments).all(|(own, segment)| match own {
                Some(literal) => &**literal == *segment,
                None => !RESERVED.contains(segment),
            })
    }
}

/// `None` for a placeholder.
fn placeholder_or_name(segment: &str) -> Result<Option<&str>, RuleProblem> {
    match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()) => Ok(None),
        None if !segment.contains(['{', '}']) => Ok(Some(segment)),
        _ => Err(RuleProblem::Placeholder),
    }
}

/// The method that `text` spells exactly, if it is one that rules may have.
pub fn parse_method(text: &str) -> Option<Method> {
    METHODS.into_iter().find(|method| method.as_str() == text)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
