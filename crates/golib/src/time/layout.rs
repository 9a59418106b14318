//! What the pieces of a layout such as `2006-01-02T15:04:05Z07:00` stand for.

/// A piece of a layout that stands for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(Offset),
    /// `.000`: so many digits after this separator.
    Fraction {
        separator: u8,
        digits: usize,
    },
    /// `.999`: the same without trailing zeros.
    TrimmedFraction {
        separator: u8,
        digits: usize,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` stands for zero.
    pub(super) z: bool,
    pub(super) colon: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// The first piece that stands for a field: where it begins and ends.
pub(super) fn next_chunk(layout: &[u8]) -> Option<(usize, usize, Chunk)> {
    (0..layout.len()).find_map(|at| {
        let (skip, width, chunk) = chunk_at(&layout[at..])?;
        Some((at + skip, at + skip + width, chunk))
    })
}

/// The piece at the beginning, with the number of plain bytes before it (for `_2006`) and its width.
fn chunk_at(text: &[u8]) -> Option<(usize, usize, Chunk)> {
    use Chunk::{
        Day, Hour, Hour12, LongMonth, LongWeekday, LongYear, LowerPm, Minute, Month, NumMonth, Second, UnderDay,
        UnderYearDay, UpperPm, Weekday, Year, ZeroDay, ZeroHour12, ZeroMinute, ZeroMonth, ZeroSecond, ZeroYearDay,
        ZoneName,
    };
    let ends_word = |at: usize| !text.get(at).is_some_and(u8::is_ascii_lowercase);
    let (width, chunk) = match text {
        [b'J', b'a', b'n', b'u', b'a', b'r', b'y', ..] => (7, LongMonth),
        [b'J', b'a', b'n', ..] if ends_word(3) => (3, Month),
        [b'M', b'o', b'n', b'd', b'a', b'y', ..] => (6, LongWeekday),
        [b'M', b'o', b'n', ..] if ends_word(3) => (3, Weekday),
        [b'M', b'S', b'T', ..] => (3, ZoneName),
        [b'0', b'0', b'2', ..] => (3, ZeroYearDay),
        [b'0', b'1', ..] => (2, ZeroMonth),
        [b'0', b'2', ..] => (2, ZeroDay),
        [b'0', b'3', ..] => (2, ZeroHour12),
        [b'0', b'4', ..] => (2, ZeroMinute),
        [b'0', b'5', ..] => (2, ZeroSecond),
        [b'0', b'6', ..] => (2, Year),
        [b'1', b'5', ..] => (2, Hour),
        [b'1', ..] => (1, NumMonth),
        [b'2', b'0', b'0', b'6', ..] => (4, LongYear),
        [b'2', ..] => (1, Day),
        [b'_', b'2', b'0', b'0', b'6', ..] => return Some((1, 4, LongYear)),
        [b'_', b'_', b'2', ..] => (3, UnderYearDay),
        [b'_', b'2', ..] => (2, UnderDay),
        [b'3', ..] => (1, Hour12),
        [b'4', ..] => (1, Minute),
        [b'5', ..] => (1, Second),
        [b'P', b'M', ..] => (2, UpperPm),
        [b'p', b'm', ..] => (2, LowerPm),
        [sign @ (b'-' | b'Z'), rest @ ..] => offset(*sign == b'Z', rest)?,
        [separator @ (b'.' | b','), digit @ (b'0' | b'9'), ..] => {
            let digits = text[1..].iter().take_while(|b| *b == digit).count();
            if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let separator = *separator;
            let chunk = if *digit == b'0' {
                Chunk::Fraction { separator, digits }
            } else {
                Chunk::TrimmedFraction { separator, digits }
            };
            (1 + digits, chunk)
        }
        _ => return None,
    };
    Some((0, width, chunk))
}

fn offset(z: bool, rest: &[u8]) -> Option<(usize, Chunk)> {
    const FORMS: [(&[u8], bool, bool, bool); 5] = [
        (b"070000", false, true, true),
        (b"07:00:00", true, true, true),
        (b"0700", false, true, false),
        (b"07:00", true, true, false),
        (b"07", false, false, false),
    ];
    FORMS
        .iter()
        .find(|(form, ..)| rest.starts_with(form))
        .map(|&(form, colon, minutes, seconds)| (1 + form.len(), Chunk::Offset(Offset { z, colon, minutes, seconds })))
}
