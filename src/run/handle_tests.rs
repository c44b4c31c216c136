//! What run handles promise.

use proptest::prelude::*;

use super::*;
use crate::run::keys::{RunIds, Secret};

fn handles(secrets: &[u8]) -> Handles {
    Handles::new(&roots(secrets))
}

fn roots(secrets: &[u8]) -> RootKeys {
    RootKeys::new(secrets.iter().map(|byte| Secret::new([*byte; 32])).collect()).unwrap()
}

fn run(generation: Generation, flow: &str, run: &str) -> RunRef {
    RunRef { generation, flow: FlowId::parse(flow).unwrap(), run: SimRunId::parse(run).unwrap() }
}

fn uuid_run() -> RunRef {
    run(Generation::V2, "3f0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c11", "aa0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c22")
}

fn ann() -> Owner {
    Owner::new(Some("acme"), Some("ann"))
}

#[test]
fn an_adopted_run_id_comes_back_from_its_handle() {
    let roots = roots(&[1]);
    let flow = FlowId::parse("3f0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c11").unwrap();
    let id = RunIds::new(&roots).unwrap().derive(&ann(), &flow, "key");
    let run = RunRef { generation: Generation::V1, flow, run: id };
    let handles = Handles::new(&roots);
    let handle = handles.mint(&ann(), &run);
    assert_eq!(handle.len(), 67);
    assert_eq!(handles.open(&ann(), &handle), Some(run));
}

#[test]
fn packed_handles_are_short_also_while_secrets_are_changed() {
    assert_eq!(handles(&[1]).mint(&ann(), &uuid_run()).len(), 67);
    assert_eq!(handles(&[2, 1]).mint(&ann(), &uuid_run()).len(), 94);
    assert_eq!(handles(&[3, 2, 1]).mint(&ann(), &uuid_run()).len(), 94);
}

#[test]
fn the_longest_handle_stays_under_the_limit() {
    let longest = run(Generation::Flows, &"f".repeat(128), &"r".repeat(128));
    let handle = handles(&[2, 1]).mint(&ann(), &longest);
    assert_eq!(handle.len(), 395);
    assert_eq!(handles(&[2, 1]).open(&ann(), &handle), Some(longest));
}

#[test]
fn nobody_but_the_owner_opens_a_handle() {
    let handles = handles(&[1]);
    let handle = handles.mint(&ann(), &uuid_run());
    for other in [
        Owner::new(Some("acme"), Some("bob")),
        Owner::new(Some("other"), Some("ann")),
        Owner::new(None, Some("ann")),
        Owner::new(Some(""), Some("ann")),
        Owner::new(Some("acme"), None),
        Owner::new(Some("acme"), Some("")),
        Owner::new(Some("acm"), Some("eann")),
        Owner::new(Some("ann"), Some("acme")),
        Owner::new(None, Some("acmeann")),
        Owner::default(),
    ] {
        assert_eq!(handles.open(&other, &handle), None, "{other:?}");
    }
}

#[test]
fn a_tenant_cannot_borrow_letters_from_a_user() {
    let handles = handles(&[1]);
    let handle = handles.mint(&Owner::new(Some("a\u{1}b"), Some("c")), &uuid_run());
    assert_eq!(handles.open(&Owner::new(Some("a"), Some("b\u{1}c")), &handle), None);
}

#[test]
fn the_hosts_own_runs_are_no_users() {
    let handles = handles(&[1]);
    let handle = handles.mint(&Owner::default(), &uuid_run());
    assert!(handles.open(&Owner::default(), &handle).is_some());
    assert_eq!(handles.open(&Owner::new(None, Some("")), &handle), None);
    assert_eq!(handles.open(&Owner::new(Some(""), None), &handle), None);
}

#[test]
fn what_was_never_minted_opens_nothing() {
    let handles = handles(&[1]);
    let (uuid, long, longer) = (uuid_run(), "A".repeat(512), "A".repeat(1 << 20));
    let two_tags_only = URL_SAFE_NO_PAD.encode([&[VERSION, TWO_TAGS][..], &[0; 16]].concat());
    for text in ["", "A", "AA", "AQ", "..", "null", "é", uuid.run.as_str(), &long, &longer, &two_tags_only] {
        assert_eq!(handles.open(&ann(), text), None, "{text:.40}");
    }
    assert_eq!(handles.open(&ann(), &self::handles(&[9]).mint(&ann(), &uuid)), None);
}

