//! Directives, anchors, aliases and tags.

use super::{Kind, Mark, Scanner, TagName};
use crate::Error;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

impl<'a> Scanner<'a> {
    fn word(&mut self) -> &'a [u8] {
        let rest = self.at.rest();
        let length = rest.iter().take_while(|b| is_word(**b)).count();
        self.at.advance(length);
        &rest[..length]
    }

    fn skip_blanks(&mut self) {
        while self.at.is_blank() {
            self.at.advance(1);
        }
    }

    /// Passes the rest of a line that may only hold a comment.
    pub(super) fn end_of_line(&mut self) -> Result<(), Error> {
        self.skip_blanks();
        if self.at.peek(0) == b'#' {
            self.at.skip_line();
        }
        if !self.at.is_break_or_end() {
            return self.fail("did not find expected comment or line break");
        }
        self.at.take_break();
        Ok(())
    }

    pub(super) fn directive(&mut self) -> Result<(), Error> {
        self.leave_block()?;
        let start = self.at.mark();
        self.at.advance(1);
        let name = self.word();
        if name.is_empty() {
            return self.fail("could not find expected directive name");
        }
        if !self.at.is_blank_or_end(0) {
            return self.fail("found unexpected non-alphabetical character");
        }
        let kind = match name {
            b"YAML" => self.version()?,
            b"TAG" => self.tag_directive()?,
            _ => return self.fail("found unknown directive name"),
        };
        let end = self.at.mark();
        self.end_of_line()?;
        self.push_to(kind, start, end);
        Ok(())
    }

    fn version(&mut self) -> Result<Kind<'a>, Error> {
        self.skip_blanks();
        let major = self.version_number()?;
        if self.at.peek(0) != b'.' {
            return self.fail("did not find expected digit or '.' character");
        }
        self.at.advance(1);
        let minor = self.version_number()?;
        Ok(Kind::VersionDirective { major, minor })
    }

    fn version_number(&mut self) -> Result<u8, Error> {
        let mut number = 0;
        let mut digits = 0;
        while let digit @ b'0'..=b'9' = self.at.peek(0) {
            digits += 1;
            if digits > 2 {
                return self.fail("found extremely long version number");
            }
            number = number * 10 + (digit - b'0');
            self.at.advance(1);
        }
        if digits == 0 { self.fail("did not find expected version number") } else { Ok(number) }
    }

    fn tag_directive(&mut self) -> Result<Kind<'a>, Error> {
        self.skip_blanks();
        let handle = self.tag_handle(true)?;
        if !self.at.is_blank() {
            return self.fail("did not find expected whitespace");
        }
        self.skip_blanks();
        let prefix = self.tag_uri(&[], true)?;
        if !self.at.is_blank_or_end(0) {
            return self.fail("did not find expected whitespace or line break");
        }
        Ok(Kind::TagDirective(Box::new(TagName { handle, rest: prefix })))
    }

    /// An anchor or alias.
    pub(super) fn name_token(&mut self, kind: fn(&'a [u8]) -> Kind<'a>) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.at.mark();
        self.at.advance(1);
        let name = self.word();
        let delimited = self.at.is_blank_or_end(0)
            || matches!(self.at.peek(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !delimited {
            return self.fail("did not find expected alphabetic or numeric character");
        }
        self.push(kind(name), start);
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), Error> {
        let start = self.at.mark();
        let (handle, suffix) =
            if self.at.peek(1) == b'<' { (&b""[..], self.verbatim_tag()?) } else { self.short_tag(start)? };
        if !self.at.is_blank_or_end(0) {
            return self.fail("did not find expected whitespace or line break");
        }
        self.push(Kind::Tag(Box::new(TagName { handle, rest: suffix })), start);
        Ok(())
    }

    fn verbatim_tag(&mut self) -> Result<Vec<u8>, Error> {
        self.at.advance(2);
        let uri = self.tag_uri(&[], true)?;
        if self.at.peek(0) != b'>' {
            return self.fail("did not find the expected '>'");
        }
        self.at.advance(1);
        Ok(uri)
    }

    fn short_tag(&mut self, start: Mark) -> Result<(&'a [u8], Vec<u8>), Error> {
        let handle = self.tag_handle(false)?;
        if handle.len() > 1 && handle.ends_with(b"!") {
            return Ok((handle, self.tag_uri(&[], true)?));
        }
        // What looked like a handle is the beginning of a local tag: `!foo`.
        let suffix = self.tag_uri(&handle[1..], false)?;
        if suffix.is_empty() {
            return Ok((&[], b"!".to_vec()));
        }
        Ok((self.at.slice(start.offset, start.offset + 1), suffix))
    }

    fn tag_handle(&mut self, directive: bool) -> Result<&'a [u8], Error> {
        let start = self.at.mark();
        if self.at.peek(0) != b'!' {
            return self.fail("did not find expected '!'");
        }
        self.at.advance(1);
        let word = self.word();
        if self.at.peek(0) == b'!' {
            self.at.advance(1);
        } else if directive && !word.is_empty() {
            return self.fail("did not find expected '!'");
        }
        Ok(self.at.slice(start.offset, self.at.pos()))
    }

    /// A tag's URI after what of it is known already. Only a lone `!` may go without.
    fn tag_uri(&mut self, head: &[u8], required: bool) -> Result<Vec<u8>, Error> {
        let mut uri = head.to_vec();
        loop {
            match self.at.peek(0) {
                b'%' => self.uri_escape(&mut uri)?,
                byte if is_word(byte) || b";/?:@&=+$.,!~*'()[]".contains(&byte) => {
                    uri.push(byte);
                    self.at.advance(1);
                }
                _ => break,
            }
        }
        if uri.is_empty() && required {
            return self.fail("did not find expected tag URI");
        }
        Ok(uri)
    }

    /// `%C3%A9`: all octets of one character.
    fn uri_escape(&mut self, uri: &mut Vec<u8>) -> Result<(), Error> {
        let mut width = 0;
        loop {
            let digit = |ahead| char::from(self.at.peek(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.at.peek(0), digit(1), digit(2)) else {
                return self.fail("did not find URI escaped octet");
            };
            #[allow(clippy::cast_possible_truncation)] // two hexadecimal digits make one byte
            let octet = (high * 16 + low) as u8;
            if width == 0 {
                width = match octet {
                    0x00..0x80 => 1,
                    0xC0..0xE0 => 2,
                    0xE0..0xF0 => 3,
                    0xF0..0xF8 => 4,
                    _ => return self.fail("found an incorrect leading UTF-8 octet"),
                };
            } else if octet & 0xC0 != 0x80 {
                return self.fail("found an incorrect trailing UTF-8 octet");
            }
            uri.push(octet);
            self.at.advance(3);
            width -= 1;
            if width == 0 {
                return Ok(());
            }
        }
    }
}
