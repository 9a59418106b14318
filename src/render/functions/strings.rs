//! Strings. Go's are bytes: what counts in bytes there counts in bytes here, and may cut a character.

use super::{
    Answer, MAX_BYTES,
    argument::{any, int, string_answer, strings_answer, text, text_of},
    check_bytes, check_items,
    durations::trim_space,
    fixed, variadic,
};
use pintle_golib::{cases, strconv, unicode};
use pintle_template::{
    Call, Func, FuncError,
    Type::{Any, Int, String},
};
use pintle_value::{Map, MapKind, Str, Value};

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("hello", &[], |_, _| string_answer("Hello!")),
    fixed("trim", &[String], |_, args| string_answer(trim_space(text(args, 0)))),
    fixed("trimAll", &[String, String], trim_all),
    fixed("trimall", &[String, String], trim_all),
    fixed("trimPrefix", &[String, String], |_, args| {
        let s = text(args, 1);
        string_answer(s.strip_prefix(text(args, 0)).unwrap_or(s))
    }),
    fixed("trimSuffix", &[String, String], |_, args| {
        let s = text(args, 1);
        string_answer(s.strip_suffix(text(args, 0)).unwrap_or(s))
    }),
    fixed("upper", &[String], |_, args| string_answer(map_runes(text(args, 0), unicode::to_upper))),
    fixed("lower", &[String], |_, args| string_answer(map_runes(text(args, 0), unicode::to_lower))),
    fixed("title", &[String], title),
    fixed("untitle", &[String], untitle),
    fixed("swapcase", &[String], swap_case),
    fixed("repeat", &[Int, String], |_, args| string_answer(repeat("repeat", text(args, 1), int(args, 0))?)),
    fixed("substr", &[Int, Int, String], substr),
    fixed("trunc", &[Int, String], trunc),
    fixed("abbrev", &[Int, String], abbrev),
    fixed("abbrevboth", &[Int, Int, String], abbrev_both),
    fixed("nospace", &[String], no_space),
    fixed("initials", &[String], initials),
    fixed("contains", &[String, String], |_, args| Ok(Value::Bool(find(text(args, 1), text(args, 0)).is_some()))),
    fixed("hasPrefix", &[String, String], |_, args| Ok(Value::Bool(text(args, 1).starts_with(text(args, 0))))),
    fixed("hasSuffix", &[String, String], |_, args| Ok(Value::Bool(text(args, 1).ends_with(text(args, 0))))),
    fixed("replace", &[String, String, String], |_, args| {
        string_answer(replace(text(args, 2), text(args, 0), text(args, 1))?)
    }),
    variadic("quote", &[], Any, quote),
    variadic("squote", &[], Any, squote),
    variadic("cat", &[], Any, cat),
    fixed("indent", &[Int, String], |_, args| string_answer(indent(args, b"")?)),
    fixed("nindent", &[Int, String], |_, args| string_answer(indent(args, b"\n")?)),
    fixed("wrap", &[Int, String], |_, args| string_answer(wrap(text(args, 1), int(args, 0), b"\n", false)?)),
    fixed("wrapWith", &[Int, String, String], |_, args| {
        string_answer(wrap(text(args, 2), int(args, 0), text(args, 1), true)?)
    }),
    fixed("plural", &[String, String, Int], |_, args| Ok(any(args, usize::from(int(args, 2) != 1)).clone())),
    fixed("split", &[String, String], |_, args| numbered(split(text(args, 1), text(args, 0), -1)?)),
    fixed("splitn", &[String, Int, String], |_, args| numbered(split(text(args, 2), text(args, 0), int(args, 1))?)),
    fixed("splitList", &[String, String], |_, args| {
        strings_answer(split(text(args, 1), text(args, 0), -1)?.into_iter().map(Str::from))
    }),
    fixed("snakecase", &[String], |_, args| string_answer(cases::snake(text(args, 0)))),
    fixed("kebabcase", &[String], |_, args| string_answer(cases::kebab(text(args, 0)))),
    fixed("camelcase", &[String], |_, args| string_answer(cases::pascal(text(args, 0)))),
];

