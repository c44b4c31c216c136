//! Verifies LibreChat's access tokens: JWTs (RFC 7519) signed with HS256 and `JWT_SECRET`.
//! It must not know headers, hosts or plans.
//!
//! LibreChat signs tokens for other purposes with the same secret: a pending second factor (`twoFAPending`) and agent
//! triggers (`scope`). Those are refused however good their signature is.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{NameError, check_name, hs256};

/// The longest token that is looked at, in bytes. LibreChat's have about 300.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// Why a token is refused. The text is the reason for logs; on the wire each is `unauthenticated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The `Authorization` header, not the token: two of them, or not exactly one token.
    #[error("bad_authorization_header")]
    BadHeader,
    #[error("token_too_long")]
    TooLong,
    /// Not three parts of unpadded base64url around JSON objects, an unknown algorithm, or a claim given twice.
    #[error("malformed_token")]
    Malformed,
    /// Signed, or said to be signed, with anything but HS256; or it asks for an extension (`crit`).
    #[error("algorithm_not_allowed")]
    Algorithm,
    #[error("bad_signature")]
    Signature,
    #[error("expired")]
    Expired,
    #[error("not_yet_valid")]
    NotYetValid,
    /// `exp` is missing or no number.
    #[error("no_expiry")]
    NoExpiry,
    /// `nbf` is no number.
    #[error("bad_not_before")]
    BadNotBefore,
    /// It was made out to somebody else (`aud`, RFC 7519 §4.1.3).
    #[error("other_audience")]
    Audience,
    #[error("second_factor_pending")]
    SecondFactorPending,
    #[error("scoped_token")]
    Scoped,
    /// `id` is missing or no string.
    #[error("no_user_id")]
    NoId,
    /// `id` is a string that names nobody: empty, too long, or with control characters.
    #[error("bad_user_id_{0}")]
    BadId(#[from] NameError),
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub id: Box<str>,
    /// `exp`, in whole seconds since 1970.
    pub expires: u64,
    pub username: Option<Box<str>>,
    pub provider: Option<Box<str>>,
    pub email: Option<Box<str>>,
    /// The whole payload as it was signed: a JSON object, for `resolveUser`.
    pub raw: Box<str>,
}

/// A verifier needs at least one secret, and none of them empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the list of token secrets is empty, or one of them is")]
pub struct NoSecret;

/// Checks tokens against a list of secrets.
pub struct Verifier {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

impl Verifier {
    /// `leeway_seconds` forgives a clock that differs from the signer's; 0 unless configured.
    ///
    /// # Errors
    /// No secret, or an empty one.
    pub fn new<S: AsRef<[u8]>>(secrets: &[S], leeway_seconds: u16) -> Result<Self, NoSecret> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.as_ref().is_empty()) {
            return Err(NoSecret);
        }
        hs256::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_exp = true;
        validation.validate_nbf = true;
        validation.leeway = leeway_seconds.into();
        // "On or after" `exp` a token is expired (RFC 7519 §4.1.4); the crate alone would take it in that second still.
        validation.reject_tokens_expiring_in_less_than = 1;
        Ok(Self { keys: secrets.iter().map(|secret| DecodingKey::from_secret(secret.as_ref())).collect(), validation })
    }

    /// What `token` says, if one of the secrets signed it and it is a user's access token, now.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::TooLong);
        }
        let mut refused = TokenError::Signature;
        for key in &self.keys {
            match decode::<Box<RawValue>>(token, key, &self.validation) {
                Ok(data) if data.header.crit.is_some() => return Err(TokenError::Algorithm),
                Ok(data) => return read(data.claims),
                Err(error) => refused = reason(error.kind()),
            }
            if refused != TokenError::Signature {
                break;
            }
        }
        Err(refused)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn reason(error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYetValid,
        ErrorKind::MissingRequiredClaim(_) => TokenError::NoExpiry,
        ErrorKind::InvalidClaimFormat(claim) if claim == "exp" => TokenError::NoExpiry,
        ErrorKind::InvalidClaimFormat(_) => TokenError::BadNotBefore,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

/// The claims that this package reads. A name that comes twice is refused by the parser.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    /// The crate has checked that it is there, and a number.
    exp: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    username: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    provider: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    email: Option<Value>,
    #[serde(borrow, default, rename = "twoFAPending", deserialize_with = "present")]
    two_fa_pending: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    scope: Option<&'a RawValue>,
}

/// A claim that is there, `null` included; an `Option` alone takes `null` for missing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn read(raw: Box<RawValue>) -> Result<Claims, TokenError> {
    let payload: Payload<'_> = serde_json::from_str(raw.get()).map_err(|_| TokenError::Malformed)?;
    if payload.two_fa_pending.is_some_and(|value| value.get() != "false") {
        return Err(TokenError::SecondFactorPending);
    }
    if payload.scope.is_some() {
        return Err(TokenError::Scoped);
    }
    let Some(Value::String(id)) = payload.id else {
        return Err(TokenError::NoId);
    };
    check_name(&id)?;
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => Some(text.into_boxed_str()),
        _ => None,
    };
    Ok(Claims {
        id: id.into_boxed_str(),
        expires: payload.exp.map_or(0, |seconds| seconds as u64),
        username: text(payload.username),
        provider: text(payload.provider),
        email: text(payload.email),
        raw: Box::<str>::from(raw),
    })
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
