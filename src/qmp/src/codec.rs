//! Bytes to messages: where one ends and the next begins, and how large it may be.

use serde_json::Value;

/// The largest message taken, and the most that may wait to be sent, in bytes.
///
/// The largest reply seen is that of `query-qmp-schema`, a quarter of a megabyte.
pub const LARGEST_MESSAGE: usize = 16 << 20;

/// Splits what QEMU sends into lines: it ends each message with CR LF and writes none in between.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the current line begins.
    start: usize,
    /// Up to where no end of it was found.
    scanned: usize,
}

/// A line that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is larger than {} MiB", LARGEST_MESSAGE >> 20)]
pub struct TooLarge;

impl Lines {
    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes out the next line that is there whole, without its end; empty lines are left out.
    ///
    /// What is not UTF-8 is replaced by U+FFFD: QEMU writes ASCII, whatever a guest says.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]: where the next message begins is not known any more.
    pub fn next_line(&mut self) -> Result<Option<String>, TooLarge> {
        while let Some(length) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n')
        {
            let (start, end) = (self.start, self.scanned + length);
            (self.start, self.scanned) = (end + 1, end + 1);
            let line = self.buffer[start..end].trim_ascii();
            if line.len() > LARGEST_MESSAGE {
                return Err(TooLarge);
            }
            if !line.is_empty() {
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
        }
        self.scanned = self.buffer.len();
        if self.scanned - self.start > LARGEST_MESSAGE {
            return Err(TooLarge);
        }
        if self.start == self.scanned {
            // One large reply should not cost memory for ever.
            *self = Self::default();
        }
        Ok(None)
    }
}

/// Splits what a client sends into JSON values: QEMU needs no separators on its input, and takes
/// values over several lines.
#[derive(Debug, Default)]
pub struct Values {
    buffer: Vec<u8>,
    /// Where the buffer begins in the stream, in bytes.
    offset: u64,
    /// Up to where the buffer was looked at.
    scanned: usize,
    /// How many brackets and braces are open.
    depth: usize,
    in_string: bool,
    /// Whether a backslash was the last byte.
    escaped: bool,
}

/// A piece of a client's stream that is one value, or cannot be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the stream, in bytes.
    pub offset: u64,
    /// What it is.
    pub text: String,
}

impl Values {
    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How much of the stream has been added, in bytes.
    pub fn received(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Takes out the next piece that is there whole.
    ///
    /// Text outside of brackets ends with its line, and so does a string that is never closed:
    /// after such nonsense the next line is understood again.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]: where the next value begins is not known any more.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, TooLarge> {
        if self.scanned == 0 {
            let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.take(blank);
        }
        while let Some(byte) = self.buffer.get(self.scanned).copied() {
            self.scanned += 1;
            let ended = match byte {
                b'\n' if self.in_string || self.depth == 0 => true,
                _ if self.in_string => {
                    self.in_string = self.escaped || byte != b'"';
                    self.escaped = byte == b'\\' && !self.escaped;
                    false
                }
                b'"' => {
                    self.in_string = true;
                    false
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    false
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.depth == 0
                }
                _ => false,
            };
            if ended {
                return Ok(Some(self.take(self.scanned)));
            }
        }
        if self.buffer.len() > LARGEST_MESSAGE { Err(TooLarge) } else { Ok(None) }
    }

    /// Takes out the first bytes and begins anew behind them.
    fn take(&mut self, length: usize) -> Piece {
        let bytes = self.buffer.drain(..length);
        let text = String::from_utf8_lossy(bytes.as_slice()).trim().to_owned();
        let offset = self.offset;
        drop(bytes);
        *self = Self {
            buffer: std::mem::take(&mut self.buffer),
            offset: offset + length as u64,
            ..Self::default()
        };
        Piece { offset, text }
    }
}

/// Writes a message the way it goes over the wire.
pub fn encode(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.extend_from_slice(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &mut Lines) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line);
        }
        all
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let text = b"{\"a\": 1}\r\n\r\n{\"b\": 2}\n{\"c\"";
        for size in 1..=text.len() {
            let mut splitter = Lines::default();
            let mut found = Vec::new();

            for piece in text.chunks(size) {
                splitter.push(piece);
                found.extend(lines(&mut splitter));
            }

            assert_eq!(found, ["{\"a\": 1}", "{\"b\": 2}"], "in pieces of {size}");
            splitter.push(b": 3}\r\n");
            assert_eq!(lines(&mut splitter), ["{\"c\": 3}"]);
        }
    }

    #[test]
    fn values_need_no_separators_and_nonsense_ends_with_its_line() {
        let text = concat!(
            r#"{"a": "}\"{"}{"b": [{}]}"#,
            "\r\n{\n \"c\": 3\n}\n nonsense } [1]\n",
            "{\"d\": \"open\n{\"e\": 5}"
        );
        let expected = [
            (0, r#"{"a": "}\"{"}"#),
            (13, r#"{"b": [{}]}"#),
            (26, "{\n \"c\": 3\n}"),
            (39, "nonsense }"),
            (50, "[1]"),
            (54, "{\"d\": \"open"),
            (66, "{\"e\": 5}"),
        ];
        for size in 1..=text.len() {
            let mut values = Values::default();
            let mut found = Vec::new();

            for piece in text.as_bytes().chunks(size) {
                values.push(piece);
                while let Some(Piece { offset, text }) = values.next_piece().unwrap() {
                    found.push((offset, text));
                }
            }

            let found: Vec<_> = found.iter().map(|(offset, text)| (*offset, &**text)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(values.received(), text.len() as u64);
        }
    }

    #[test]
    fn a_message_without_end_is_given_up() {
        let mut splitter = Lines::default();
        let piece = vec![b' '; 1 << 20];
        for _ in 0..16 {
            splitter.push(&piece);
            assert_eq!(splitter.next_line(), Ok(None));
        }

        splitter.push(b"x");

        assert_eq!(splitter.next_line(), Err(TooLarge));
    }

    #[test]
    fn whatever_is_sent_is_split_without_losing_the_place() {
        const ALPHABET: &[u8] = b"{}[]\"\\:, \r\n1a\xff";
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for _ in 0..2_000 {
            let mut values = Values::default();
            let mut sent = Vec::new();
            let mut last = 0;
            for _ in 0..random(8) {
                let piece: Vec<u8> =
                    (0..random(24)).map(|_| ALPHABET[random(ALPHABET.len())]).collect();
                values.push(&piece);
                sent.extend(piece);
                while let Some(Piece { offset, text }) = values.next_piece().unwrap() {
                    assert!(offset >= last && offset < values.received());
                    assert!(!text.is_empty());
                    assert_eq!(sent[offset as usize] == b'{', text.starts_with('{'));
                    last = offset + 1;
                }
            }
            values.push(b"\n\n");
            while values.next_piece().unwrap().is_some() {}
        }
    }
}