fn map_runes(text: &[u8], change: fn(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (_, rune, _) in unicode::runes(text) {
        unicode::push_rune(&mut out, change(rune));
    }
    out
}

fn trim_all(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let cutset: Vec<char> = unicode::runes(text(args, 0)).map(|(_, rune, _)| rune).collect();
    let mut s = text(args, 1);
    while !s.is_empty() {
        let (rune, width) = unicode::decode(s);
        if !cutset.contains(&rune) {
            break;
        }
        s = &s[width..];
    }
    while !s.is_empty() {
        let (rune, width) = unicode::decode_last(s);
        if !cutset.contains(&rune) {
            break;
        }
        s = &s[..s.len() - width];
    }
    string_answer(s)
}

/// Go's `strings.Title`: any letter that follows what is no part of a word.
fn title(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let separates = |rune: char| match rune {
        '_' => false,
        rune if rune.is_ascii() => !rune.is_ascii_alphanumeric(),
        rune => !unicode::is_letter(rune) && !unicode::is_digit(rune) && unicode::is_space(rune),
    };
    let s = text(args, 0);
    let mut out = Vec::with_capacity(s.len());
    let mut before = ' ';
    for (_, rune, _) in unicode::runes(s) {
        unicode::push_rune(&mut out, if separates(before) { unicode::to_title(rune) } else { rune });
        before = rune;
    }
    string_answer(out)
}

/// Lower case for what follows white space.
fn untitle(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let s = text(args, 0);
    let mut out = Vec::with_capacity(s.len());
    let mut begins = true;
    for (_, rune, _) in unicode::runes(s) {
        let space = unicode::is_space(rune);
        unicode::push_rune(&mut out, if begins && !space { unicode::to_lower(rune) } else { rune });
        begins = space;
    }
    string_answer(out)
}

/// Upper case becomes lower case and lower case upper case; title case for what follows white space.
fn swap_case(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let s = text(args, 0);
    let mut out = Vec::with_capacity(s.len());
    let mut begins = true;
    for (_, rune, _) in unicode::runes(s) {
        let is_lower = unicode::to_upper(rune) != rune && unicode::to_lower(rune) == rune;
        let swapped = if unicode::is_upper(rune) || unicode::to_lower(rune) != rune {
            begins = false;
            unicode::to_lower(rune)
        } else if is_lower {
            let swapped = if begins { unicode::to_title(rune) } else { unicode::to_upper(rune) };
            begins = false;
            swapped
        } else {
            begins = unicode::is_space(rune);
            rune
        };
        unicode::push_rune(&mut out, swapped);
    }
    string_answer(out)
}

fn repeat(what: &str, text: &[u8], count: i64) -> Result<Vec<u8>, FuncError> {
    let Ok(count) = usize::try_from(count) else { return Err("strings: negative Repeat count".into()) };
    let Some(length) = text.len().checked_mul(count).filter(|n| isize::try_from(*n).is_ok()) else {
        return Err("strings: Repeat output length overflow".into());
    };
    check_bytes(what, length)?;
    Ok(text.repeat(count))
}

fn substr(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (start, end, s) = (int(args, 0), int(args, 1), text(args, 2));
    let length = s.len() as i64;
    let out_of_range =
        |range: std::string::String| Err(format!("runtime error: slice bounds out of range {range}").into());
    let (from, to) = if start < 0 {
        if end < 0 {
            return out_of_range(format!("[:{end}]"));
        }
        if end > length {
            return out_of_range(format!("[:{end}] with length {length}"));
        }
        (0, end)
    } else {
        (start, if end < 0 || end > length { length } else { end })
    };
    if from > to {
        return out_of_range(format!("[{from}:{to}]"));
    }
    let at = |n: i64| usize::try_from(n).unwrap_or(0);
    string_answer(&s[at(from)..at(to)])
}

fn trunc(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (count, s) = (int(args, 0), text(args, 1));
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    string_answer(match s.len().checked_sub(size) {
        Some(kept) if kept > 0 => {
            if count < 0 {
                &s[kept..]
            } else {
                &s[..size]
            }
        }
        _ => s,
    })
}

fn abbrev(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (width, s) = (int(args, 0), text(args, 1));
    if width < 4 {
        return string_answer(s);
    }
    string_answer(abbreviate(s, 0, width))
}

fn abbrev_both(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (left, right, s) = (int(args, 0), int(args, 1), text(args, 2));
    if right < 4 || left > 0 && right < 7 {
        return string_answer(s);
    }
    string_answer(abbreviate(s, left, right))
}

/// The text cut to a width, with dots where something is missing. The offset must be in what is kept.
fn abbreviate(s: &[u8], offset: i64, width: i64) -> Vec<u8> {
    const DOTS: &[u8] = b"...";
    let Some(width) = usize::try_from(width).ok().filter(|width| *width < s.len()) else { return s.to_vec() };
    let kept = width - DOTS.len();
    let offset = usize::try_from(offset).unwrap_or(0).min(s.len()).min(s.len() - kept);
    if offset <= 4 {
        return [&s[..kept], DOTS].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + kept < s.len() {
        let end = kept - DOTS.len();
        return [DOTS, &s[offset..offset + end], DOTS].concat();
    }
    [DOTS, &s[s.len() - kept..]].concat()
}

/// Goes through bytes as if each were a character: what is not ASCII comes out mangled, as in sprig.
fn no_space(_: &mut Call<'_>, args: &[Value]) -> Answer {
    // Where nothing goes, the bytes are not taken for runes either.
    if !text(args, 0).iter().any(|byte| unicode::is_space(char::from(*byte))) {
        return Ok(any(args, 0).clone());
    }
    let mut out = Vec::new();
    for byte in text(args, 0) {
        if !unicode::is_space(char::from(*byte)) {
            unicode::push_rune(&mut out, char::from(*byte));
        }
    }
    string_answer(out)
}

/// The first byte of each word.
fn initials(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    let mut begins = true;
    for byte in text(args, 0) {
        let rune = char::from(*byte);
        if unicode::is_space(rune) {
            begins = true;
        } else if begins {
            unicode::push_rune(&mut out, rune);
            begins = false;
        }
    }
    string_answer(out)
}

/// Where the part begins in the text.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let Some((&first, rest)) = part.split_first() else { return Some(0) };
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|b| *b == first) {
        from += at + 1;
        if text[from..].starts_with(rest) {
            return Some(from - 1);
        }
    }
    None
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        check_bytes("replace", (text.len() + 1).saturating_mul(new.len() + 1))?;
        for (at, _, width) in unicode::runes(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(&text[at..at + width]);
        }
        out.extend_from_slice(new);
        return Ok(out);
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
        if out.len() > MAX_BYTES {
            check_bytes("replace", out.len())?;
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn quote(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        strconv::append_quote(&mut out, &text_of(arg)?);
    }
    string_answer(out)
}

fn squote(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        print(arg, &mut out)?;
        out.push(b'\'');
    }
    string_answer(out)
}

