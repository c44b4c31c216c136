//! A request counts once.

use super::*;
use crate::signing::ReplayEntry;

fn entry(key: &str, until: u64) -> ReplayEntry<'_> {
    ReplayEntry { key, until }
}

#[test]
fn the_same_request_is_refused_the_second_time() {
    let (request, verifier, memory) = (Received::signed(), verifier(), ReplayMemory::new(8));
    assert!(request.verify_at(&verifier, NOW, &memory).is_ok());
    assert_eq!(request.verify_at(&verifier, NOW, &memory), Err(Refusal::Replayed));
    assert_eq!(request.verify_at(&verifier, NOW + 90, &memory), Err(Refusal::Replayed), "until the last second");
    assert_eq!(request.verify_at(&verifier, NOW + 91, &memory), Err(Refusal::Expired));
    assert!(Received::signed().verify_at(&verifier, NOW, &memory).is_ok(), "signed anew");
}

#[test]
fn a_refused_request_uses_no_nonce_up() {
    let (request, verifier, memory) = (Received::signed(), verifier(), ReplayMemory::new(8));
    let mut forged = request.clone();
    *forged.value("x-run-id") = "run-2".into();
    assert_eq!(forged.verify_at(&verifier, NOW, &memory), Err(Refusal::SignatureMismatch));
    let other_body = Received { body: b"{}".to_vec(), ..request.clone() };
    assert_eq!(other_body.verify_at(&verifier, NOW, &memory), Err(Refusal::DigestMismatch));
    assert!(request.verify_at(&verifier, NOW, &memory).is_ok());
}

#[test]
fn a_full_memory_refuses_until_an_entry_has_passed() {
    let memory = ReplayMemory::new(2);
    assert_eq!(memory.claim_now(entry("a", 10), 0), Ok(()));
    assert_eq!(memory.claim_now(entry("b", 20), 0), Ok(()));
    assert_eq!(memory.claim_now(entry("c", 30), 10), Err(Refusal::ReplayStoreFull));
    assert_eq!(memory.claim_now(entry("a", 10), 10), Err(Refusal::Replayed), "what is known is still known");
    assert_eq!(memory.claim_now(entry("c", 30), 11), Ok(()));
    assert_eq!(memory.claim_now(entry("b", 20), 11), Err(Refusal::Replayed));
}

#[test]
fn a_memory_of_no_entries_refuses_everything() {
    assert_eq!(ReplayMemory::new(0).claim_now(entry("a", 10), 0), Err(Refusal::ReplayStoreFull));
}

#[test]
fn of_many_threads_exactly_one_gets_through() {
    let memory = ReplayMemory::new(64);
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| usize::from(memory.claim_now(entry("a", 10), 0).is_ok()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1);
}
