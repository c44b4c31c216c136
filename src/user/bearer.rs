//! Finds the bearer token in the `Authorization` header (RFC 6750 §2.1, RFC 9110 §11.4).
//! It must not know what a token holds.

use super::token::TokenError;

/// What a token is made of (b64token): commas and blanks would be a second token. Each byte is looked up, on the way of every
/// request.
const B64TOKEN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=');
        byte += 1;
    }
    plain
};

/// The token in the values of all `Authorization` headers of a request; `None` when there is no header, or one of
/// another scheme, which is not ours to judge.
///
/// # Errors
/// More than one header, since two readers might pick two different ones; a Bearer header without exactly one token.
pub fn bearer<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<&'a str>, TokenError> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(TokenError::BadHeader);
    }
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_start_matches(' ');
    if token.is_empty() || !token.bytes().all(|byte| B64TOKEN[usize::from(byte)]) {
        return Err(TokenError::BadHeader);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR  a.b.c"] {
            assert_eq!(bearer([value]), Ok(Some("a.b.c")), "{value}");
        }
    }

    #[test]
    fn another_scheme_or_none_is_no_token() {
        assert_eq!(bearer([]), Ok(None));
        for value in ["Basic YTpi", "", "Bearerx a.b.c", "Token a.b.c", "a.b.c", "Bearer:a.b.c"] {
            assert_eq!(bearer([value]), Ok(None), "{value}");
        }
    }

    #[test]
    fn exactly_one_token_is_taken() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer a.b.c d.e.f",
            "Bearer a.b.c,",
            "Bearer a.b.c, Bearer d.e.f",
            "Bearer a.b.c ",
            "Bearer \ta.b.c",
            "Bearer \"a.b.c\"",
            "Bearer a.b.ç",
        ] {
            assert_eq!(bearer([value]), Err(TokenError::BadHeader), "{value}");
        }
    }

    #[test]
    fn two_headers_are_refused_even_when_they_agree() {
        assert_eq!(bearer(["Bearer a.b.c", "Bearer a.b.c"]), Err(TokenError::BadHeader));
        assert_eq!(bearer(["Basic YTpi", "Bearer a.b.c"]), Err(TokenError::BadHeader));
    }
}
