//! huandu/xstrings 1.5: snake, kebab and Pascal case, with its notion of words.

use crate::unicode::{RUNE_ERROR, is_letter, is_number, is_space, is_upper, push_rune, runes, to_lower, to_upper};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Begins with a capital.
    Capital,
    /// Letters that are no capitals.
    Small,
    Number,
    /// A blank, `-` or `_`; one character each.
    Connector,
    /// Punctuation; within a run of it `-` and `_` are no connectors.
    Mark,
    /// Anything else: letters without case, symbols.
    Other,
}

/// `unicode.IsPunct`, of other scripts only the usual marks.
fn is_mark(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' | '\u{2044}' | '\u{2052}' => false,
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' => true,
        _ => c.is_ascii_punctuation(),
    }
}

fn kind(c: char) -> Kind {
    match c {
        '-' | '_' => Kind::Connector,
        _ if is_space(c) => Kind::Connector,
        _ if is_upper(c) => Kind::Capital,
        _ if is_number(c) => Kind::Number,
        _ if is_letter(c) && (c.is_lowercase() || to_lower(c) != c) => Kind::Small,
        _ if is_mark(c) => Kind::Mark,
        _ => Kind::Other,
    }
}

/// A character with its bytes, and with whatever broken UTF-8 stands before it: that counts as part of it.
struct Letter<'t> {
    char: char,
    bytes: &'t [u8],
}

/// The characters of a text. Broken UTF-8 at its end belongs to the last; a text of nothing else has none.
fn letters(text: &[u8]) -> Vec<Letter<'_>> {
    let mut letters: Vec<Letter<'_>> = Vec::with_capacity(text.len());
    let mut start = 0;
    for (at, char, width) in runes(text) {
        if char != RUNE_ERROR {
            letters.push(Letter { char, bytes: &text[start..at + width] });
            start = at + width;
        }
    }
    if let Some(last) = letters.last_mut() {
        last.bytes = &text[start - last.bytes.len()..];
    }
    letters
}

/// Splits off the first piece: `HTTPServer` is `HTTP` and `Server`.
fn piece<'l, 't>(text: &'l [Letter<'t>]) -> Option<(Kind, &'l [Letter<'t>], &'l [Letter<'t>])> {
    let first = kind(text.first()?.char);
    let run = |from: usize, wanted: Kind| text[from..].iter().take_while(|l| kind(l.char) == wanted).count();
    let len = match first {
        Kind::Connector => 1,
        Kind::Capital => {
            let capitals = run(0, Kind::Capital);
            let small = run(capitals, Kind::Small);
            match (capitals, small) {
                (1, _) => 1 + small,
                (_, 0) => capitals,
                _ => capitals - 1,
            }
        }
        Kind::Mark => text.iter().take_while(|l| is_mark(l.char)).count(),
        _ => run(0, first),
    };
    let (piece, rest) = text.split_at(len);
    Some((first, piece, rest))
}

fn joined(text: &[u8], connector: char) -> Vec<u8> {
    let letters = letters(text);
    if letters.is_empty() {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut rest = &letters[..];
    // Whether a word has just ended, so that the next one needs a connector.
    let mut after_word = false;
    // Pieces are taken as they are, but for those with capitals and connectors, which are written anew.
    let keep = |out: &mut Vec<u8>, piece: &[Letter<'_>]| piece.iter().for_each(|l| out.extend_from_slice(l.bytes));
    let lower = |out: &mut Vec<u8>, piece: &[Letter<'_>]| {
        for (_, c, _) in piece.iter().flat_map(|l| runes(l.bytes)) {
            push_rune(out, if is_upper(c) { to_lower(c) } else { c });
        }
    };
    while let Some((first, word, tail)) = piece(rest) {
        rest = tail;
        match first {
            Kind::Connector => {
                for (_, c, _) in word.iter().flat_map(|l| runes(l.bytes)) {
                    push_rune(&mut out, if kind(c) == Kind::Connector { connector } else { c });
                }
            }
            Kind::Mark => keep(&mut out, word),
            _ => {
                if after_word {
                    push_rune(&mut out, connector);
                }
                if first == Kind::Capital {
                    lower(&mut out, word);
                } else {
                    keep(&mut out, word);
                }
                if first == Kind::Number {
                    // 2m3s is one word.
                    while let Some((Kind::Small | Kind::Number, more, tail)) = piece(rest) {
                        keep(&mut out, more);
                        rest = tail;
                    }
                } else if let Some((Kind::Number, number, tail)) = piece(rest) {
                    // A number belongs to the word before it, unless small letters follow.
                    let followed = matches!(piece(tail), Some((Kind::Small, ..)));
                    if !followed {
                        keep(&mut out, number);
                        rest = tail;
                    }
                }
            }
        }
        after_word = !matches!(first, Kind::Connector | Kind::Mark);
    }
    out
}

/// `ToSnakeCase`: `HTTPServer2xx` becomes `http_server_2xx`.
pub fn snake(text: &[u8]) -> Vec<u8> {
    joined(text, '_')
}

/// `ToKebabCase`: `HTTPServer2xx` becomes `http-server-2xx`.
pub fn kebab(text: &[u8]) -> Vec<u8> {
    joined(text, '-')
}

/// `ToPascalCase`: `some_words` becomes `SomeWords`, `HTTPServer` becomes `Httpserver`.
pub fn pascal(text: &[u8]) -> String {
    let text: Vec<char> = runes(text).map(|(_, rune, _)| rune).collect();
    let is_connector = |c: &&char| kind(**c) == Kind::Connector;
    let mut out = String::with_capacity(text.len());
    let mut rest = &text[..];
    while !rest.is_empty() {
        let (connectors, tail) = rest.split_at(rest.iter().take_while(is_connector).count());
        let (word, tail) = tail.split_at(tail.iter().take_while(|c| !is_connector(c)).count());
        // Of connectors between two words the last one goes.
        let dropped = usize::from(!out.is_empty() && !word.is_empty() && !connectors.is_empty());
        out.extend(&connectors[..connectors.len() - dropped]);
        if let Some((&first, others)) = word.split_first() {
            out.push(to_upper(first));
            // Capitals that follow a capital at the beginning of a word become small.
            let capitals = if is_upper(first) { others.iter().take_while(|&&c| is_upper(c)).count() } else { 0 };
            out.extend(others[..capitals].iter().map(|&c| to_lower(c)));
            out.extend(&others[capitals..]);
        }
        rest = tail;
    }
    // A text of connectors alone comes out with its last one twice.
    if let Some(&last) = text.last()
        && text.iter().all(|c| is_connector(&c))
    {
        out.push(last);
    }
    out
}