#[test]
fn a_handle_has_one_spelling() {
    let handles = handles(&[1]);
    let handle = handles.mint(&ann(), &uuid_run());
    assert!(handle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
    // 67 characters hold 402 bits, the handle 400: the last character has four spellings, of which one is ours.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (head, last) = handle.split_at(66);
    for other in alphabet.iter().map(|b| char::from(*b)).filter(|c| !last.starts_with(*c)) {
        assert_eq!(handles.open(&ann(), &format!("{head}{other}")), None);
    }
    for other in [format!("{handle}="), format!(" {handle}"), format!("{handle}\n"), format!("{head}+")] {
        assert_eq!(handles.open(&ann(), &other), None, "{other}");
    }
}

#[test]
fn another_version_is_not_read() {
    let handles = handles(&[1]);
    let mut bytes = Vec::new();
    write_body(&mut bytes, &uuid_run(), None);
    bytes[0] = 2;
    bytes.extend_from_slice(&truncated(mac(&handles.oldest, &ann(), &bytes)));
    assert_eq!(handles.open(&ann(), &URL_SAFE_NO_PAD.encode(bytes)), None);
}

#[test]
fn adding_a_secret_on_one_of_two_instances_breaks_no_handle() {
    let (before, after) = (handles(&[1]), handles(&[2, 1]));
    for (minting, opening) in [(&before, &after), (&after, &before), (&after, &after)] {
        let handle = minting.mint(&ann(), &uuid_run());
        assert_eq!(opening.open(&ann(), &handle), Some(uuid_run()));
    }
}

#[test]
fn removing_the_old_secret_on_one_of_two_instances_breaks_no_handle() {
    let (before, after) = (handles(&[2, 1]), handles(&[2]));
    for (minting, opening) in [(&before, &after), (&after, &before)] {
        let handle = minting.mint(&ann(), &uuid_run());
        assert_eq!(opening.open(&ann(), &handle), Some(uuid_run()));
        assert_eq!(opening.open(&Owner::new(None, Some("bob")), &handle), None);
    }
}

#[test]
fn a_removed_secret_opens_nothing_any_more() {
    let handle = handles(&[1]).mint(&ann(), &uuid_run());
    assert_eq!(handles(&[2]).open(&ann(), &handle), None);
}

#[test]
fn a_handle_whose_two_tags_are_of_unknown_keys_opens_nothing() {
    let handle = handles(&[2, 1]).mint(&ann(), &uuid_run());
    assert_eq!(handles(&[3]).open(&ann(), &handle), None);
    assert_eq!(handles(&[4, 3]).open(&ann(), &handle), None);
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9._:-]{1,128}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[0-9A-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "sa1-[0-9a-f]{32}",
    ]
    .prop_filter("dot segments are no ids", |id| id != "." && id != "..")
}

fn any_run() -> impl Strategy<Value = RunRef> {
    let generation = prop_oneof![Just(Generation::V2), Just(Generation::V1), Just(Generation::Flows)];
    (generation, any_id(), any_id()).prop_map(|(generation, flow, id)| run(generation, &flow, &id))
}

fn any_owner() -> impl Strategy<Value = Owner> {
    let part = || proptest::option::of(".{0,40}".prop_map(String::into_boxed_str));
    (part(), part()).prop_map(|(tenant, user)| Owner { tenant, user })
}

fn any_secrets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![1]), Just(vec![2, 1]), Just(vec![3, 2, 1])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_run_comes_back_from_its_handle(owner in any_owner(), run in any_run(), secrets in any_secrets()) {
        let handles = handles(&secrets);
        let handle = handles.mint(&owner, &run);
        prop_assert!(handle.len() <= MAX_HANDLE_LENGTH);
        prop_assert!(handle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        prop_assert_eq!(handles.open(&owner, &handle), Some(run));
    }

    #[test]
    fn no_flipped_bit_is_accepted(run in any_run(), secrets in any_secrets()) {
        let minted = URL_SAFE_NO_PAD.decode(handles(&secrets).mint(&ann(), &run)).unwrap();
        // Besides the minting instance, one that has not been given the newer secrets yet.
        for handles in [handles(&secrets), handles(&[1])] {
            for bit in 0..minted.len() * 8 {
                let mut bytes = minted.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(handles.open(&ann(), &URL_SAFE_NO_PAD.encode(bytes)), None);
            }
        }
    }

    #[test]
    fn no_truncation_and_no_extension_is_accepted(run in any_run(), secrets in any_secrets(), more in "[A-Za-z0-9_-]{1,60}") {
        let handles = handles(&secrets);
        let handle = handles.mint(&ann(), &run);
        for end in 0..handle.len() {
            prop_assert_eq!(handles.open(&ann(), &handle[..end]), None);
        }
        prop_assert_eq!(handles.open(&ann(), &format!("{handle}{more}")), None);
        prop_assert_eq!(handles.open(&ann(), &format!("{more}{handle}")), None);
    }

    #[test]
    fn two_owners_never_share_a_handle(one in any_owner(), other in any_owner(), run in any_run()) {
        prop_assume!(one != other);
        let handles = handles(&[1]);
        prop_assert_eq!(handles.open(&other, &handles.mint(&one, &run)), None);
    }

    #[test]
    fn any_text_is_answered(text in ".{0,600}", flags in any::<u8>(), tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let handles = handles(&[2, 1]);
        prop_assert_eq!(handles.open(&ann(), &text), None);
        let forged = URL_SAFE_NO_PAD.encode([&[VERSION, flags][..], &tail].concat());
        prop_assert_eq!(handles.open(&ann(), &forged), None);
        // The reader behind the tag is total as well.
        let _ = read_body(flags, &tail);
    }
}
