//! The JSON bodies of our own routes: typed fields, and every offending one named by its path.
//! It knows JSON; it must not know routes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, FieldError, invalid};

/// The members of one JSON object, each still raw. What is not taken by [`Fields::finish`] is an unknown field.
pub struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    errors: Vec<FieldError>,
}

/// The most members that a body may have.
const MAX_FIELDS: usize = 100;

impl<'a> Fields<'a> {
    /// Reads `body`, which must be one JSON object; an empty body counts as `{}`.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let members = if body.is_empty() {
            Vec::new()
        } else {
            members(body).map_err(|problem| invalid(&[FieldError::new("", problem)]))?
        };
        // More fields than any body of ours has: naming each would make a refusal cost more than what is refused.
        if members.len() > MAX_FIELDS {
            return Err(invalid(&[FieldError::new("", format!("the body has more than {MAX_FIELDS} fields"))]));
        }
        let mut errors = Vec::new();
        for (index, (name, _)) in members.iter().enumerate() {
            if members[..index].iter().any(|(earlier, _)| earlier == name) {
                errors.push(FieldError::new(name.as_ref(), "is given more than once"));
            }
        }
        Ok(Self { members, errors })
    }

    /// Whether the member is there and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, value)| member == name && value.get() != "null")
    }

    /// Takes a member; JSON `null` counts as absent.
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.swap_remove(index);
        (value.get() != "null").then_some(value)
    }

    /// Whether the field was already refused.
    pub fn failed(&self, path: &str) -> bool {
        self.errors.iter().any(|error| error.path == path)
    }

    pub fn fail(&mut self, path: &str, message: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError::new(path, message));
    }

    /// A string of at most `max` characters.
    pub fn string(&mut self, name: &str, max: usize) -> Option<String> {
        let value = self.take(name)?;
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if text.chars().count() <= max => Some(text),
            Ok(_) => {
                self.fail(name, format!("must have at most {max} characters"));
                None
            }
            Err(_) => {
                self.fail(name, "must be a string");
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.take(name)?.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.fail(name, "must be true or false");
                None
            }
        }
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(name)?;
        match serde_json::from_str::<u64>(value.get()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.fail(name, format!("must be a whole number from {} to {}", range.start(), range.end()));
                None
            }
        }
    }

    /// One of `choices`.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.take(name)?;
        let text = serde_json::from_str::<String>(value.get()).ok();
        let found = choices.iter().find(|(choice, _)| Some(*choice) == text.as_deref());
        if found.is_none() {
            let all: Vec<_> = choices.iter().map(|(choice, _)| format!("'{choice}'")).collect();
            self.fail(name, format!("must be one of {}", all.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A list of at most `most` strings of at most `longest` bytes, none of them empty.
    pub fn strings(&mut self, name: &str, most: usize, longest: usize) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let list = serde_json::from_str::<Vec<String>>(value.get()).ok();
        let valid = list.filter(|list| list.len() <= most && list.iter().all(|s| (1..=longest).contains(&s.len())));
        if valid.is_none() {
            self.fail(name, format!("must be a list of at most {most} non-empty strings"));
        }
        valid
    }

    /// An object, kept as the bytes that came.
    pub fn object(&mut self, name: &str) -> Option<&'a RawValue> {
        let value = self.take(name)?;
        if value.get().starts_with('{') {
            return Some(value);
        }
        self.fail(name, "must be an object");
        None
    }

    /// Any value, kept as the bytes that came.
    pub fn any(&mut self, name: &str) -> Option<&'a RawValue> {
        self.take(name)
    }

    /// Refuses what is left, and everything refused before.
    pub fn finish(mut self) -> Result<(), Error> {
        for (name, _) in &self.members {
            // What is given twice is still here, and named already.
            if !self.errors.iter().any(|error| error.path == *name) {
                self.errors.push(FieldError::new(name.as_ref(), "is unknown"));
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(invalid(&self.errors)) }
    }
}

/// The members of a JSON object in order, without copying their values. `Err` says what is wrong with `json`.
pub fn members(json: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Cow<'static, str>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                members.push((key.0, value));
            }
            Ok(members)
        }
    }
    let text = std::str::from_utf8(json).map_err(|_| Cow::Borrowed("the body is not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members);
    match members.and_then(|members| reader.end().map(|()| members)) {
        Ok(members) => Ok(members),
        Err(e) if e.is_data() => Err(Cow::Borrowed("the body must be a JSON object")),
        Err(e) => Err(Cow::Owned(format!("the body is not JSON (line {}, column {})", e.line(), e.column()))),
    }
}

/// A key that borrows unless it holds escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &str, read: impl FnOnce(&mut Fields)) -> Vec<String> {
        let result = Fields::parse(body.as_bytes()).and_then(|mut fields| {
            read(&mut fields);
            fields.finish()
        });
        let Err(error) = result else { return Vec::new() };
        let details = error.details.unwrap();
        let fields = details["fields"].as_array().unwrap();
        fields.iter().map(|f| format!("{}: {}", f["path"].as_str().unwrap(), f["message"].as_str().unwrap())).collect()
    }

    #[test]
    fn every_offending_field_is_named_at_once() {
        let found = problems(r#"{"name": 1, "deploy": "yes", "stray": null}"#, |fields| {
            fields.string("name", 10);
            fields.boolean("deploy");
        });
        assert_eq!(found, ["name: must be a string", "deploy: must be true or false", "stray: is unknown"]);
    }

    #[test]
    fn a_field_given_twice_is_refused_even_when_escaped() {
        let found = problems("{\"a\": 1, \"\\u0061\": 2}", |fields| {
            fields.any("a");
        });
        assert_eq!(found, ["a: is given more than once"]);
    }

    #[test]
    fn what_is_no_json_object_is_refused_with_its_place() {
        assert_eq!(problems("[1]", |_| ()), [": the body must be a JSON object"]);
        assert_eq!(problems("{\"a\":", |_| ()), [": the body is not JSON (line 1, column 5)"]);
        assert_eq!(problems("{} x", |_| ()), [": the body is not JSON (line 1, column 4)"]);
        assert_eq!(problems("", |_| ()), Vec::<String>::new());
    }

    #[test]
    fn a_body_of_a_hundred_thousand_fields_is_refused_as_one() {
        let fields: Vec<String> = (0..100_000).map(|number| format!("\"f{number}\":1")).collect();
        let found = problems(&format!("{{{}}}", fields.join(",")), |_| ());
        assert_eq!(found, [": the body has more than 100 fields"]);
    }

    #[test]
    fn null_counts_as_absent() {
        assert_eq!(
            problems(r#"{"name": null}"#, |fields| assert_eq!(fields.string("name", 3), None)),
            Vec::<String>::new()
        );
    }
}
