//! Which parts of a request a signature must cover. The one list, for both sides.

/// Covered in every request, in the order in which `Signer` writes them.
pub const REQUIRED_COMPONENTS: [&str; 7] =
    ["@method", "@authority", "@path", "@query", "content-digest", "x-request-id", "x-sim-user"];

/// Covered whenever the request has them. One that is present and not covered is refused.
pub const OPTIONAL_HEADERS: [&str; 4] = ["content-type", "x-run-id", "x-execution-id", "x-execution-mode"];

/// The only algorithm, as RFC 9421 section 6.2.2 names it.
pub(super) const ALGORITHM: &str = "hmac-sha256";
