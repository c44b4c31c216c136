//! Sim's answers as a user may see them: run ids become handles, Sim's own addresses go, everything else stays the bytes
//! that came. It reads JSON as it comes, piece by piece, and lets nothing through that a parser would refuse; it must not
//! know whose answer it is.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use serde::de::IgnoredAny;

/// Members that name a run. One that is not the asked-for run cannot be shown: nobody knows whose it is.
const RUN_IDS: &[&str] = &["runId", "executionId", "jobId", "taskId", "parentRunId", "parentExecutionId"];
/// Members that hold Sim's own addresses or inner ids.
const REMOVED: &[&str] = &["statusUrl", "_resume", "pausedExecutionId"];
/// Members that hold what a flow's author made of them: not Sim's, so not touched but for the way to resume.
const AUTHORS: &[&str] = &["output", "finalOutput", "blockOutputs", "input"];
/// What Sim adds to the output of a paused run: its own addresses.
const RESUME: &str = "_resume";
/// Deeper than any answer of Sim's.
const MAX_DEPTH: usize = 1024;
/// A name or number that is longer and cut in two by the network is no JSON of Sim's.
const MAX_TOKEN: usize = 64 * 1024;

/// The run that was asked for: Sim's id of it, and the handle to show instead.
pub(super) struct Shown<'a> {
    pub(super) id: &'a str,
    pub(super) handle: &'a str,
}

/// It is no JSON, or not all of it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoJson;

/// Rewrites one JSON text that is there as a whole.
pub(super) fn rewrite(json: &Bytes, run: Option<Shown<'_>>) -> Result<Bytes, NoJson> {
    let mut rewriter = Rewriter { run, ..Rewriter::default() };
    let mut out = Vec::with_capacity(1);
    rewriter.push(json.clone(), &mut out)?;
    rewriter.end()?;
    Ok(match out.len() {
        1 => out.swap_remove(0),
        _ => out.concat().into(),
    })
}

/// Rewrites one JSON text as it comes.
#[derive(Default)]
pub(super) struct Rewriter<'a> {
    run: Option<Shown<'a>>,
    expect: Expect,
    levels: Vec<Level>,
    /// Levels from which on everything is left out.
    dropped: Option<usize>,
    /// The beginning of a token whose end has not come.
    held: BytesMut,
}

/// What the next byte that is no white space may be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expect {
    /// The text's one value.
    #[default]
    Root,
    /// A member or item, or the end of its object or array.
    First,
    /// A comma, or the end.
    Next,
    /// The value of a member.
    Value,
    /// The rest of a string.
    InString,
    /// Nothing.
    End,
}

/// An object or array that is open.
#[derive(Clone, Copy)]
struct Level {
    object: bool,
    /// Whether something of it was kept, so that a comma goes before what follows.
    kept: bool,
    authors: bool,
}

