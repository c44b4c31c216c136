//! The signature of Sim's Webhook block: `X-Webhook-Signature: t=<ms>,v1=<hex>`, HMAC-SHA256 over `<ms>.<body>`.
//! It knows keys and bytes, nothing of what a hook brings about.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::run::keys::Secret;

/// How far `t` may be from now, either way, in milliseconds: a delivery is on its way for seconds at most.
pub(super) const WINDOW_MS: u64 = 300_000;

/// What the keys of single flows are derived with.
const LABEL: &[u8] = b"sim-adapter hook/1";

/// Why a signature is not accepted; the name is what a refusal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Missing,
    Malformed,
    /// `t` is outside the window.
    Stale,
    Wrong,
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::Missing => "signature_missing",
            Fault::Malformed => "signature_malformed",
            Fault::Stale => "signature_stale",
            Fault::Wrong => "signature_wrong",
        }
    }
}

/// A header that was read, and not yet compared with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature<'a> {
    time: &'a str,
    pub(super) time_ms: u64,
    pub(super) mac: [u8; 32],
}

impl<'a> Signature<'a> {
    /// Reads a header; fields that it does not know are passed over.
    pub(super) fn read(header: Option<&'a str>, now_ms: u64) -> Result<Self, Fault> {
        let field = |name: &str| {
            let mut fields = header?.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(given, _)| *given == name).map(|(_, value)| value)
        };
        if header.is_none_or(str::is_empty) {
            return Err(Fault::Missing);
        }
        let time = field("t").filter(|time| time.bytes().all(|byte| byte.is_ascii_digit())).ok_or(Fault::Malformed)?;
        let time_ms: u64 = time.parse().map_err(|_| Fault::Malformed)?;
        let mac = field("v1").and_then(unhex).ok_or(Fault::Malformed)?;
        if time_ms.abs_diff(now_ms) > WINDOW_MS {
            return Err(Fault::Stale);
        }
        Ok(Self { time, time_ms, mac })
    }

    /// Compares, in constant time, with what `key` makes of the body.
    pub(super) fn is_of(&self, key: &[u8], body: &[u8]) -> bool {
        // Sim sends nothing for a payload that was left empty, and signs it as an empty object.
        let body = if body.is_empty() { b"{}" } else { body };
        let Some(mac) = keyed(key) else { return false };
        mac.chain_update(self.time).chain_update(b".").chain_update(body).verify(&self.mac.into()).is_ok()
    }
}

/// The secret of the flow with this tag, as Sim is told it: nobody who sees it in Sim learns the root, or another flow's.
pub(super) fn secret_of(root: &Secret, tag: &str) -> String {
    let Some(mac) = keyed(root.bytes()) else { return String::new() };
    let bytes = mac.chain_update(LABEL).chain_update([0]).chain_update(tag).finalize().into_bytes();
    crate::hex::text(&bytes)
}

/// HMAC takes a key of any length, so this is always something.
fn keyed(key: &[u8]) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok().filter(|_| rest.is_empty())?;
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? * 16 + digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    /// `printf '1700000000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
    const MAC: &str = "14d903a7968191213f1336d145a46fb179d74631812ab6f38f0018433c500c39";
    /// The same for `1700000000000.{}`.
    const EMPTY: &str = "3a3e8a9bf5d4cc393ea7a94bd1c4fac763d91dbd8331c03e49a25b9d069738cd";

    fn header(mac: &str) -> String {
        format!("t={NOW},v1={mac}")
    }

    fn verifies(header: &str, body: &[u8]) -> bool {
        Signature::read(Some(header), NOW).unwrap().is_of(KEY, body)
    }

    #[test]
    fn what_another_implementation_signed_is_accepted() {
        assert!(verifies(&header(MAC), br#"{"a":1}"#));
        assert!(verifies(&header(&MAC.to_uppercase()), br#"{"a":1}"#));
        assert!(verifies(&format!(" v1={MAC} , v0=x, t={NOW}"), br#"{"a":1}"#));
        assert!(verifies(&header(EMPTY), b""), "an empty payload is signed as an empty object");
    }

    #[test]
    fn another_body_time_key_or_mac_is_wrong() {
        assert!(!verifies(&header(MAC), br#"{"a":2}"#));
        assert!(!verifies(&format!("t={},v1={MAC}", NOW + 1), br#"{"a":1}"#));
        assert!(!verifies(&header(&MAC.replace(&MAC[..2], "00")), br#"{"a":1}"#));
        assert!(!Signature::read(Some(&header(MAC)), NOW).unwrap().is_of(b"another", br#"{"a":1}"#));
    }

    #[test]
    fn each_way_to_be_unreadable_has_its_name() {
        let fault = |header: Option<&str>| Signature::read(header, NOW).unwrap_err();
        assert_eq!(fault(None), Fault::Missing);
        assert_eq!(fault(Some("")), Fault::Missing);
        let short = &MAC[..62];
        for bad in [
            "x".to_owned(),
            format!("t={NOW}"),
            format!("v1={MAC}"),
            format!("t=,v1={MAC}"),
            format!("t=+{NOW},v1={MAC}"),
            format!("t=99999999999999999999999,v1={MAC}"),
            header(short),
            header(&format!("{short}zz")),
            header(&format!("{MAC}00")),
            header(&format!("{short}é")),
        ] {
            assert_eq!(fault(Some(&bad)), Fault::Malformed, "{bad}");
        }
    }

    #[test]
    fn the_window_is_five_minutes_either_way() {
        let read = |now| {
            Signature::read(
                Some("t=1700000000000,v1=14d903a7968191213f1336d145a46fb179d74631812ab6f38f0018433c500c39"),
                now,
            )
            .map(|_| ())
        };
        assert_eq!(read(NOW + WINDOW_MS), Ok(()));
        assert_eq!(read(NOW - WINDOW_MS), Ok(()));
        assert_eq!(read(NOW + WINDOW_MS + 1), Err(Fault::Stale));
        assert_eq!(read(NOW - WINDOW_MS - 1), Err(Fault::Stale));
    }

    #[test]
    fn a_flows_secret_is_its_own_and_the_roots_own() {
        let root = |byte| Secret::new([byte; 32]);
        let all = [secret_of(&root(1), "a"), secret_of(&root(1), "b"), secret_of(&root(2), "a")];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 3);
        assert!(all.iter().all(|secret| secret.len() == 64));
    }
}
