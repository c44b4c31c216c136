//! What the limits in memory cost: bytes per user at 1,000,000 users, and the time of one
//! decision, also while maps grow and generations are dropped. Run with `cargo bench --bench limits`. Linux only: reads /proc.

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

/// One decision for each user, in words. A machine that does other things shows in the longest, not in the others.
fn visit(policy: &Policy, users: &[String], times: &mut Vec<Duration>) -> String {
    times.clear();
    let mut before = Instant::now();
    for user in users {
        let _ = black_box(policy.check_local(&ask(user, Operation::RunsRead)));
        let now = Instant::now();
        times.push(now - before);
        before = now;
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    format!("median {:?}, 99 % {:?}, 99.99 % {:?}, longest {:?}", at(0.5), at(0.99), at(0.9999), at(0.999_999_9))
}

fn main() {
    let time = FrozenClock::at(0);
    let config =
        PolicyConfig { plans: Plans::none(), user_rate: Rate::new(60, 1), ip_rate: None, hook_rate: None, redis: None };
    let Ok(policy) = Policy::new(config, time.clock(), Box::new(|_| ())) else {
        return;
    };
    // Ids as MongoDB's: 24 hexadecimal characters.
    let names = |from: usize| (from..from + USERS).map(|n| format!("{n:024x}")).collect::<Vec<_>>();
    let (users, others) = (names(0), names(USERS));

    let mut times = vec![Duration::ZERO; USERS];
    let empty = resident_bytes();
    println!("new users, maps grow:      {}", visit(&policy, &users, &mut times));
    let held = resident_bytes() - empty;
    println!("memory:                    {} keys, {} bytes each", policy.keys_in_memory(), held / USERS);
    println!("known users:               {}", visit(&policy, &users, &mut times));
    let hot: Vec<String> = (0..100).flat_map(|_| users[..1_000].iter().cloned()).collect();
    println!("1,000 users, again:        {}", visit(&policy, &hot, &mut times));
    time.advance(Duration::from_secs(61));
    println!("others, generations turn:  {}", visit(&policy, &others, &mut times));
    println!("memory:                    {} keys", policy.keys_in_memory());
    time.advance(Duration::from_secs(61));
    println!("again, generations turn:   {}", visit(&policy, &users[..100_000], &mut times));
    println!("memory:                    {} keys", policy.keys_in_memory());
}
