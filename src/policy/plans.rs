//! Plans: what each allows, and which one a subject has. Knows no file format, no counter and no clock.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ask::{Ask, Bucket, Operation, Refusal, Subject};
use super::rate::Rate;
use super::verdict::{RunLimits, Slots};

/// The role that may deploy where a plan does not list its operations.
const ADMIN: &str = "ADMIN";

/// What one plan allows. `None` is no limit.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: Arc<str>,
    pub(super) operations: Operations,
    /// Patterns of flow ids; `None`: every flow.
    pub(super) flows: Option<Vec<String>>,
    /// By [`Bucket`]; `None`: the user rate of the configuration.
    pub(super) rates: [Option<Rate>; 3],
    pub runs_per_day: Option<u32>,
    /// Only together with `max_run_seconds`, which the reader checks.
    pub concurrent_runs: Option<u32>,
    pub max_run_seconds: Option<u32>,
    pub max_input_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operations {
    /// Not listed: all but `flows.deploy`, which takes the role ADMIN.
    Usual,
    /// Exactly these, one bit each.
    Listed(u16),
}

impl Operations {
    fn bits(self) -> u16 {
        match self {
            Operations::Usual => (1 << Operation::FlowsDeploy as u16) - 1,
            Operations::Listed(bits) => bits,
        }
    }

    fn allow(self, operation: Operation, role: Option<&str>) -> bool {
        self.bits() & (1 << operation as u16) != 0
            || (self == Operations::Usual && operation == Operation::FlowsDeploy && role == Some(ADMIN))
    }
}

impl Plan {
    pub(super) fn unlimited(name: &str) -> Plan {
        Plan {
            name: name.into(),
            operations: Operations::Usual,
            flows: None,
            rates: [None; 3],
            runs_per_day: None,
            concurrent_runs: None,
            max_run_seconds: None,
            max_input_bytes: None,
        }
    }

    /// Whether the plan shows this flow at all: for lists, and before a flow is named in an answer.
    pub fn shows_flow(&self, flow: &str) -> bool {
        self.flows.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, flow)))
    }

    pub(crate) fn run_limits(&self) -> RunLimits {
        let slots = self.concurrent_runs.zip(self.max_run_seconds);
        RunLimits {
            per_day: self.runs_per_day,
            slots: slots.map(|(count, seconds)| Slots { count, lease: Duration::from_secs(seconds.into()) }),
        }
    }

    /// From the most restricted to the least. First the operations, as a number whose highest bit is the strongest one:
    /// a plan without `flows.deploy` is below every plan with it. Then the limits in turn, a line left out being no limit;
    /// then whether flows are narrowed; then the name, so that no two plans are equal.
    fn breadth(&self) -> impl Ord + use<> {
        let or_most = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        let run_rate = self.rates[Bucket::Run as usize].map(|rate| Reverse(rate.refill()));
        (
            self.operations.bits(),
            or_most(self.runs_per_day),
            or_most(self.concurrent_runs),
            (run_rate.is_none(), run_rate),
            self.max_input_bytes.unwrap_or(u64::MAX),
            or_most(self.max_run_seconds),
            self.flows.is_none(),
            self.name.clone(),
        )
    }
}

/// All plans, or the one that holds when none are configured.
#[derive(Clone, Debug)]
pub struct Plans {
    plans: Vec<Plan>,
    by_name: HashMap<Arc<str>, usize>,
    most_restricted: usize,
    configured: bool,
}

impl Plans {
    /// No plans: whoever is signed in may create drafts and run deployed flows, and an ADMIN may deploy.
    pub fn none() -> Plans {
        Plans {
            plans: vec![Plan::unlimited("default")],
            by_name: HashMap::new(),
            most_restricted: 0,
            configured: false,
        }
    }

    /// `plans` is not empty and names are unique, as the reader has checked.
    pub(super) fn configured(plans: Vec<Plan>) -> Plans {
        let by_name = plans.iter().enumerate().map(|(index, plan)| (Arc::clone(&plan.name), index)).collect();
        let most_restricted = (0..plans.len()).min_by_key(|&index| plans[index].breadth()).unwrap_or(0);
        Plans { plans, by_name, most_restricted, configured: true }
    }

