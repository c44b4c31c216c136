//! RFC 9421 signatures and RFC 9530 digests, to sign and to verify.