impl Rewriter<'_> {
    /// Takes the next bytes and adds to `out` what of them may be shown. Bytes that are not touched are not copied.
    pub(super) fn push(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), NoJson> {
        let bytes = match self.held.is_empty() {
            true => bytes,
            false => {
                let mut joined = std::mem::take(&mut self.held);
                joined.extend_from_slice(&bytes);
                joined.freeze()
            }
        };
        let mut piece = Piece { bytes: &bytes, kept_from: 0, out };
        let read = self.read(&mut piece)?;
        if self.dropped.is_none() {
            piece.flush(read);
        }
        if bytes.len() - read > MAX_TOKEN {
            return Err(NoJson);
        }
        self.held = BytesMut::from(&bytes[read..]);
        Ok(())
    }

    /// The text has ended.
    pub(super) fn end(&self) -> Result<(), NoJson> {
        if self.expect == Expect::End && self.held.is_empty() { Ok(()) } else { Err(NoJson) }
    }

    /// Reads as many whole tokens as there are; returns where the first that is not whole begins.
    fn read(&mut self, piece: &mut Piece<'_>) -> Result<usize, NoJson> {
        let bytes = piece.bytes;
        let mut at = 0;
        loop {
            if self.expect == Expect::InString {
                let (read, ended) = string(&bytes[at..])?;
                at += read;
                if !ended {
                    return Ok(at);
                }
                self.after_value(piece, at);
                continue;
            }
            let Some(skipped) = bytes[at..].iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))
            else {
                return Ok(bytes.len());
            };
            let begin = at + skipped;
            let open = self.levels.last().copied();
            match (bytes[begin], self.expect, open) {
                (b'}', Expect::First | Expect::Next, Some(Level { object: true, .. }))
                | (b']', Expect::First | Expect::Next, Some(Level { object: false, .. })) => {
                    self.levels.pop();
                    at = begin + 1;
                    self.after_value(piece, at);
                }
                (b',', Expect::Next, Some(level)) => {
                    let Some(next) = (match level.object {
                        true => self.member(piece, begin, begin + 1)?,
                        false => Some(begin + 1),
                    }) else {
                        return Ok(begin);
                    };
                    if !level.object {
                        self.expect = Expect::Value;
                    }
                    at = next;
                }
                (b'"', Expect::First, Some(Level { object: true, .. })) => {
                    let Some(next) = self.member(piece, begin, begin)? else { return Ok(begin) };
                    at = next;
                }
                (_, Expect::Root | Expect::Value, _) | (_, Expect::First, Some(Level { object: false, .. })) => {
                    let Some(next) = self.value(piece, begin)? else { return Ok(begin) };
                    at = next;
                }
                _ => return Err(NoJson),
            }
        }
    }

    /// A member's name and colon, from `name` on, and the comma before it, if there is one, at `begin`. Decides whether
    /// it is shown, for which the first bytes of its value must be there. `None`: too few bytes.
    fn member(&mut self, piece: &mut Piece<'_>, begin: usize, name: usize) -> Result<Option<usize>, NoJson> {
        let bytes = piece.bytes;
        let Some(name) = skip_space(bytes, name) else { return Ok(None) };
        if bytes[name] != b'"' {
            return Err(NoJson);
        }
        let (length, true) = string(&bytes[name + 1..])? else { return Ok(None) };
        let end = name + 1 + length;
        let Some(colon) = skip_space(bytes, end) else { return Ok(None) };
        if bytes[colon] != b':' {
            return Err(NoJson);
        }
        let Some(value) = skip_space(bytes, colon + 1) else { return Ok(None) };
        let decoded;
        let mut text = std::str::from_utf8(&bytes[name + 1..end - 1]).map_err(|_| NoJson)?;
        if text.contains('\\') {
            decoded = serde_json::from_slice::<String>(&bytes[name..end]).map_err(|_| NoJson)?;
            text = &decoded;
        }
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return Err(NoJson) };
        let dropped = self.dropped.is_some();
        let hide = !dropped
            && match level.authors {
                true => text == RESUME,
                false => {
                    REMOVED.contains(&text)
                        || RUN_IDS.contains(&text) && {
                            let Some(shown) = names_shown(&bytes[value..], self.run.as_ref()) else { return Ok(None) };
                            !shown
                        }
                }
            };
        if hide {
            piece.flush(begin);
            self.dropped = Some(depth);
        } else if !dropped {
            if !level.kept && begin < name {
                // What went before it is left out, and with it its comma.
                piece.flush(begin);
                piece.kept_from = name;
            }
            level.kept = true;
        }
        let authors = level.authors || AUTHORS.contains(&text);
        self.expect = Expect::Value;
        self.value_of(piece, value, authors).map(|next| next.or(Some(value)))
    }

    /// The beginning of a value: all of it, unless it is a string or has members. `None`: too few bytes.
    fn value(&mut self, piece: &mut Piece<'_>, begin: usize) -> Result<Option<usize>, NoJson> {
        let authors = self.levels.last().is_some_and(|level| level.authors);
        self.value_of(piece, begin, authors)
    }

    fn value_of(&mut self, piece: &mut Piece<'_>, begin: usize, authors: bool) -> Result<Option<usize>, NoJson> {
        let bytes = piece.bytes;
        match bytes[begin] {
            first @ (b'{' | b'[') => {
                if self.levels.len() == MAX_DEPTH {
                    return Err(NoJson);
                }
                self.levels.push(Level { object: first == b'{', kept: false, authors });
                self.expect = Expect::First;
                Ok(Some(begin + 1))
            }
            b'"' if self.levels.is_empty() => Err(NoJson),
            b'"' => {
                let run = self.run.as_ref().filter(|_| !authors && self.dropped.is_none());
                if run.is_some_and(|run| may_quote(&bytes[begin..], run.id)) {
                    return Ok(None);
                }
                if let Some(run) = run.filter(|run| quotes(&bytes[begin..], run.id)) {
                    piece.flush(begin);
                    // A handle has no character that JSON would escape.
                    piece.out.push(format!("\"{}\"", run.handle).into());
                    let end = begin + run.id.len() + 2;
                    piece.kept_from = end;
                    self.after_value(piece, end);
                    return Ok(Some(end));
                }
                self.expect = Expect::InString;
                Ok(Some(begin + 1))
            }
            _ => {
                let end = bytes[begin..].iter().position(|byte| !is_scalar(*byte)).map(|length| begin + length);
                // Only at the very end of the text would nothing follow, and a text of Sim's is an object or array.
                let Some(end) = end else { return Ok(None) };
                let token = &bytes[begin..end];
                if self.levels.is_empty() || serde_json::from_slice::<IgnoredAny>(token).is_err() {
                    return Err(NoJson);
                }
                self.after_value(piece, end);
                Ok(Some(end))
            }
        }
    }

    /// A value ends at `at`.
    fn after_value(&mut self, piece: &mut Piece<'_>, at: usize) {
        self.expect = if self.levels.is_empty() { Expect::End } else { Expect::Next };
        if self.dropped == Some(self.levels.len()) {
            self.dropped = None;
            piece.kept_from = at;
        }
    }
}

