//! What pollers of one run tell each other, as sealed JSON. It must not know how it travels.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::poller::Seen;
use super::names::Named;
use super::seal::Cipher;
use crate::upstream::api::Status;

/// The longest state that is told. Whoever hears of a longer one reads the run itself: Redis is no place for large outputs.
const LONGEST: usize = 64 * 1024;

/// What the poller of a run told.
#[derive(Debug)]
pub(in super::super) enum Told {
    State(Seen),
    /// A state of this id, too long to be told.
    Long(String),
    /// The run cannot be found any more.
    Gone,
}

/// A message as it came.
#[derive(Debug)]
pub(super) enum Message {
    Told(Told),
    /// The run was left: whoever watches it may poll it.
    Left,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    /// The token of the teller.
    from: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    state: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    State,
    Long,
    Gone,
    Left,
    Nudge,
}

pub(super) fn state(cipher: &Cipher, from: &str, seen: &Seen) -> Option<Vec<u8>> {
    let id = Some(seen.id.as_str());
    let long = seen.json.len() > LONGEST;
    let json: Option<&RawValue> = if long { None } else { Some(serde_json::from_slice(&seen.json).ok()?) };
    let kind = if long { Kind::Long } else { Kind::State };
    write(cipher, &Wire { from, kind, id, status: Some(seen.status), state: json })
}

pub(super) fn gone(cipher: &Cipher, from: &str) -> Option<Vec<u8>> {
    write(cipher, &Wire { from, kind: Kind::Gone, id: None, status: None, state: None })
}

pub(super) fn left(cipher: &Cipher, from: &str) -> Option<Vec<u8>> {
    write(cipher, &Wire { from, kind: Kind::Left, id: None, status: None, state: None })
}

/// Said by anybody who knows that the run has changed.
pub(super) fn nudge(channel: &Named) -> Option<Vec<u8>> {
    write(&channel.cipher, &Wire { from: "", kind: Kind::Nudge, id: None, status: None, state: None })
}

pub(super) fn is_nudge(channel: &Named, sealed: &[u8]) -> bool {
    let text = channel.cipher.open(sealed);
    let wire = text.as_deref().and_then(|text| serde_json::from_slice::<Wire<'_>>(text).ok());
    wire.is_some_and(|wire| wire.kind == Kind::Nudge)
}

/// What somebody else than `own` said. `None` for all that means nothing here.
pub(super) fn read(cipher: &Cipher, own: &str, sealed: &[u8]) -> Option<Message> {
    let text = cipher.open(sealed)?;
    let Wire { from, kind, id, status, state } = serde_json::from_slice(&text).ok()?;
    if from == own {
        return None;
    }
    Some(match kind {
        Kind::State => {
            let (id, json) = (id?.to_owned(), state?.get().as_bytes().to_vec());
            Message::Told(Told::State(Seen { id, status: status?, json: json.into() }))
        }
        Kind::Long => Message::Told(Told::Long(id?.to_owned())),
        Kind::Gone => Message::Told(Told::Gone),
        Kind::Left => Message::Left,
        Kind::Nudge => return None,
    })
}

fn write(cipher: &Cipher, wire: &Wire<'_>) -> Option<Vec<u8>> {
    cipher.seal(serde_json::to_vec(wire).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&[1; 32], "room")
    }

    fn seen(output: &str) -> Seen {
        let json = format!(r#"{{"run":{{"id":"h","output":"{output}"}}}}"#).into_bytes();
        Seen { id: "an-id".into(), status: Status::Paused, json: json.into() }
    }

    #[test]
    fn a_state_arrives_as_it_was_told() {
        let sealed = state(&cipher(), "a", &seen("ü \\n")).unwrap();
        let Some(Message::Told(Told::State(told))) = read(&cipher(), "b", &sealed) else { panic!("a state") };
        assert_eq!((told.id, told.status, told.json), ("an-id".into(), Status::Paused, seen("ü \\n").json));
    }

    #[test]
    fn nobody_hears_himself() {
        assert!(read(&cipher(), "a", &state(&cipher(), "a", &seen("")).unwrap()).is_none());
        assert!(read(&cipher(), "a", &left(&cipher(), "a").unwrap()).is_none());
        assert!(matches!(read(&cipher(), "b", &left(&cipher(), "a").unwrap()), Some(Message::Left)));
    }

    #[test]
    fn of_a_long_state_only_its_id_is_told() {
        let sealed = state(&cipher(), "a", &seen(&"x".repeat(LONGEST))).unwrap();
        assert!(sealed.len() < 200);
        let read = read(&cipher(), "b", &sealed);
        assert!(matches!(read, Some(Message::Told(Told::Long(id))) if id == "an-id"));
    }

    #[test]
    fn what_is_no_message_means_nothing() {
        let other = cipher().seal(br#"{"from":"a","kind":"new thing"}"#.to_vec()).unwrap();
        let status =
            cipher().seal(br#"{"from":"a","kind":"state","id":"i","status":"odd","state":{}}"#.to_vec()).unwrap();
        for sealed in [b"".as_slice(), b"{\"kind\":\"left\"}", &other, &status] {
            assert!(read(&cipher(), "b", sealed).is_none());
        }
    }
}
