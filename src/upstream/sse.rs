//! Sim's event stream, frame by frame: `data: <json>` and a blank line, whatever the pieces it comes in.

/// The largest frame. One that grows beyond it is no event of Sim's.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Collects bytes and gives whole frames.
#[derive(Default)]
pub(super) struct Frames {
    pending: Vec<u8>,
    /// Where the line begins that was not read to its end.
    line: usize,
    /// Up to here that line has no end: a long frame in many pieces is searched once.
    searched: usize,
    /// Up to here frames were given.
    taken: usize,
}

/// A frame that is too large.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.pending.drain(..self.taken);
        self.line -= self.taken;
        self.searched -= self.taken;
        self.taken = 0;
        if self.pending.len() + bytes.len() > MAX_FRAME {
            return Err(TooLarge);
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// The data of the next whole frame; its lines joined, comments and other fields left out.
    pub(super) fn next_data(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(at) = self.pending[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                return None;
            };
            let (begin, end) = (self.line, self.searched + at);
            self.line = end + 1;
            self.searched = end + 1;
            // A blank line ends the frame.
            if !matches!(&self.pending[begin..end], b"" | b"\r") {
                continue;
            }
            let frame = &self.pending[self.taken..end];
            let data = data(frame);
            self.taken = self.line;
            if !data.is_empty() {
                return Some(data);
            }
        }
    }
}

fn data(frame: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(frame.len());
    for line in frame.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(value) = line.strip_prefix(b"data:") else { continue };
        if !data.is_empty() {
            data.push(b'\n');
        }
        data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
    }
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for piece in pieces {
            frames.push(piece).unwrap();
            while let Some(data) = frames.next_data() {
                found.push(String::from_utf8(data).unwrap());
            }
        }
        found
    }

    #[test]
    fn frames_come_whole_whatever_the_pieces() {
        assert_eq!(read(&[b"data: {\"a\":1}\n\ndata: \"[DONE]\"\n\n"]), ["{\"a\":1}", "\"[DONE]\""]);
        assert_eq!(read(&[b"data: {\"a\"", b":1}\n", b"\n"]), ["{\"a\":1}"]);
        assert_eq!(read(&[b"data: 1\r\n\r\ndata: 2\r\n\r", b"\n"]), ["1", "2"]);
        assert_eq!(read(&[b": comment\n\nevent: x\ndata: 1\ndata:2\n\n"]), ["1\n2"]);
        assert_eq!(read(&[b"data: unfinished\n"]), Vec::<String>::new());
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut frames = Frames::default();
        let piece = vec![b'x'; 1024 * 1024];
        let refused = (0..17).map(|_| frames.push(&piece)).find(Result::is_err);
        assert_eq!(refused, Some(Err(TooLarge)));
    }

    #[test]
    fn a_long_frame_in_many_pieces_is_searched_once() {
        let mut frames = Frames::default();
        for piece in [b"data: 1\ndata: ".as_slice(), b"2", b"3"] {
            frames.push(piece).unwrap();
            assert_eq!(frames.next_data(), None);
            assert_eq!((frames.searched, frames.line), (frames.pending.len(), 8));
        }
        frames.push(b"\n\n").unwrap();
        assert_eq!(frames.next_data().as_deref(), Some(b"1\n23".as_slice()));
    }

    proptest! {
        #[test]
        fn cutting_a_stream_anywhere_changes_nothing(cut in prop::collection::vec(0usize..60, 0..6)) {
            let stream = b"data: {\"blockId\":\"b\"}\n\n: hb\n\ndata: {\"x\":[1,2]}\r\n\r\ndata: \"[DONE]\"\n\n";
            let mut cuts: Vec<usize> = cut.into_iter().filter(|at| *at < stream.len()).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for at in cuts {
                pieces.push(&stream[from..at]);
                from = at;
            }
            pieces.push(&stream[from..]);
            prop_assert_eq!(read(&pieces), read(&[&stream[..]]));
        }
    }
}
