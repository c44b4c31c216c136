//! The `x-sim-user` header: on whose behalf a request is made. Knows nothing of how users sign in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::{Refusal, SignError};

/// On whose behalf a request is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimUser {
    /// The adapter itself: probes, shared listings. `-` on the wire.
    Adapter,
    /// A signed-in user: base64url of `tenant NUL user` on the wire, without padding; no tenant is the empty one.
    Person { tenant: Option<String>, user: String },
}

impl SimUser {
    /// The header's value for the adapter's own calls.
    pub const ADAPTER: &'static str = "-";

    /// The header's value for a user. Ids with NUL are refused, since two users could then have one value.
    pub fn to_header(tenant: Option<&str>, user: &str) -> Result<String, SignError> {
        let tenant = tenant.unwrap_or_default();
        if user.is_empty() || user.contains('\0') || tenant.contains('\0') {
            return Err(SignError::InvalidUser);
        }
        let mut plain = String::with_capacity(tenant.len() + 1 + user.len());
        plain.push_str(tenant);
        plain.push('\0');
        plain.push_str(user);
        Ok(URL_SAFE_NO_PAD.encode(plain))
    }

    /// Reads a header's value.
    pub fn parse(header: &str) -> Result<Self, Refusal> {
        if header == Self::ADAPTER {
            return Ok(Self::Adapter);
        }
        let plain = URL_SAFE_NO_PAD.decode(header).map_err(|_| Refusal::MalformedUser)?;
        let plain = std::str::from_utf8(&plain).map_err(|_| Refusal::MalformedUser)?;
        match plain.split_once('\0') {
            Some((tenant, user)) if !user.is_empty() && !user.contains('\0') => {
                Ok(Self::Person { tenant: (!tenant.is_empty()).then(|| tenant.to_owned()), user: user.to_owned() })
            }
            _ => Err(Refusal::MalformedUser),
        }
    }
}
