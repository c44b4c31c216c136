//! Run handles: the `runId` a user gets. It holds what is needed to find the run again, and a proof that it was given
//! to this user, so that nothing has to be stored and nobody reads another's runs through the shared service key.
//! It must not know Sim, HTTP, or how the user was identified.
//!
//! A handle is base64url without padding of `body ‖ tags`:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | bits 0–1 generation, 2–3 shape of the flow id, 4–5 shape of the run id, 6: two tags |
//! | 4 | with two tags: the name of the second tag's key |
//! | 16, or 1 + n | flow id: raw bits, or its length and text |
//! | 16, or 1 + n | run id, likewise |
//! | 16 | with two tags: the newest key's tag |
//! | 16 | the oldest key's tag |
//!
//! A tag is 128 bits of HMAC-SHA256 over the owner, each part with its length before it, and all bytes before the tag.
//!
//! While secrets are being changed a handle carries two tags. The oldest key is the one that instances without the
//! newest secret know; the newest is the one that stays when the oldest secret is removed. So neither step breaks a
//! handle. A reader that knows the second tag's key demands that tag, and with it every byte. Only once that secret
//! has been removed is the first tag enough.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;

use super::id::{FlowId, Generation, Packed, SimRunId};
use super::keys::{MacKey, RootKeys, truncated};
use super::owner::Owner;

/// The longest handle, in characters, that is looked at; the longest one minted has 395.
pub const MAX_HANDLE_LENGTH: usize = 512;

const VERSION: u8 = 1;
const TWO_TAGS: u8 = 1 << 6;
const TAG_LENGTH: usize = 16;

/// Where a run is: enough to ask Sim for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunRef {
    pub generation: Generation,
    pub flow: FlowId,
    pub run: SimRunId,
}

/// Mints and opens handles.
pub struct Handles {
    newer: Vec<MacKey>,
    oldest: MacKey,
}

impl Handles {
    pub fn new(roots: &RootKeys) -> Self {
        let (newer, oldest) = roots.handle_keys();
        Self { newer, oldest }
    }

    /// The handle of `run` for `owner`: `[A-Za-z0-9_-]`, the same for the same arguments. 67 characters for UUIDs and
    /// run ids derived here (94 while secrets are being changed).
    pub fn mint(&self, owner: &Owner, run: &RunRef) -> String {
        let mut bytes = Vec::with_capacity(96);
        let newest = self.newer.first();
        write_body(&mut bytes, run, newest.map(|_| self.oldest.name()));
        for key in newest.into_iter().chain([&self.oldest]) {
            bytes.extend_from_slice(&truncated(mac(key, owner, &bytes)));
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The run that `handle` names, if it was minted for exactly this owner.
    ///
    /// `None` is all there is to say otherwise: another owner's handle, a forged one and a raw Sim id look alike.
    pub fn open(&self, owner: &Owner, handle: &str) -> Option<RunRef> {
        if handle.len() > MAX_HANDLE_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let (signed, tag) = bytes.split_last_chunk::<TAG_LENGTH>()?;
        let [VERSION, flags, rest @ ..] = signed else {
            return None;
        };
        let genuine = |key: &MacKey, signed: &[u8], tag: &[u8; TAG_LENGTH]| {
            mac(key, owner, signed).verify_truncated_left(tag).is_ok()
        };
        if flags & TWO_TAGS == 0 {
            return self.keys().any(|key| genuine(key, signed, tag)).then(|| read_body(*flags, rest)).flatten();
        }
        let (name, _) = rest.split_first_chunk::<4>()?;
        let (body, first_tag) = signed.split_last_chunk::<TAG_LENGTH>()?;
        let known = match self.keys().find(|key| key.name() == *name) {
            Some(key) => genuine(key, signed, tag),
            None => self.keys().any(|key| genuine(key, body, first_tag)),
        };
        if known { read_body(*flags, body.get(6..)?) } else { None }
    }

    fn keys(&self) -> impl Iterator<Item = &MacKey> {
        self.newer.iter().chain([&self.oldest])
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn mac(key: &MacKey, owner: &Owner, signed: &[u8]) -> hmac::Hmac<sha2::Sha256> {
    let mut mac = key.mac();
    owner.feed(&mut mac);
    mac.update(signed);
    mac
}

fn write_body(bytes: &mut Vec<u8>, run: &RunRef, second_key: Option<[u8; 4]>) {
    let (flow_id, run_id) = (Packed::from_id(run.flow.as_str()), Packed::from_id(run.run.as_str()));
    let generation = match run.generation {
        Generation::V2 => 0,
        Generation::V1 => 1,
        Generation::Flows => 2,
    };
    let two_tags = if second_key.is_some() { TWO_TAGS } else { 0 };
    bytes.extend_from_slice(&[VERSION, generation | shape(&flow_id) << 2 | shape(&run_id) << 4 | two_tags]);
    bytes.extend(second_key.into_iter().flatten());
    write_id(bytes, &flow_id);
    write_id(bytes, &run_id);
}

/// Reads what [`write_body`] wrote after the flags and the key's name, and nothing else.
fn read_body(flags: u8, mut bytes: &[u8]) -> Option<RunRef> {
    let generation = match flags & 3 {
        0 => Generation::V2,
        1 => Generation::V1,
        2 => Generation::Flows,
        _ => return None,
    };
    let flow = FlowId::parse(&read_id(flags >> 2 & 3, &mut bytes)?).ok()?;
    let run = SimRunId::parse(&read_id(flags >> 4 & 3, &mut bytes)?).ok()?;
    bytes.is_empty().then_some(RunRef { generation, flow, run })
}

fn shape(id: &Packed<'_>) -> u8 {
    match id {
        Packed::Text(_) => 0,
        Packed::Uuid(_) => 1,
        Packed::Derived(_) => 2,
    }
}

fn write_id(bytes: &mut Vec<u8>, id: &Packed<'_>) {
    match id {
        Packed::Uuid(bits) | Packed::Derived(bits) => bytes.extend_from_slice(bits),
        Packed::Text(text) => {
            // An id has at most 128 characters.
            bytes.push(text.len() as u8);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

fn read_id(shape: u8, bytes: &mut &[u8]) -> Option<String> {
    let length = if shape == 0 { usize::from(*bytes.split_off_first()?) } else { 16 };
    let raw = bytes.split_off(..length)?;
    let packed = match shape {
        0 => Packed::Text(std::str::from_utf8(raw).ok()?),
        1 => Packed::Uuid(raw.try_into().ok()?),
        2 => Packed::Derived(raw.try_into().ok()?),
        _ => return None,
    };
    Some(packed.text())
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
