//! Templates of replacements, and the quoting of plain text.

use super::Span;
use crate::unicode::{decode, is_digit, is_letter};

/// What `$` and its braces or name refer to, and how long they are; none if the dollar stands for itself.
fn reference(text: &[u8]) -> Option<(&[u8], usize)> {
    let rest = text.strip_prefix(b"$")?;
    let (braces, name_from) = if rest.first() == Some(&b'{') { (1, &rest[1..]) } else { (0, rest) };
    let mut len = 0;
    loop {
        let (rune, width) = decode(&name_from[len..]);
        if width == 0 || !(rune == '_' || is_letter(rune) || is_digit(rune)) {
            break;
        }
        len += width;
    }
    if len == 0 || braces == 1 && name_from.get(len) != Some(&b'}') {
        return None;
    }
    Some((&name_from[..len], 1 + len + 2 * braces))
}

/// The number of a group; a leading zero or a ninth digit makes it a name.
fn group_number(name: &[u8]) -> Option<usize> {
    let padded = name.len() > 1 && name[0] == b'0';
    if padded || name.len() > 9 || !name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// Appends a template, its references replaced by groups of a match.
pub(super) fn expand(out: &mut Vec<u8>, template: &[u8], text: &[u8], groups: &[Option<Span>], names: &[String]) {
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|&b| b == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar..];
        if rest.starts_with(b"$$") {
            out.push(b'$');
            rest = &rest[2..];
            continue;
        }
        let Some((name, width)) = reference(rest) else {
            out.push(b'$');
            rest = &rest[1..];
            continue;
        };
        let span = match group_number(name) {
            Some(number) => groups.get(number).copied().flatten(),
            // Of groups with one name the first that took part.
            None => (1..)
                .zip(names)
                .filter(|(_, n)| n.as_bytes() == name)
                .find_map(|(number, _)| groups.get(number).copied().flatten()),
        };
        if let Some((start, end)) = span {
            out.extend_from_slice(&text[start..end]);
        }
        rest = &rest[width..];
    }
    out.extend_from_slice(rest);
}

/// `regexp.QuoteMeta`.
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        if b"\\.+*?()|[]{}^$".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}
