//! Names of users and addresses as 128-bit keys: small, of one size, and not to be chosen by whoever is limited.
//! Knows no limit and no plan.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};

/// A key of this process. Two names meet in one key with the chance of a 128-bit collision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u64; 2]);

/// Makes keys. SipHash is a pseudo-random function under a key that the operating system draws for this process and that
/// never leaves it; applied to `0 ‖ name` and `1 ‖ name` it yields two independent 64-bit halves. Nobody outside sees an
/// output, so a collision can only be met by chance: with 10^6 live names, about 10^-27.
pub(crate) struct Keys(RandomState);

impl Keys {
    pub(crate) fn new() -> Keys {
        Keys(RandomState::new())
    }

    /// `name` must hash injectively; tuples of strings and integers do (a string ends in a byte that UTF-8 lacks).
    pub(crate) fn key(&self, name: impl Hash) -> Key {
        Key([self.0.hash_one((0u8, &name)), self.0.hash_one((1u8, &name))])
    }
}

impl Key {
    /// A chosen key, to fill one shard.
    #[cfg(test)]
    pub(crate) fn of_halves(halves: [u64; 2]) -> Key {
        Key(halves)
    }

    /// Bits that the map inside a shard does not use.
    pub(crate) fn shard(self) -> usize {
        self.0[1] as usize
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A key is random already; hashing it again would only cost time.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

pub(crate) type KeyHasher = BuildHasherDefault<AsItIs>;

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 /56, which is what one customer line is given. An IPv4 address
/// in IPv6 clothes is the IPv4 address. Text that is no address counts as itself.
pub(crate) fn canonical_ip(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Ok(IpAddr::V6(v6)) => Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).to_string(),
        Err(_) => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_join_to_the_same_text_have_different_keys() {
        let keys = Keys::new();
        assert_ne!(keys.key(("ab", "c")), keys.key(("a", "bc")));
        assert_ne!(keys.key(("", "abc")), keys.key(("abc", "")));
        assert_eq!(keys.key(("a", "b", 1u8)), keys.key(("a", "b", 1u8)));
    }

    #[test]
    fn a_key_differs_from_process_to_process() {
        assert_ne!(Keys::new().key("user"), Keys::new().key("user"));
    }

    #[test]
    fn one_customer_line_is_one_address() {
        assert_eq!(canonical_ip("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(canonical_ip("2001:db8:1:2fff::1"), canonical_ip("2001:db8:1:2f00:ffff::9"));
        assert_ne!(canonical_ip("2001:db8:1:3000::1"), canonical_ip("2001:db8:1:2f00::1"));
        assert_eq!(canonical_ip("unix socket"), "unix socket");
    }
}