/// Bytes that are being read, and what of them goes out.
struct Piece<'a> {
    bytes: &'a Bytes,
    kept_from: usize,
    out: &'a mut Vec<Bytes>,
}

impl Piece<'_> {
    /// What was kept up to here goes out.
    fn flush(&mut self, end: usize) {
        if self.kept_from < end {
            self.out.push(self.bytes.slice(self.kept_from..end));
        }
        self.kept_from = end;
    }
}

/// Whether a run's name may stay: it names no run, or the asked-for one. `None`: too few bytes.
fn names_shown(value: &[u8], run: Option<&Shown<'_>>) -> Option<bool> {
    let longest = run.map_or(0, |run| run.id.len() + 2).max(b"null".len());
    let whole = value.len() >= longest || value.iter().any(|byte| matches!(byte, b',' | b'}'));
    whole.then(|| value.starts_with(b"null") || run.is_some_and(|run| quotes(value, run.id)))
}

/// Whether a string that holds just `text` begins here.
fn quotes(bytes: &[u8], text: &str) -> bool {
    bytes.len() >= text.len() + 2
        && bytes[0] == b'"'
        && bytes[1..].starts_with(text.as_bytes())
        && bytes[text.len() + 1] == b'"'
}

/// Whether too little is there to tell whether a string that holds just `text` begins here.
fn may_quote(bytes: &[u8], text: &str) -> bool {
    bytes.len() < text.len() + 2 && text.as_bytes().starts_with(&bytes[1..bytes.len().min(text.len() + 1)])
}

/// Reads a string whose opening quote was before `bytes`: how many bytes were read, and whether its closing quote was
/// among them. An escape that is cut off is not read.
fn string(bytes: &[u8]) -> Result<(usize, bool), NoJson> {
    let mut at = 0;
    loop {
        let found = memchr2(b'"', b'\\', &bytes[at..]);
        let plain = &bytes[at..found.map_or(bytes.len(), |length| at + length)];
        // RFC 8259 §7: control characters are always escaped. All are looked at, many at a time: nearly always there is none.
        if plain.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
            return Err(NoJson);
        }
        at += plain.len();
        at += match &bytes[at..] {
            [] | [b'\\'] => return Ok((at, false)),
            [b'"', ..] => return Ok((at + 1, true)),
            [_, b'u', digits @ ..] => match digits.iter().take(4).all(u8::is_ascii_hexdigit) {
                true if digits.len() < 4 => return Ok((at, false)),
                true => 6,
                false => return Err(NoJson),
            },
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            _ => return Err(NoJson),
        };
    }
}

fn skip_space(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).map(|skipped| from + skipped)
}

fn is_scalar(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E')
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
