//! Numbers under the verbs of Go's `fmt`.

use super::printer::Printer;
use crate::Value;
use pintle_golib::{strconv, unicode};

/// Writes a decimal integer.
pub(crate) fn append_int(n: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// An integer of any of Go's types.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    negative: bool,
    magnitude: u64,
    signed: bool,
}

impl Integer {
    pub(super) fn signed(n: i64) -> Self {
        Self { negative: n < 0, magnitude: n.unsigned_abs(), signed: true }
    }

    pub(super) fn unsigned(n: u64) -> Self {
        Self { negative: false, magnitude: n, signed: false }
    }

    /// The bits as an unsigned number: what `%c`, `%q` and `%U` look at.
    fn bits(self) -> u64 {
        if self.negative { self.magnitude.wrapping_neg() } else { self.magnitude }
    }

    /// The rune of this number; what is none is U+FFFD.
    fn rune(self) -> char {
        u32::try_from(self.bits()).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

impl Printer<'_> {
    pub(super) fn integer(&mut self, number: Integer, verb: char, whole: &Value) {
        const LOWER: &[u8; 16] = b"0123456789abcdef";
        match verb {
            'v' if self.flags.sharp_v && !number.signed => self.prefixed_hex(number),
            'v' | 'd' => self.digits(number, 10, verb, LOWER),
            'b' => self.digits(number, 2, verb, LOWER),
            'o' | 'O' => self.digits(number, 8, verb, LOWER),
            'x' => self.digits(number, 16, verb, LOWER),
            'X' => self.digits(number, 16, verb, b"0123456789ABCDEF"),
            'c' => {
                let mut text = [0; 4];
                self.pad(number.rune().encode_utf8(&mut text).as_bytes());
            }
            'q' => {
                let mut quoted = Vec::with_capacity(8);
                if self.flags.plus {
                    strconv::append_quote_rune_to_ascii(&mut quoted, number.rune());
                } else {
                    strconv::append_quote_rune(&mut quoted, number.rune());
                }
                self.pad(&quoted);
            }
            'U' => self.unicode(number),
            _ => self.wrong_verb(whole, verb),
        }
    }

    /// Writes an integer to a base, with sign, prefix and zeros as the flags ask.
    pub(super) fn digits(&mut self, number: Integer, base: u64, verb: char, alphabet: &[u8; 16]) {
        let flags = self.flags;
        let signed = number.negative || flags.plus || flags.space;
        let least = match flags.precision {
            Some(0) if number.magnitude == 0 => {
                self.pad_number(b"");
                return;
            }
            Some(precision) => precision,
            None if flags.zero && !flags.minus => flags.width.unwrap_or(0).saturating_sub(usize::from(signed)),
            None => 0,
        };
        // Written from the back.
        let mut text = Vec::with_capacity(24);
        let mut rest = number.magnitude;
        loop {
            text.push(alphabet[(rest % base) as usize]);
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        if text.len() < least {
            text.resize(least, b'0');
        }
        if flags.sharp {
            match base {
                2 => text.extend_from_slice(b"b0"),
                8 if text.last() != Some(&b'0') => text.push(b'0'),
                16 => text.extend_from_slice(&[if alphabet[10] == b'A' { b'X' } else { b'x' }, b'0']),
                _ => {}
            }
        }
        if verb == 'O' {
            text.extend_from_slice(b"o0");
        }
        if number.negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        text.reverse();
        self.pad_number(&text);
    }

    fn unicode(&mut self, number: Integer) {
        let least = self.flags.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{:0>1$X}", number.bits(), least.min(1 << 20)).into_bytes();
        if self.flags.sharp
            && let Some(rune) = u32::try_from(number.bits()).ok().and_then(char::from_u32)
            && unicode::is_print(rune)
        {
            text.extend_from_slice(format!(" '{rune}'").as_bytes());
        }
        self.pad_number(&text);
    }

    pub(super) fn float(&mut self, number: f64, verb: char, whole: &Value) {
        match verb {
            'v' => self.formatted_float(number, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.formatted_float(number, verb, None),
            'f' | 'e' | 'E' => self.formatted_float(number, verb, Some(6)),
            'F' => self.formatted_float(number, 'f', Some(6)),
            _ => self.wrong_verb(whole, verb),
        }
    }

    pub(super) fn complex(&mut self, (real, imaginary): (f64, f64), verb: char, whole: &Value) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            self.wrong_verb(whole, verb);
            return;
        }
        let plus = self.flags.plus;
        self.write(b"(");
        self.float(real, verb, whole);
        self.flags.plus = true;
        self.float(imaginary, verb, whole);
        self.write(b"i)");
        self.flags.plus = plus;
    }

    fn formatted_float(&mut self, number: f64, verb: char, precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(precision);
        let mut text = Vec::with_capacity(32);
        strconv::append_float(&mut text, number, verb as u8, precision);
        let mut sign = b'+';
        if let Some(first @ (b'+' | b'-')) = text.first().copied() {
            sign = first;
            text.remove(0);
        }
        if flags.space && sign == b'+' && !flags.plus {
            sign = b' ';
        }
        if !number.is_finite() {
            // Neither is a number to be padded with zeros; a NaN has a sign only if one was asked for.
            if !number.is_nan() || flags.plus || flags.space {
                text.insert(0, sign);
            }
            self.pad_number(&text);
            return;
        }
        if flags.sharp && verb != 'b' {
            text = with_all_zeros(&text, verb, precision);
        }
        if !(flags.plus || sign != b'+') {
            self.pad(&text);
            return;
        }
        match flags.width {
            Some(width) if flags.zero && !flags.minus && width > text.len() + 1 => {
                self.pad_after_sign(sign, &text, width);
            }
            _ => {
                text.insert(0, sign);
                self.pad(&text);
            }
        }
    }
}

/// What the `#` flag makes of a float's text: a point always, and all zeros that the precision asks for.
fn with_all_zeros(text: &[u8], verb: char, precision: Option<usize>) -> Vec<u8> {
    let mut digits = match verb {
        'g' | 'G' | 'x' => precision.map_or(6, |p| i64::try_from(p).unwrap_or(0)),
        _ => 0,
    };
    let mut number = text.to_vec();
    let mut tail = Vec::new();
    let mut point = false;
    let mut nonzero = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'.' => point = true,
            b'p' | b'P' => {
                tail = number.split_off(at);
                break;
            }
            b'e' | b'E' if !matches!(verb, 'x' | 'X') => {
                tail = number.split_off(at);
                break;
            }
            // The `x` of a hexadecimal prefix counts as a digit in Go.
            _ => {
                nonzero |= *byte != b'0';
                if nonzero {
                    digits -= 1;
                }
            }
        }
    }
    if !point {
        if number == b"0" {
            digits -= 1;
        }
        number.push(b'.');
    }
    let missing = usize::try_from(digits).unwrap_or(0);
    number.resize(number.len() + missing, b'0');
    number.extend_from_slice(&tail);
    number
}