    pub fn all(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan of whoever has none, or one that is not known.
    pub fn most_restricted(&self) -> &Plan {
        &self.plans[self.most_restricted]
    }

    pub fn of(&self, subject: &Subject<'_>) -> &Plan {
        &self.plans[self.index_of(subject)]
    }

    pub(crate) fn index_of(&self, subject: &Subject<'_>) -> usize {
        let known = subject.plan.and_then(|name| self.by_name.get(name));
        known.copied().unwrap_or(self.most_restricted)
    }

    /// What needs no counting: the operation, the flow, the size of the input. A run without an id could not be counted and
    /// is refused.
    pub(crate) fn permit(&self, plan: usize, ask: &Ask<'_>) -> Result<(), Refusal> {
        let plan = &self.plans[plan];
        if ask.operation == Operation::Health {
            return Ok(());
        }
        if ask.operation == Operation::FlowsRun && ask.run_id.is_none() {
            return Err(Refusal::Forbidden);
        }
        if !plan.operations.allow(ask.operation, ask.subject.role) {
            return Err(match self.configured {
                false => Refusal::Forbidden,
                true => plan_required(plan, ask.operation.name(), None),
            });
        }
        if ask.flow.is_some_and(|flow| !plan.shows_flow(flow)) {
            return Err(Refusal::FlowHidden);
        }
        match plan.max_input_bytes {
            Some(most) if ask.input_len as u64 > most => Err(plan_required(plan, "maxInputBytes", Some(most))),
            _ => Ok(()),
        }
    }
}

fn plan_required(plan: &Plan, limit: &'static str, value: Option<u64>) -> Refusal {
    Refusal::PlanRequired { plan: Arc::clone(&plan.name), limit, value }
}

/// `*` stands for any run of characters, also none; everything else for itself. Linear: only the last star is retried.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("flow", "flow", true),
            ("flow", "flows", false),
            ("", "", true),
            ("", "x", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    fn plan(name: &str, change: impl FnOnce(&mut Plan)) -> Plan {
        let mut plan = Plan::unlimited(name);
        change(&mut plan);
        plan
    }

    #[test]
    fn the_most_restricted_plan_is_the_same_in_any_order() {
        let reading = plan("reading", |plan| plan.operations = Operations::Listed(0b11));
        let small = plan("small", |plan| plan.runs_per_day = Some(3));
        let slow = plan("slow", |plan| plan.rates[0] = Rate::new(1, 1));
        let fast = plan("fast", |plan| plan.rates[0] = Rate::new(9, 1));
        let deploying = plan("deploying", |plan| {
            plan.operations = Operations::Listed(1 << Operation::FlowsDeploy as u16);
            plan.runs_per_day = Some(1);
        });
        let (a, b) = (plan("a", |_| ()), plan("b", |_| ()));
        let ladder = [reading, small, slow, fast, a, b, deploying];
        for from in 0..ladder.len() {
            let upwards = ladder[from..].to_vec();
            let downwards = upwards.iter().rev().cloned().collect();
            for order in [upwards, downwards] {
                assert_eq!(Plans::configured(order).most_restricted().name, ladder[from].name);
            }
        }
    }

    #[test]
    fn whoever_has_no_plan_or_an_unknown_one_has_the_most_restricted() {
        let plans = Plans::configured(vec![plan("pro", |_| ()), plan("free", |plan| plan.runs_per_day = Some(1))]);
        let of = |plan| {
            let subject = Subject { tenant: None, user: "u", plan, role: None, ip: None };
            plans.of(&subject).name.to_string()
        };
        assert_eq!(of(Some("pro")), "pro");
        assert_eq!(of(Some("PRO")), "free");
        assert_eq!(of(None), "free");
    }

    fn permit(plans: &Plans, plan: Option<&str>, role: Option<&str>, operation: Operation) -> Result<(), Refusal> {
        let subject = Subject { tenant: None, user: "u", plan, role, ip: None };
        let ask = Ask { subject, operation, flow: None, input_len: 0, run_id: Some("run") };
        plans.permit(plans.index_of(&subject), &ask)
    }

    #[test]
    fn without_plans_everybody_may_draft_and_run_and_only_an_admin_may_deploy() {
        let plans = Plans::none();
        for operation in Operation::ALL {
            let expected = match operation {
                Operation::FlowsDeploy => Err(Refusal::Forbidden),
                _ => Ok(()),
            };
            assert_eq!(permit(&plans, Some("USER"), Some("USER"), operation), expected);
            assert_eq!(permit(&plans, None, None, operation), expected);
            assert_eq!(permit(&plans, Some("ADMIN"), Some("ADMIN"), operation), Ok(()));
        }
        assert_eq!(permit(&plans, None, Some("admin"), Operation::FlowsDeploy), Err(Refusal::Forbidden));
    }

    #[test]
    fn a_run_that_could_not_be_counted_is_refused() {
        let subject = Subject { tenant: None, user: "u", plan: None, role: Some("ADMIN"), ip: None };
        let ask = Ask { subject, operation: Operation::FlowsRun, flow: None, input_len: 0, run_id: None };
        assert_eq!(Plans::none().permit(0, &ask), Err(Refusal::Forbidden));
    }

    #[test]
    fn a_plan_that_lists_its_operations_decides_alone() {
        let listed =
            |operation: Operation| move |plan: &mut Plan| plan.operations = Operations::Listed(1 << operation as u16);
        let plans = Plans::configured(vec![
            plan("deploying", listed(Operation::FlowsDeploy)),
            plan("reading", listed(Operation::RunsRead)),
            plan("usual", |_| ()),
        ]);
        let refused = |plan: &str, limit| Err(Refusal::PlanRequired { plan: plan.into(), limit, value: None });
        assert_eq!(permit(&plans, Some("deploying"), Some("USER"), Operation::FlowsDeploy), Ok(()));
        assert_eq!(
            permit(&plans, Some("reading"), Some("ADMIN"), Operation::FlowsDeploy),
            refused("reading", "flows.deploy")
        );
        assert_eq!(permit(&plans, Some("deploying"), None, Operation::FlowsRun), refused("deploying", "flows.run"));
        assert_eq!(permit(&plans, Some("usual"), Some("ADMIN"), Operation::FlowsDeploy), Ok(()));
        assert_eq!(permit(&plans, Some("usual"), None, Operation::FlowsDeploy), refused("usual", "flows.deploy"));
    }
}
