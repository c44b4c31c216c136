//! Why a signature was not made or not accepted. One variant per reason, no value of the request in any message.

/// Why a request was refused. [`Refusal::reason`] is stable and safe to show, log and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("the request carries no signature")]
    MissingSignature,
    #[error("the signature-input header is not in its canonical form")]
    MalformedSignatureInput,
    #[error("the signature header is not in its canonical form")]
    MalformedSignature,
    #[error("the request carries more than one signature")]
    SeveralSignatures,
    #[error("signature and signature-input have different labels")]
    LabelMismatch,
    #[error("the signature has a parameter that is not known here")]
    UnknownParameter,
    #[error("the signature has no created time")]
    CreatedMissing,
    #[error("the signature has no expires time")]
    ExpiresMissing,
    #[error("the signature has no nonce, or one of an unusable length")]
    NonceMissing,
    #[error("the signature has no keyid")]
    KeyidMissing,
    #[error("the signature names another algorithm than hmac-sha256")]
    UnsupportedAlgorithm,
    #[error("the signature covers a component that is not known here")]
    UnknownComponent,
    #[error("the signature covers a component twice")]
    DuplicateComponent,
    #[error("the signature does not cover a component that it must cover")]
    ComponentMissing,
    #[error("the signature covers a header that the request does not have")]
    HeaderMissing,
    #[error("a header that must occur once occurs more often")]
    DuplicateHeader,
    #[error("a header that must be signed when present is not signed")]
    UnsignedHeader,
    #[error("a signed header has bytes outside printable ASCII")]
    MalformedHeader,
    #[error("the request target is not a path with an optional query")]
    MalformedTarget,
    #[error("the signature was created in the future")]
    NotYetValid,
    #[error("the signature has expired")]
    Expired,
    #[error("the signature is older than is accepted here")]
    TooOld,
    #[error("the signature expires before it was created")]
    InvalidLifetime,
    #[error("the keyid is none of the known ones")]
    UnknownKey,
    #[error("the signature does not fit the request")]
    SignatureMismatch,
    #[error("the content-digest header has no usable sha-256 value")]
    MalformedDigest,
    #[error("the body does not fit the content-digest header")]
    DigestMismatch,
    #[error("the x-sim-user header is not in its form")]
    MalformedUser,
    #[error("the request was seen before")]
    Replayed,
    #[error("the replay store is full of live entries")]
    ReplayStoreFull,
    #[error("the replay store does not answer")]
    ReplayStoreUnavailable,
}

impl Refusal {
    /// The stable name of the reason, in snake case.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignatureInput => "malformed_signature_input",
            Self::MalformedSignature => "malformed_signature",
            Self::SeveralSignatures => "several_signatures",
            Self::LabelMismatch => "label_mismatch",
            Self::UnknownParameter => "unknown_parameter",
            Self::CreatedMissing => "created_missing",
            Self::ExpiresMissing => "expires_missing",
            Self::NonceMissing => "nonce_missing",
            Self::KeyidMissing => "keyid_missing",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::UnknownComponent => "unknown_component",
            Self::DuplicateComponent => "duplicate_component",
            Self::ComponentMissing => "component_missing",
            Self::HeaderMissing => "header_missing",
            Self::DuplicateHeader => "duplicate_header",
            Self::UnsignedHeader => "unsigned_header",
            Self::MalformedHeader => "malformed_header",
            Self::MalformedTarget => "malformed_target",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::InvalidLifetime => "invalid_lifetime",
            Self::UnknownKey => "unknown_key",
            Self::SignatureMismatch => "signature_mismatch",
            Self::MalformedDigest => "malformed_digest",
            Self::DigestMismatch => "digest_mismatch",
            Self::MalformedUser => "malformed_user",
            Self::Replayed => "replayed",
            Self::ReplayStoreFull => "replay_store_full",
            Self::ReplayStoreUnavailable => "replay_store_unavailable",
        }
    }
}

impl AsRef<str> for Refusal {
    fn as_ref(&self) -> &str {
        self.reason()
    }
}

/// Why a request could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The named component is empty where it may not be, or would not survive as one header line.
    #[error("{0} cannot be signed: it must be printable ASCII without leading or trailing blanks")]
    InvalidValue(&'static str),
    #[error("a user or tenant id is empty or contains NUL")]
    InvalidUser,
    #[error("the system has no random bytes")]
    NoRandomness,
}

/// Why a list of secrets cannot be used. Positions are zero-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("no signing secret is given")]
    Empty,
    #[error("signing secret {index} is shorter than 32 bytes")]
    TooShort { index: usize },
}
