//! Sealed bytes: who has Redis but not the secret can neither read them nor make any. ChaCha20-Poly1305 (RFC 8439) with a
//! key for each room and a random nonce. It must not know what the bytes say.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// The form of sealed bytes: this byte, the nonce, the sealed text with its tag.
const VERSION: u8 = 1;

pub(super) struct Cipher {
    key: LessSafeKey,
    /// Where these bytes belong: moved elsewhere they do not open.
    place: Box<str>,
}

impl Cipher {
    pub(super) fn new(key: &[u8; 32], place: &str) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the length that the algorithm asks for");
        Self { key: LessSafeKey::new(key), place: place.into() }
    }

    /// `None`: there is no randomness to be had.
    pub(super) fn seal(&self, mut text: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let place = Aad::from(self.place.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut text).ok()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Some(sealed)
    }

    /// `None`: not sealed with this key, for this place.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (VERSION, rest) = sealed.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let place = Aad::from(self.place.as_bytes());
        let length = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), place, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_key_in_its_place_and_nowhere_else() {
        let cipher = Cipher::new(&[1; 32], "room");
        let sealed = cipher.seal(b"text".to_vec()).unwrap();
        assert_eq!(cipher.open(&sealed).as_deref(), Some(b"text".as_slice()));
        assert_eq!(Cipher::new(&[2; 32], "room").open(&sealed), None);
        assert_eq!(Cipher::new(&[1; 32], "another").open(&sealed), None);
        assert!(!sealed.windows(4).any(|window| window == b"text"));
    }

    #[test]
    fn bytes_that_were_changed_or_cut_do_not_open() {
        let cipher = Cipher::new(&[1; 32], "room");
        let sealed = cipher.seal(b"text".to_vec()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(cipher.open(&changed), None, "byte {at}");
            assert_eq!(cipher.open(&sealed[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn no_two_seals_are_alike() {
        let cipher = Cipher::new(&[1; 32], "room");
        assert_ne!(cipher.seal(b"text".to_vec()), cipher.seal(b"text".to_vec()));
    }
}
