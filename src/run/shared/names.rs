//! What a run's keys and its channel are called in Redis, and under which keys its messages are sealed. All is derived
//! with a secret, so that neither user nor flow nor run can be read from a name, or guessed and compared.

use super::super::keys::{MacKey, full, truncated};
use super::super::owner::feed_prefixed;
use super::super::{FlowId, Generation, Owner, RunRef, SimRunId};
use super::seal::Cipher;
use crate::hex;

/// A name, and what seals the contents.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) cipher: Cipher,
}

impl Named {
    /// The channel on which all that concerns a run is said, whoever owns it. `prefix` ends as it is to stand before the name.
    pub(super) fn channel_of_run(key: &MacKey, prefix: &str, flow: &FlowId, run: &SimRunId) -> Self {
        let parts = [flow.as_str(), run.as_str()];
        Self::derived(key, &format!("{prefix}sim:watch:"), ["channel/1", "channel-seal/1"], &parts)
    }

    /// The channel on which it is said what has moved, for whoever watches it.
    pub(super) fn channel_of_hints(key: &MacKey, prefix: &str) -> Self {
        Self::derived(key, &format!("{prefix}sim:watch:"), ["hints/1", "hints-seal/1"], &[])
    }

    /// The key that holds the flow which a hook's address belongs to.
    pub(super) fn key_of_tag(key: &MacKey, prefix: &str, tag: &str) -> Self {
        Self::derived(key, &format!("{prefix}sim:hook:"), ["tag/1", "tag-seal/1"], &[tag])
    }

    fn derived(key: &MacKey, before: &str, [label, seal]: [&str; 2], parts: &[&str]) -> Self {
        let of = |label: &str| {
            let mut mac = key.mac();
            for part in [label].iter().chain(parts) {
                feed_prefixed(&mut mac, part.as_bytes());
            }
            mac
        };
        let name = format!("{before}{}", hex::text(&truncated(of(label))));
        Self { cipher: Cipher::new(&full(of(seal)), &name), name }
    }
}

/// The names of one owner's run.
pub(super) struct Names {
    /// Holds the token of the one who polls.
    pub(super) lease: String,
    /// Holds what that one told last.
    pub(super) last: String,
    /// Seals what is told.
    pub(super) cipher: Cipher,
    pub(super) channel: Named,
}

impl Names {
    pub(super) fn of_room(key: &MacKey, prefix: &str, owner: &Owner, run: &RunRef) -> Self {
        let of = |label: &[u8]| {
            let mut mac = key.mac();
            feed_prefixed(&mut mac, label);
            owner.feed(&mut mac);
            for part in [generation(run.generation), run.flow.as_str(), run.run.as_str()] {
                feed_prefixed(&mut mac, part.as_bytes());
            }
            mac
        };
        // In braces, so that a cluster keeps both on one node.
        let room = format!("{prefix}sim:{{{}}}", hex::text(&truncated(of(b"room/1"))));
        Self {
            lease: format!("{room}:poller"),
            last: format!("{room}:told"),
            cipher: Cipher::new(&full(of(b"room-seal/1")), &room),
            channel: Named::channel_of_run(key, prefix, &run.flow, &run.run),
        }
    }
}

fn generation(generation: Generation) -> &'static str {
    match generation {
        Generation::V2 => "v2",
        Generation::V1 => "v1",
        Generation::Flows => "flows",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::super::RootKeys;
    use super::super::super::keys::Secret;
    use super::*;

    fn names(secret: u8, user: &str, flow: &str, run: &str) -> Names {
        let roots = RootKeys::new(vec![Secret::new([secret; 32])]).unwrap();
        let run = RunRef {
            generation: Generation::V2,
            flow: FlowId::parse(flow).unwrap(),
            run: SimRunId::parse(run).unwrap(),
        };
        Names::of_room(&roots.watch_key(), "chat::", &Owner::new(None, Some(user)), &run)
    }

    #[test]
    fn names_are_the_same_in_every_process_and_differ_with_owner_run_and_secret() {
        assert_eq!(names(1, "ann", "f", "r").lease, names(1, "ann", "f", "r").lease);
        let all = [(1, "ann", "f", "r"), (2, "ann", "f", "r"), (1, "bob", "f", "r"), (1, "ann", "g", "r")];
        let leases: HashSet<_> = all.map(|(secret, user, flow, run)| names(secret, user, flow, run).lease).into();
        assert_eq!(leases.len(), all.len());
    }

    #[test]
    fn a_channel_is_the_runs_whoever_owns_it() {
        let (ann, bob) = (names(1, "ann", "f", "r"), names(1, "bob", "f", "r"));
        assert_eq!(ann.channel.name, bob.channel.name);
        assert_ne!(ann.channel.name, names(1, "ann", "f", "s").channel.name);
    }

    #[test]
    fn hints_have_a_channel_of_their_own_and_each_address_has_a_key() {
        let roots = RootKeys::new(vec![Secret::new([1; 32])]).unwrap();
        let key = roots.watch_key();
        let hints = Named::channel_of_hints(&key, "chat::").name;
        assert_eq!(hints, Named::channel_of_hints(&key, "chat::").name);
        assert!(hints.starts_with("chat::sim:watch:"), "{hints}");
        let tags = ["a-tag", "another"].map(|tag| Named::key_of_tag(&key, "chat::", tag).name);
        assert_ne!(tags[0], tags[1]);
        assert!(tags[0].starts_with("chat::sim:hook:") && !tags[0].contains("a-tag"), "{}", tags[0]);
    }

    #[test]
    fn nothing_of_owner_flow_or_run_stands_in_a_name() {
        let names = names(1, "ann-of-acme", "flow-7", "run-9");
        for name in [&names.lease, &names.last, &names.channel.name] {
            assert!(name.starts_with("chat::sim:"), "{name}");
            assert!(!["ann", "acme", "flow", "run"].iter().any(|word| name.contains(word)), "{name}");
        }
    }
}
