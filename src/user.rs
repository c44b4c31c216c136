//! Who asks: the host's user, or a token verified here.
//! It must not know Sim, plans, or any request header but the one bearer token it is given.

pub mod bearer;
mod hs256;
pub mod resolved;
pub mod token;
pub mod verified;

use std::sync::Arc;

use thiserror::Error;

use token::{Claims, TokenError};

/// The longest user or tenant id, in bytes of UTF-8.
pub const MAX_NAME_LENGTH: usize = 256;

/// Why a text names no user or tenant. The text is the reason for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("empty")]
    Empty,
    #[error("too_long")]
    TooLong,
    /// NUL parts tenant and user in `x-sim-user`; the others would break log lines.
    #[error("control_character")]
    ControlCharacter,
}

/// The one rule for the ids of users and tenants: any Unicode text of 1 to [`MAX_NAME_LENGTH`] bytes without control
/// characters. Compared byte by byte, never normalised.
///
/// # Errors
/// The rule that `text` breaks.
pub fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err(NameError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::ControlCharacter);
    }
    Ok(())
}

/// The user that the host has signed in (LibreChat's `req.user` after `requireJwtAuth`): `id` and `tenantId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostUser {
    id: Box<str>,
    tenant: Option<Box<str>>,
}

impl HostUser {
    /// # Errors
    /// The rule that the id or the tenant breaks.
    pub fn new(id: &str, tenant: Option<&str>) -> Result<Self, NameError> {
        check_name(id)?;
        tenant.map_or(Ok(()), check_name)?;
        Ok(Self { id: id.into(), tenant: tenant.map(Into::into) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// Who asks, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Host(HostUser),
    /// Known by a token alone: no tenant, no role, no ban check unless `resolveUser` adds them.
    Token(Arc<Claims>),
}

impl Caller {
    pub fn id(&self) -> &str {
        match self {
            Self::Host(user) => &user.id,
            Self::Token(claims) => &claims.id,
        }
    }
}

/// Why nobody asks. Reasons for logs: on the wire each is `unauthenticated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("no_identity")]
    NoIdentity,
    #[error("two_identities")]
    TwoIdentities,
    #[error("{0}")]
    Token(#[from] TokenError),
}

/// Settles who asks from the host's user and the verified token, where there are any.
///
/// The host's user is the one. A token beside it must be good and name the same id: a request that says two things is
/// refused, not interpreted.
///
/// # Errors
/// Neither is there; both are and disagree; the token is no good.
pub fn decide(host: Option<HostUser>, token: Option<Result<Arc<Claims>, TokenError>>) -> Result<Caller, Refusal> {
    match (host, token.transpose()?) {
        (None, None) => Err(Refusal::NoIdentity),
        (Some(user), Some(claims)) if user.id != claims.id => Err(Refusal::TwoIdentities),
        (Some(user), _) => Ok(Caller::Host(user)),
        (None, Some(claims)) => Ok(Caller::Token(claims)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(id: &str) -> Option<HostUser> {
        Some(HostUser::new(id, Some("acme")).unwrap())
    }

    fn claims(id: &str) -> Arc<Claims> {
        let claims =
            Claims { id: id.into(), expires: 0, username: None, provider: None, email: None, raw: "{}".into() };
        Arc::new(claims)
    }

    #[test]
    fn the_hosts_user_is_the_one_who_asks() {
        let caller = decide(host("ann"), None).unwrap();
        assert_eq!(caller.id(), "ann");
        assert_eq!(caller, Caller::Host(HostUser::new("ann", Some("acme")).unwrap()));
        assert_eq!(decide(host("ann"), Some(Ok(claims("ann")))), Ok(caller));
    }

    #[test]
    fn a_good_token_is_enough() {
        assert_eq!(decide(None, Some(Ok(claims("ann")))), Ok(Caller::Token(claims("ann"))));
    }

    #[test]
    fn two_identities_are_refused() {
        assert_eq!(decide(host("ann"), Some(Ok(claims("bob")))), Err(Refusal::TwoIdentities));
        assert_eq!(decide(host("ann"), Some(Ok(claims("Ann")))), Err(Refusal::TwoIdentities));
    }

    #[test]
    fn nobody_is_refused() {
        assert_eq!(decide(None, None), Err(Refusal::NoIdentity));
    }

    #[test]
    fn a_bad_token_is_refused_also_beside_a_host_user() {
        for user in [None, host("ann")] {
            assert_eq!(decide(user, Some(Err(TokenError::Expired))), Err(Refusal::Token(TokenError::Expired)));
        }
    }

    #[test]
    fn a_user_without_a_usable_id_is_no_user() {
        assert_eq!(HostUser::new("", None), Err(NameError::Empty));
        assert_eq!(HostUser::new("ann", Some("")), Err(NameError::Empty));
        assert_eq!(HostUser::new(&"x".repeat(257), None), Err(NameError::TooLong));
        for text in ["a\0b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(HostUser::new(text, None), Err(NameError::ControlCharacter));
            assert_eq!(HostUser::new("ann", Some(text)), Err(NameError::ControlCharacter));
        }
    }

    #[test]
    fn ids_of_any_script_are_users() {
        for id in ["64b0c1d2e3f4a5b6c7d8e9f0", "Ünï-cödé", "用户", "a b", "👩‍💻"] {
            assert_eq!(HostUser::new(id, None).unwrap().id(), id);
        }
    }
}
