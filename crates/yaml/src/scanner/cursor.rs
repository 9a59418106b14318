//! A place in the text, and the bytes around it.

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Bytes from the start.
    pub offset: usize,
    /// Line, from 0.
    pub line: u32,
    /// Characters from the start of the line, from 0.
    pub column: u32,
}

pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    mark: Mark,
}

/// The length of the line break at the start of these bytes, and what it stands for in a scalar.
fn line_break(text: &[u8]) -> Option<(usize, &'static [u8])> {
    match *text {
        [b'\r', b'\n', ..] => Some((2, b"\n")),
        [b'\r' | b'\n', ..] => Some((1, b"\n")),
        [0xC2, 0x85, ..] => Some((2, b"\n")),
        [0xE2, 0x80, 0xA8, ..] => Some((3, b"\xE2\x80\xA8")),
        [0xE2, 0x80, 0xA9, ..] => Some((3, b"\xE2\x80\xA9")),
        _ => None,
    }
}

/// How many characters there are. (Beyond four thousand millions it does not matter how many.)
fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().map(|b| u32::from(*b & 0xC0 != 0x80)).fold(0, u32::wrapping_add)
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, mark: Mark::default() }
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) fn pos(&self) -> usize {
        self.mark.offset
    }

    pub(crate) fn is_end(&self) -> bool {
        self.mark.offset >= self.text.len()
    }

    /// The byte so many further on, 0 past the end (the text has no such byte).
    pub(crate) fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.mark.offset + ahead).copied().unwrap_or(0)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.text[self.mark.offset.min(self.text.len())..]
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        &self.text[from..to]
    }

    /// Passes so many bytes of ASCII within the line.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.mark.offset += bytes;
        self.mark.column = self.mark.column.wrapping_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Passes so many bytes within the line.
    pub(crate) fn advance_text(&mut self, bytes: usize) {
        self.mark.column = self.mark.column.wrapping_add(characters(&self.rest()[..bytes]));
        self.mark.offset += bytes;
    }

    pub(crate) fn is_break(&self) -> bool {
        line_break(self.rest()).is_some()
    }

    pub(crate) fn is_blank(&self) -> bool {
        matches!(self.peek(0), b' ' | b'\t')
    }

    pub(crate) fn is_break_or_end(&self) -> bool {
        self.is_end() || self.is_break()
    }

    /// Whether a blank, a line break or the end is so many bytes further on.
    pub(crate) fn is_blank_or_end(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            b' ' | b'\t' | b'\n' | b'\r' | 0 => true,
            0xC2 | 0xE2 => self.rest().get(ahead..).and_then(line_break).is_some(),
            _ => false,
        }
    }

    /// Passes a line break, and says what it stands for in a scalar.
    pub(crate) fn take_break(&mut self) -> Option<&'static [u8]> {
        let (bytes, meaning) = line_break(self.rest())?;
        self.mark = Mark { offset: self.mark.offset + bytes, line: self.mark.line.wrapping_add(1), column: 0 };
        Some(meaning)
    }

    /// Passes the rest of the line, its break not included, and gives it.
    pub(crate) fn skip_line(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let mut bytes = 0;
        loop {
            bytes += rest[bytes..].iter().take_while(|b| !matches!(b, b'\n' | b'\r' | 0xC2 | 0xE2)).count();
            if bytes >= rest.len() || line_break(&rest[bytes..]).is_some() {
                break;
            }
            bytes += 1;
        }
        self.advance_text(bytes);
        &rest[..bytes]
    }

    /// `---` or `...` at the start of a line.
    pub(crate) fn document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!(self.rest(), [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..])
            && self.is_blank_or_end(3)
    }

    /// The end of the text ends its line.
    pub(crate) fn end_line(&mut self) {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line = self.mark.line.wrapping_add(1);
        }
    }
}
