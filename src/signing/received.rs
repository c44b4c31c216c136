//! The signature that a request carries: parsed, and checked against the request. Knows no policy.

use super::base::{Parameters, push_component, push_params_name};
use super::components::ALGORITHM;
use super::error::Refusal;
use super::fields::{self, BareItem, Cursor};
use super::message::Message;
use super::secret::Secret;

/// The one signature of a request. More than one is refused: which of them counts would be open to choice.
#[derive(Debug, Clone)]
pub struct ReceivedSignature<'a> {
    /// The covered components, in order, none twice.
    pub components: Vec<&'a str>,
    pub parameters: Parameters<'a>,
    /// The member's value in `Signature-Input` as received, which is its canonical form.
    params: &'a str,
    mac: [u8; 32],
}

impl<'a> ReceivedSignature<'a> {
    /// Reads `Signature-Input` and `Signature`.
    pub fn parse(message: &Message<'a>) -> Result<Self, Refusal> {
        let input = message.header("signature-input")?.ok_or(Refusal::MissingSignature)?;
        let signature = message.header("signature")?.ok_or(Refusal::MissingSignature)?;

        let mut cursor = Cursor::new(input);
        let label = cursor.key().ok_or(Refusal::MalformedSignatureInput)?;
        if !cursor.take('=') {
            return Err(Refusal::MalformedSignatureInput);
        }
        let params = cursor.rest();
        let components = fields::inner_list(&mut cursor)
            .ok_or(Refusal::MalformedSignatureInput)?
            .map_err(|()| Refusal::UnknownComponent)?;
        if components.iter().enumerate().any(|(index, name)| components[..index].contains(name)) {
            return Err(Refusal::DuplicateComponent);
        }
        let parameters = parameters(&mut cursor)?;

        let members = fields::byte_sequences(signature).ok_or(Refusal::MalformedSignature)?;
        let [(signature_label, encoded)] = members[..] else {
            return Err(Refusal::SeveralSignatures);
        };
        if signature_label != label {
            return Err(Refusal::LabelMismatch);
        }
        let mac = fields::decode_32(encoded).ok_or(Refusal::MalformedSignature)?;
        Ok(Self { components, parameters, params, mac })
    }

    /// Checks the MAC over the covered components of `message`, and nothing else: no times, no replay, no demands.
    pub fn verify(&self, message: &Message<'_>, secret: &Secret) -> Result<(), Refusal> {
        let mut base = Vec::with_capacity(1024);
        for name in &self.components {
            push_component(&mut base, name, &message.component(name)?);
        }
        push_params_name(&mut base);
        base.extend_from_slice(self.params.as_bytes());
        if secret.verifies(&base, &self.mac) { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }
}

/// Reads the parameters to the end of the field. Each may occur once; a wrong type is malformed.
fn parameters<'a>(cursor: &mut Cursor<'a>) -> Result<Parameters<'a>, Refusal> {
    let mut parameters = Parameters::default();
    while cursor.take(';') {
        let name = cursor.key().ok_or(Refusal::MalformedSignatureInput)?;
        if !cursor.take('=') {
            return Err(Refusal::MalformedSignatureInput);
        }
        let value = cursor.bare_item().ok_or(Refusal::MalformedSignatureInput)?;
        let repeated = match (name, value) {
            ("created", BareItem::Integer(seconds)) => parameters.created.replace(seconds).is_some(),
            ("expires", BareItem::Integer(seconds)) => parameters.expires.replace(seconds).is_some(),
            ("nonce", BareItem::String(text)) => parameters.nonce.replace(text).is_some(),
            ("keyid", BareItem::String(text)) => parameters.keyid.replace(text).is_some(),
            ("alg", BareItem::String(ALGORITHM)) => parameters.alg.replace(ALGORITHM).is_some(),
            ("alg", BareItem::String(_)) => return Err(Refusal::UnsupportedAlgorithm),
            ("created" | "expires" | "nonce" | "keyid" | "alg", _) => {
                return Err(Refusal::MalformedSignatureInput);
            }
            _ => return Err(Refusal::UnknownParameter),
        };
        if repeated {
            return Err(Refusal::MalformedSignatureInput);
        }
    }
    match cursor.rest().bytes().next() {
        None => Ok(parameters),
        Some(b',') => Err(Refusal::SeveralSignatures),
        Some(_) => Err(Refusal::MalformedSignatureInput),
    }
}
