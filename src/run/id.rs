//! The ids Sim gives out and takes, as types: what one of them holds is valid, so no later room checks again.
//! It must not know users, keys or HTTP.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::hex;

/// The longest id Sim takes (`X-Run-Id`, `X-Execution-Id`: 1 to 128 of `[A-Za-z0-9._:-]`).
pub const MAX_ID_LENGTH: usize = 128;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    #[error("an id may not be empty")]
    Empty,
    #[error("an id has at most 128 characters")]
    TooLong,
    #[error("an id holds only letters, digits and . _ : -")]
    BadCharacter,
    #[error("an id may not be a dot segment")]
    DotSegment,
}

/// The one rule for ids. `.` and `..` are of the alphabet, but as a path segment they would climb.
fn parse(text: &str) -> Result<Box<str>, IdError> {
    match text {
        "" => Err(IdError::Empty),
        "." | ".." => Err(IdError::DotSegment),
        _ if text.len() > MAX_ID_LENGTH => Err(IdError::TooLong),
        _ if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-')) => {
            Err(IdError::BadCharacter)
        }
        _ => Ok(text.into()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// The rule that `text` breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A flow: what Sim calls a workflow id. A UUID in practice.
    FlowId
}
id! {
    /// Sim's own name of one run (v2 `runId`, v1 `executionId`). Never shown to a user: see [`super::handle`].
    SimRunId
}

/// What a run id that was derived here begins with; 32 lower-case hex digits follow.
const DERIVED_PREFIX: &str = "sa1-";

impl SimRunId {
    /// The run id made of 128 derived bits.
    pub(super) fn derived(bits: &[u8; 16]) -> Self {
        Self(derived_text(bits).into())
    }
}

/// An id as it travels in a handle: the two common shapes are 16 bytes, whatever else is text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packed<'a> {
    Uuid([u8; 16]),
    Derived([u8; 16]),
    Text(&'a str),
}

impl<'a> Packed<'a> {
    /// Loses nothing: [`Self::text`] gives back exactly `id`.
    pub(super) fn from_id(id: &'a str) -> Self {
        let hex = |text: &str| u128::from_str_radix(text, 16).map(u128::to_be_bytes).ok();
        if let Some(bits) = id.strip_prefix(DERIVED_PREFIX).and_then(hex)
            && derived_text(&bits) == id
        {
            return Self::Derived(bits);
        }
        if id.len() == 36
            && let Some(bits) = hex(&id.replace('-', ""))
            && uuid_text(&bits) == id
        {
            return Self::Uuid(bits);
        }
        Self::Text(id)
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Uuid(bits) => uuid_text(bits),
            Self::Derived(bits) => derived_text(bits),
            Self::Text(text) => (*text).to_owned(),
        }
    }
}

fn derived_text(bits: &[u8; 16]) -> String {
    let mut text = DERIVED_PREFIX.to_owned();
    hex::push(&mut text, bits);
    text
}

fn uuid_text(bits: &[u8; 16]) -> String {
    let hex = hex::text(bits);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Which of Sim's APIs a run lives in. A handle is always served by the generation in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    V2,
    V1,
    /// Older forks of the integration: `/api/flows`, `/api/runs`.
    Flows,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_sims_alphabet_is_taken_as_it_is() {
        for text in ["a", "wf-1", "A.b_c:d-9", "...", ".a", "3f0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c11"] {
            assert_eq!(FlowId::parse(text).map(|id| id.to_string()), Ok(text.to_owned()));
            assert_eq!(SimRunId::parse(text).map(|id| id.to_string()), Ok(text.to_owned()));
        }
        assert!(FlowId::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn each_broken_rule_has_its_own_reason() {
        assert_eq!(FlowId::parse(""), Err(IdError::Empty));
        assert_eq!(FlowId::parse(&"x".repeat(129)), Err(IdError::TooLong));
        assert_eq!(FlowId::parse("."), Err(IdError::DotSegment));
        assert_eq!(SimRunId::parse(".."), Err(IdError::DotSegment));
        for text in ["a/b", "a%2fb", "a b", "a\0", "a\n", "ä", "a?b", "a#b", "a\\b", "a;b", "${a}", "\u{ff0e}\u{ff0e}"]
        {
            assert_eq!(FlowId::parse(text), Err(IdError::BadCharacter), "{text:?}");
        }
    }

    #[test]
    fn uuids_and_derived_ids_are_packed_and_nothing_else_is() {
        let uuid = "3f0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c11";
        let derived = SimRunId::derived(&[7; 16]);
        assert!(matches!(Packed::from_id(uuid), Packed::Uuid(_)));
        assert!(matches!(Packed::from_id(derived.as_str()), Packed::Derived(_)));
        for text in [
            "3F0C8F0E-5f4b-4c51-8b0a-0d5a0f7d9c11",
            "3f0c8f0e5f4b-4c51-8b0a-0d5a0f7d9c11-",
            "+f0c8f0e-5f4b-4c51-8b0a-0d5a0f7d9c11",
            "sa1-0707070707070707070707070707070",
            "sa1-0707070707070707070707070707070G",
            "sa1-0707070707070707070707070707070A",
            "sa1-07070707070707070707070707070707:",
            "sa1--",
        ] {
            assert_eq!(Packed::from_id(text), Packed::Text(text));
        }
        for text in [uuid, derived.as_str(), "wf-1"] {
            assert_eq!(Packed::from_id(text).text(), text);
        }
    }
}
