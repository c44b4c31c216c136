//! Reading single settings: an option by name, else its environment variable, with the problem noted when it is not
//! of the right form. It knows forms (URL, number, secret list), not what a setting is for.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::ProxyConfig;
use crate::run::keys::Secret;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option's name and its environment variable's, for example `baseUrl (SIM_BASE_URL)`.
    pub name: String,
    pub message: String,
}

/// The fewest bytes a secret may have: what HMAC-SHA256 can use in full (RFC 2104 §3).
const MIN_SECRET_BYTES: usize = 32;

pub(super) struct Reader<'a> {
    options: Option<&'a Map<String, Value>>,
    env: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Value) -> Self {
        Self {
            options: settings["options"].as_object(),
            env: settings["env"].as_object(),
            known: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, option: &str, env: &str, message: impl Into<String>) {
        let name = if env.is_empty() { option.to_owned() } else { format!("{option} ({env})") };
        self.problems.push(Problem { name, message: message.into() });
    }

    /// The environment variable, unless it is unset or empty.
    pub(super) fn env(&self, name: &str) -> Option<String> {
        let text = self.env?.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn option(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.options?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, option: &str, env: &str) -> bool {
        self.options.is_some_and(|o| o.get(option).is_some_and(|v| !v.is_null())) || self.env(env).is_some()
    }

    pub(super) fn text(&mut self, option: &'static str, env: &'static str) -> Option<String> {
        match self.option(option) {
            None => self.env(env),
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(_) => {
                self.problem(option, env, "must be a non-empty string");
                None
            }
        }
    }

    /// A switch that has no environment variable.
    pub(super) fn flag(&mut self, option: &'static str) -> bool {
        match self.option(option) {
            None => false,
            Some(Value::Bool(on)) => *on,
            Some(_) => {
                self.problem(option, "", "must be true or false");
                false
            }
        }
    }

    pub(super) fn number(
        &mut self,
        option: &'static str,
        env: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let given = match self.option(option) {
            Some(value) => Some(value.as_u64()),
            None => self.env(env).map(|text| text.parse().ok()),
        };
        match given {
            None => default,
            Some(Some(number)) if range.contains(&number) => number,
            Some(_) => {
                self.problem(option, env, format!("must be a whole number from {} to {}", range.start(), range.end()));
                default
            }
        }
    }

    pub(super) fn millis(
        &mut self,
        option: &'static str,
        env: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(option, env, default, range))
    }

    /// A list: an array of strings, or text with commas between.
    pub(super) fn list(&mut self, option: &'static str, env: &'static str) -> Vec<String> {
        match self.option(option) {
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::String(text)) => split(text),
            Some(_) => {
                self.problem(option, env, "must be a string or an array of strings");
                Vec::new()
            }
            None => self.env(env).as_deref().map(split).unwrap_or_default(),
        }
    }

    /// A base URL: one of `schemes`, a host, perhaps a path; nothing else. Comes back without a trailing slash.
    pub(super) fn url(&mut self, option: &'static str, env: &'static str, schemes: &[&str]) -> Option<Url> {
        let text = self.text(option, env)?;
        // The value is not repeated in the message: it may hold a password.
        let Ok(mut url) = Url::parse(&text) else {
            self.problem(option, env, "is not a URL");
            return None;
        };
        let mut wrong = Vec::new();
        if !schemes.contains(&url.scheme()) {
            wrong.push(format!("must begin with {}", schemes.join(":// or ") + "://"));
        }
        if !url.has_host() {
            wrong.push("must name a host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            wrong.push("must not hold a user name or password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            wrong.push("must not have a query or fragment".to_owned());
        }
        if !wrong.is_empty() {
            self.problem(option, env, wrong.join("; "));
            return None;
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    }

    pub(super) fn secret(&mut self, option: &'static str, env: &'static str) -> Option<Secret> {
        let text = self.text(option, env)?;
        if text.bytes().all(|b| b.is_ascii_graphic()) {
            return Some(Secret::new(text));
        }
        self.problem(option, env, "must be visible ASCII characters");
        None
    }

    /// An option of any form.
    pub(super) fn value(&mut self, option: &'static str) -> Option<&'a Value> {
        self.option(option)
    }

    /// An option that only JavaScript uses.
    pub(super) fn ignore(&mut self, option: &'static str) {
        self.known.push(option);
    }

    /// A list of secrets of at least 32 bytes, newest first.
    pub(super) fn secrets(&mut self, option: &'static str, env: &'static str) -> Vec<Secret> {
        self.secrets_of(option, env, MIN_SECRET_BYTES)
    }

    /// A list of secrets, newest first: an array, or text with commas between.
    pub(super) fn secrets_of(&mut self, option: &'static str, env: &'static str, least: usize) -> Vec<Secret> {
        let texts = self.list(option, env);
        if texts.iter().any(|text| text.len() < least) {
            self.problem(option, env, format!("each secret needs at least {least} bytes"));
            return Vec::new();
        }
        texts.into_iter().map(Secret::new).collect()
    }

    /// LibreChat's `PROXY` first, then the usual variables for the scheme of the base URL.
    pub(super) fn proxy(&mut self, https: bool) -> ProxyConfig {
        let names: &[&str] =
            if https { &["PROXY", "HTTPS_PROXY", "https_proxy"] } else { &["PROXY", "HTTP_PROXY", "http_proxy"] };
        let named = names.iter().find_map(|name| Some((*name, self.env(name)?)));
        let url = named.and_then(|(name, text)| match Url::parse(&text) {
            Ok(url) if ["http", "https", "socks5", "socks5h"].contains(&url.scheme()) && url.has_host() => Some(url),
            _ => {
                self.problems.push(Problem {
                    name: name.to_owned(),
                    message: "must be an http, https or socks5 URL".to_owned(),
                });
                None
            }
        });
        ProxyConfig { url, no_proxy: self.env("NO_PROXY").or_else(|| self.env("no_proxy")) }
    }

    /// Adds a problem for each option nobody asked for, and ends.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        for name in self.options.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&name.as_str()) {
                self.problems.push(Problem { name: name.clone(), message: "is not an option".to_owned() });
            }
        }
        self.problems
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
