//! Named sets of characters.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};

fn class(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(low, high)| ClassUnicodeRange::new(low, high)))
}

/// `\d`, `\s`, `\w` and, as a capital, what they are not.
pub(super) fn perl(letter: char, fold: bool) -> Option<ClassUnicode> {
    let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    Some(finished(class(ranges), fold, letter.is_ascii_uppercase()))
}

/// `[:alpha:]`, `[:^alpha:]`, by the text between the colons.
pub(super) fn posix(name: &str, fold: bool) -> Option<ClassUnicode> {
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(finished(class(ranges), fold, negated))
}

/// `\p{name}`: a general category or a script, spelled loosely.
pub(super) fn unicode(name: &str, fold: bool, negated: bool) -> Option<ClassUnicode> {
    let (name, inner) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b' ')) {
        return None;
    }
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let property = |query: String| match regex_syntax::parse(&query).ok()?.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(set)) => Some(set),
        HirKind::Literal(text) => {
            // A set of one character comes back as that character.
            let c = std::str::from_utf8(&text.0).ok()?.chars().next()?;
            Some(class(&[(c, c)]))
        }
        _ => None,
    };
    let set = property(format!("\\p{{gc={plain}}}")).or_else(|| {
        // Go knows scripts by their names, not by their codes of four letters.
        let by_code = plain.len() == 4 && !SCRIPTS_OF_FOUR.contains(&plain.to_ascii_lowercase().as_str());
        if by_code { None } else { property(format!("\\p{{sc={name}}}")) }
    })?;
    Some(finished(set, fold, negated != inner))
}

/// Scripts whose name, not only whose code, has four letters.
const SCRIPTS_OF_FOUR: [&str; 7] = ["cham", "kawi", "lisu", "miao", "modi", "thai", "vaii"];

/// Takes in the other case if asked, then turns the set round if asked.
pub(super) fn finished(mut set: ClassUnicode, fold: bool, negated: bool) -> ClassUnicode {
    if fold {
        // Without the tables nothing folds; they are a feature of the dependency that this crate asks for.
        let _ = set.try_case_fold_simple();
    }
    if negated {
        set.negate();
    }
    set
}

/// One character, with its other cases if asked.
pub(super) fn single(c: char, fold: bool) -> ClassUnicode {
    finished(class(&[(c, c)]), fold, false)
}

/// A range of characters.
pub(super) fn range(low: char, high: char, fold: bool) -> ClassUnicode {
    finished(class(&[(low, high)]), fold, false)
}
