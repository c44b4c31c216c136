//! What the limits in memory cost: bytes per user at 1,000,000 users, nanoseconds per decision, and the longest single
//! decision while maps grow and generations are dropped. Run with `cargo bench --bench limits`. Linux only: reads /proc.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use sim_adapter::policy::{Ask, FrozenClock, Operation, Plans, Policy, PolicyConfig, Rate, Subject};

const USERS: usize = 1_000_000;
const PAGE: usize = 4_096;

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE
}

fn ask(user: &str, operation: Operation) -> Ask<'_> {
    let subject = Subject { tenant: None, user, plan: None, role: Some("USER"), ip: None };
    Ask { subject, operation, flow: None, input_len: 0, run_id: None }
}

/// One decision for each user: mean and longest.
fn visit(policy: &Policy, users: &[String], operation: Operation) -> (Duration, Duration) {
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    let mut before = start;
    for user in users {
        let _ = black_box(policy.check_local(&ask(user, operation)));
        let now = Instant::now();
        longest = longest.max(now - before);
        before = now;
    }
    ((before - start) / users.len() as u32, longest)
}

fn main() {
    let time = FrozenClock::at(0);
    let config = PolicyConfig { plans: Plans::none(), user_rate: Rate::new(60, 1), ip_rate: None, redis: None };
    let Ok(policy) = Policy::new(config, time.clock(), Box::new(|_| ())) else {
        return;
    };
    // Ids as MongoDB's: 24 hexadecimal characters.
    let names = |from: usize| (from..from + USERS).map(|n| format!("{n:024x}")).collect::<Vec<_>>();
    let (users, others) = (names(0), names(USERS));

    let empty = resident_bytes();
    let (mean, longest) = visit(&policy, &users, Operation::RunsRead);
    let held = resident_bytes() - empty;
    println!("new users:      {mean:?} a decision, longest {longest:?} (maps grow)");
    println!(
        "memory:         {} keys, {:.1} MB, {} bytes each",
        policy.keys_in_memory(),
        held as f64 / 1e6,
        held / USERS
    );
    let (mean, longest) = visit(&policy, &users, Operation::RunsRead);
    println!("known, at random: {mean:?} a decision, longest {longest:?}");
    let hot = &users[..1_000];
    let (mean, _) = (0..100).map(|_| visit(&policy, hot, Operation::RunsRead)).min().unwrap_or_default();
    println!("known, in cache: {mean:?} a decision (refused ones included)");
    for round in 1..=2 {
        time.advance(Duration::from_secs(61));
        let (mean, longest) = visit(&policy, if round == 1 { &others } else { &users[..100_000] }, Operation::RunsRead);
        println!("after window {round}: {mean:?} a decision, longest {longest:?} (generations turn)");
        println!("memory:         {} keys, {:.1} MB", policy.keys_in_memory(), (resident_bytes() - empty) as f64 / 1e6);
    }
}
