//! Whose a run is: the tenant and user that handles and run ids are bound to.
//! It must not know how the user was identified.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The tenant and user on whose behalf a call is made.
///
/// `user: None` is the host's own call. It owns its runs like anybody else and is no user, not even one with an empty id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Owner {
    pub tenant: Option<Box<str>>,
    pub user: Option<Box<str>>,
}

impl Owner {
    pub fn new(tenant: Option<&str>, user: Option<&str>) -> Self {
        Self { tenant: tenant.map(Into::into), user: user.map(Into::into) }
    }

    /// Feeds the owner to a MAC so that no two owners feed the same bytes.
    pub(super) fn feed(&self, mac: &mut Hmac<Sha256>) {
        for part in [&self.tenant, &self.user] {
            match part {
                None => mac.update(&[0]),
                Some(text) => {
                    mac.update(&[1]);
                    feed_prefixed(mac, text.as_bytes());
                }
            }
        }
    }
}

/// Feeds `bytes` with their length before them (u64, big-endian).
pub(super) fn feed_prefixed(mac: &mut Hmac<Sha256>, bytes: &[u8]) {
    mac.update(&(bytes.len() as u64).to_be_bytes());
    mac.update(bytes);
}