/// Goes by `%v`: bytes are numbers here.
fn print(value: &Value, out: &mut Vec<u8>) -> Result<(), FuncError> {
    pintle_value::fmt::print_value(value, out).map_err(|e| e.to_string().into())
}

fn cat(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for (at, arg) in args.iter().filter(|arg| !matches!(arg, Value::Nil)).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        print(arg, &mut out)?;
    }
    string_answer(out)
}

fn indent(args: &[Value], before: &[u8]) -> Result<Vec<u8>, FuncError> {
    let s = text(args, 1);
    let pad = repeat("indent", b" ", int(args, 0))?;
    let lines = s.iter().filter(|b| **b == b'\n').count() + 1;
    let length = lines.saturating_mul(pad.len()).saturating_add(s.len() + before.len());
    check_bytes("indent", length)?;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(before);
    for line in s.split_inclusive(|b| *b == b'\n') {
        out.extend_from_slice(&pad);
        out.extend_from_slice(line);
    }
    if s.is_empty() || s.ends_with(b"\n") {
        out.extend_from_slice(&pad);
    }
    Ok(out)
}

/// Breaks lines at spaces so that they are not longer than the width, in bytes. Words that are longer are cut or let
/// stand out.
fn wrap(s: &[u8], width: i64, newline: &[u8], cut_words: bool) -> Result<Vec<u8>, FuncError> {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    check_bytes("wrap", s.len().saturating_add((s.len() / 2 + 1).saturating_mul(newline.len())))?;
    let mut out = Vec::with_capacity(s.len() + s.len() / width);
    let mut rest = s;
    while rest.len() > width {
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let (end, skipped) = if let Some(space) = rest[..=width].iter().rposition(|b| *b == b' ') {
            (space, 1)
        } else if cut_words {
            (width, 0)
        } else if let Some(space) = rest[width..].iter().position(|b| *b == b' ') {
            (width + space, 1)
        } else {
            break;
        };
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(newline);
        rest = &rest[end + skipped..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// `strings.SplitN`: at most so many parts, all if negative.
fn split<'t>(s: &'t [u8], separator: &[u8], limit: i64) -> Result<Vec<&'t [u8]>, FuncError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if limit == 0 {
        return Ok(parts);
    }
    if separator.is_empty() {
        let mut rest = s;
        while !rest.is_empty() {
            if parts.len() + 1 == limit {
                parts.push(rest);
                return Ok(parts);
            }
            let (part, after) = rest.split_at(unicode::decode(rest).1);
            parts.push(part);
            rest = after;
            check_items("split", parts.len())?;
        }
        return Ok(parts);
    }
    let mut rest = s;
    while parts.len() + 1 < limit
        && let Some(at) = find(rest, separator)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
        check_items("split", parts.len())?;
    }
    parts.push(rest);
    Ok(parts)
}

/// The parts under the keys `_0`, `_1`, …
fn numbered(parts: Vec<&[u8]>) -> Answer {
    let entries = parts.into_iter().enumerate().map(|(at, part)| (Str::from(format!("_{at}")), Value::str(part)));
    Ok(Value::Map(Map::of(MapKind::String, entries.collect())))
}
