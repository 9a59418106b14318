//! Random texts: plain ones, and those that some reader or writer treats in its own way.

use crate::rng::Rng;

const WORDS: &[&str] = &[
    "", "a", "b", "foo", "bar", "foo-bar", "fooBar", "FooBar", "foo_bar_baz", "HTTPServer2xx", "hello world", " x ",
    "x\n", "\nx", "a\nb", "a\n\nb\n", "a\n b\nc", "a \nb", "\ta", "a\tb", "a\r\nb", "true", "false", "null", "~",
    "yes", "no", "on", "off", "y", "n", "Y", "True", "NULL", "0", "1", "-1", "007", "0x1F", "0o17", "0b11", "1_000",
    "1.0", "1.5", "1e3", ".5", "5.", "-.5", "+1", "1:30", "190:20:30", ".inf", "-.INF", ".nan", "NaN", "2001-01-01",
    "2001-12-14t21:59:43.10-05:00", "=", "<<", "-", "--", "---", "...", "- a", "-a", "? a", "?", ": a", ":", "a: b",
    "a:b", "a:", "a #b", "a#b", "#a", "[a", "]", "{a", "}", "a, b", "&a", "*a", "!a", "|", ">", "'", "\"", "%a",
    "@a", "`a`", "it's", "say \"hi\"", "\\", "a\\b", "$x", "${x}", "$1", "{{ .a }}", "<a>&</a>", "é", "日本語", "ß",
    "İ", "ǅ", "Σς", "😀", "a\u{301}", "\u{a0}", "\u{200b}", "\u{feff}x", "\u{85}", "\u{2028}", "\u{7f}", "\u{1}",
    "\u{fffd}", "nginx:1.25", "http://example.com/a?b=c#d", "a/b/c.txt", "/etc/passwd", "../x", "1.2.3",
    "v1.2.3-beta.1+build", "Zm9v", "MFRGG===", "10Mi", "100m", "1h30m", "a,b,c", "a.b.c", "a=b", "x y  z", "aaa",
    "abcabc", "The Quick brown fox",
    "some long text that goes on and on until it is longer than eighty columns, which is where lines are folded by some",
    "<no value>", "%s", "%", "100%", "\u{0}",
];

const LETTERS: &str = "abcxyzABC019 \t\n.,:;-_#&*!|>'\"%@`{}[]()<>=?/\\$~^+éß日😀\u{a0}\u{85}\u{7f}\u{2028}";

/// A text.
pub fn text(rng: &mut Rng) -> String {
    match rng.below(10) {
        0..6 => (rng.pick(WORDS)).to_owned(),
        6 | 7 => {
            let letters: Vec<char> = LETTERS.chars().collect();
            let count = rng.below(12);
            (0..count).map(|_| rng.pick(&letters)).collect()
        }
        8 => {
            // Lines and words of many lengths: what is folded, wrapped, indented.
            let mut text = String::new();
            for _ in 0..rng.below(20) {
                text += rng.pick(WORDS);
                text.push(rng.pick(&[' ', ' ', ' ', '\n', '-']));
            }
            text
        }
        _ => {
            let joint = rng.pick(&[" ", "\n", ":", ",", "-", "", ".", "/"]);
            format!("{}{joint}{}", rng.pick(WORDS), rng.pick(WORDS))
        }
    }
}

/// As a template's string constant.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\n' => quoted += "\\n",
            '\u{0}' => quoted += "\\x00",
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A format for `printf`.
pub fn format(rng: &mut Rng) -> String {
    let mut format = String::new();
    for _ in 0..=rng.below(3) {
        if rng.chance(30) {
            format += rng.pick(&["a", " ", "é", "|", "%%", "-", "\n"]);
        }
        format.push('%');
        for _ in 0..rng.below(3) {
            format.push(rng.pick(&['+', '-', '#', ' ', '0', '0']));
        }
        if rng.chance(8) {
            format += rng.pick(&["[1]", "[2]", "[0]", "[x]", "[", "[3]*.[2]*[1]", "[1]*", "[-1]", "[99]"]);
        }
        if rng.chance(40) {
            format += rng.pick(&["1", "2", "5", "10", "20", "*", "0", "08", "150"]);
        }
        if rng.chance(30) {
            format += rng.pick(&[".", ".0", ".1", ".2", ".3", ".10", ".*", ".-1", ".20"]);
        }
        if rng.chance(97) {
            format.push(rng.pick(&[
                'v', 'v', 's', 's', 'd', 'd', 'q', 'q', 'x', 'X', 'T', 't', 'b', 'c', 'o', 'O', 'U', 'e', 'E', 'f',
                'F', 'g', 'G', 'w', 'z', 'é', '!',
            ]));
        }
    }
    format
}

/// A regular expression.
pub fn regex(rng: &mut Rng, depth: usize) -> String {
    let mut pattern = String::new();
    if depth == 2 && rng.chance(12) {
        pattern += rng.pick(&["(?i)", "(?s)", "(?m)", "(?U)", "(?im)", "^", "(?x)", "(?i-s)", "(?-)"]);
    }
    for _ in 0..=rng.below(4) {
        match rng.below(16) {
            0..5 => pattern += rng.pick(&["a", "b", "o", "foo", "x", "1", "-", "é", " ", "A", "/", ":", "日", "\n"]),
            5 | 6 => {
                pattern += rng.pick(&[
                    ".", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "\\b", "\\B", "^", "$", "\\A", "\\z", "\\Z",
                    "\\C", "\\pL", "\\p{Greek}", "\\PN", "\\p{^Lu}", "\\p{Foo}", "\\x41", "\\x{1F600}", "\\n", "\\t",
                    "\\.", "\\/", "\\-", "\\_", "\\é", "\\Qa.b\\E", "\\Q", "\\1", "\\07", "\\8", "\\a", "\\v",
                ]);
            }
            7..10 => {
                pattern.push('[');
                if rng.chance(25) {
                    pattern.push('^');
                }
                for _ in 0..=rng.below(3) {
                    pattern += rng.pick(&[
                        "a", "a-z", "0-9", "A-F", "\\d", "\\w", "\\s", "-", "]", "[:alpha:]", "[:^digit:]",
                        "[:foo:]", "^", ".", "é", "α-ω", "\\]", "\\-", "z-a", "&&", "[", "\\pL", "\\x00-\\x{10FFFF}",
                        "_", "\\b", " ",
                    ]);
                }
                if rng.chance(96) {
                    pattern.push(']');
                }
            }
            10..13 if depth > 0 => {
                pattern +=
                    rng.pick(&["(", "(", "(?:", "(?P<n>", "(?<m>", "(?i:", "(?P<1>", "(?=", "(?P<n", "(?i", "(?s-m:"]);
                pattern += &regex(rng, depth - 1);
                if rng.chance(40) {
                    pattern.push('|');
                    if rng.chance(85) {
                        pattern += &regex(rng, depth - 1);
                    }
                }
                if rng.chance(96) {
                    pattern.push(')');
                }
            }
            13 => pattern += rng.pick(&["|", "\\", ")", "(", "*", "+", "?", "{", "}", "{2}", "]", "["]),
            _ => pattern.push_str(rng.pick(&["ab", "o+", "[a-z]+", "\\d+", "(a|b)", "a|b", ".*", "[^/]+"])),
        }
        if rng.chance(35) {
            pattern += rng.pick(&[
                "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}", "{,2}", "{2,1}", "{1001}", "**", "{3}?",
                "{0}", "{a}", "{1", "+*",
            ]);
        }
    }
    pattern
}

/// The text that takes the place of what a pattern matched.
pub fn replacement(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..=rng.below(3) {
        text += rng.pick(&[
            "x", "-", "$1", "${1}", "$1W", "$n", "${n}", "$$", "$", "${", "${1", "$0", "\\1", "é", "$é", "${01}",
            "${-1}", "$10", "${n}x", "$_",
        ]);
    }
    text
}

/// A date's layout.
pub fn layout(rng: &mut Rng) -> String {
    if rng.chance(25) {
        return (rng.pick(&[
            "2006-01-02", "2006-01-02T15:04:05Z07:00", "Mon, 02 Jan 2006 15:04:05 MST", "Jan _2 15:04:05.000",
            "02/01/06", "3:04PM", "2006-01-02 15:04:05",
        ]))
        .to_owned();
    }
    let mut layout = String::new();
    for _ in 0..=rng.below(6) {
        layout += rng.pick(&[
            "2006", "06", "01", "1", "Jan", "January", "02", "2", "_2", "002", "__2", "Mon", "Monday", "15", "03",
            "3", "04", "4", "05", "5", ".000", ",000", ".999", ",999999", ".0", "PM", "pm", "MST", "Z07:00", "Z0700",
            "Z07", "-07:00", "-0700", "-07", "-07:00:00", "Z070000", "-070000", "_2006", "x", "é", "T", ".",
            "January2", "Janu", "0", "7", "00", "Mondays",
        ]);
        layout += rng.pick(&["-", " ", ":", "/", "", "", ","]);
    }
    layout
}

/// A moment, written in some layout.
pub fn moment(rng: &mut Rng) -> String {
    let (year, month, day) = (rng.between(1890, 2110), rng.between(0, 13), rng.between(0, 32));
    let (hour, minute, second) = (rng.between(0, 24), rng.between(0, 60), rng.between(0, 60));
    match rng.below(8) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        2 => format!(
            "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{}+{:02}:30",
            rng.below(100_000),
            rng.below(25)
        ),
        3 => format!("{year}-{month}-{day} {hour}:{minute}:{second}"),
        4 => format!("{day:02}/{month:02}/{:02}", year % 100),
        5 => format!("{hour}:{minute:02}{}", rng.pick(&["PM", "AM", "pm", "XM", ""])),
        6 => format!(
            "{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} {}",
            rng.pick(&["Mon", "Tue", "Foo"]),
            rng.pick(&["Jan", "Feb", "may", "XXX"]),
            rng.pick(&["UTC", "MST", "CEST", "GMT+3", "+0100"])
        ),
        _ => text(rng),
    }
}

/// A duration.
pub fn duration(rng: &mut Rng) -> String {
    if rng.chance(20) {
        return (rng.pick(&[
            "0", "", "1", "90", "-5", "1.5", "1d", "1w", "h", "1h ", " 1h", "+1h", "--1h", "9223372036s",
            "9223372037s", "2562047h47m16s", "-2562047h47m16.854775808s", "1e3s", ".s", "1.s", ".5s", "1µs", "1μs",
            "1us", "1ns", "0.1ns", "1H", "infs", "1h-1m",
        ]))
        .to_owned();
    }
    let mut duration = String::new();
    if rng.chance(15) {
        duration.push('-');
    }
    for _ in 0..=rng.below(3) {
        duration += &match rng.below(4) {
            0 => format!("{}.{}", rng.below(100), rng.below(1000)),
            1 => rng.below(100_000).to_string(),
            _ => rng.below(60).to_string(),
        };
        duration += rng.pick(&["h", "m", "s", "ms", "us", "µs", "ns"]);
    }
    duration
}

/// A semantic version.
pub fn version(rng: &mut Rng) -> String {
    if rng.chance(15) {
        return (rng.pick(&[
            "", "1", "v1", "1.2", "V1.2.3", "01.2.3", "1.2.3.4", "1.2.x", "1.2.3-", "1.2.3-01", "1.2.3-a..b",
            "1.2.3+", "1.2.3+a_b", "x", "1.2.3-é", " 1.2.3", "99999999999999999999.0.0", "1.2.3-0", "v1.36.0-gke.1",
            "1.2.3-alpha.10", "1.2.3-alpha.2",
        ]))
        .to_owned();
    }
    let mut version = format!("{}{}", if rng.chance(15) { "v" } else { "" }, rng.below(4));
    for _ in 0..rng.below(3) + usize::from(rng.chance(60)) {
        version += &format!(".{}", rng.below(4));
    }
    if rng.chance(25) {
        version += &format!("-{}", rng.pick(&["0", "1", "a", "beta.1", "rc1", "alpha", "alpha.1.x", "0a", "-"]));
    }
    if rng.chance(10) {
        version += &format!("+{}", rng.pick(&["1", "b.2", "001"]));
    }
    version
}

/// A range of versions.
pub fn constraint(rng: &mut Rng) -> String {
    let mut constraint = String::new();
    for at in 0..=rng.below(3) {
        if at > 0 {
            constraint += rng.pick(&[",", ", ", " ", " || ", "||", " , ", " - ", "-", "  "]);
        }
        constraint += rng
            .pick(&["", "", "=", "!=", ">", "<", ">=", "<=", "=>", "=<", "~", "~>", "^", "==", "> ", ">= ", "^ ", "!"]);
        constraint += &match rng.below(6) {
            0 => (rng.pick(&["*", "x", "X", "1.x", "1.x.3", "1.2.*", "v1", "", "1.*.*", "*-0", "1.2.x-0"])).to_owned(),
            _ => version(rng),
        };
    }
    constraint
}

/// A path.
pub fn path(rng: &mut Rng) -> String {
    let mut path = String::new();
    for _ in 0..rng.below(5) {
        path += rng.pick(&["/", "a", "b.txt", "..", ".", "//", "c.tar.gz", ".hidden", " ", "é", "a/", "\\", "x."]);
        path += rng.pick(&["/", "/", "", "//"]);
    }
    path
}

/// An address.
pub fn url(rng: &mut Rng) -> String {
    let mut url = (rng.pick(&[
        "http://", "https://", "//", "", "mailto:", "ftp://", "HTTP://", "1http://", ":", "a+b.c-d://", "http:/",
        "é://", "/",
    ]))
    .to_owned();
    if rng.chance(30) {
        url += rng.pick(&["user@", "user:pass@", "u%20s:p%3As@", ":@", "a:b:c@", "us er@", "%zz@", "ü@"]);
    }
    url += rng.pick(&[
        "example.com", "localhost", "[::1]", "[::1%25en0]", "[::1", "127.0.0.1", "", "ex ample", "a%20b", "é.com",
        "EXAMPLE.com", "a_b", "[fe80::1%en0]", "a<b",
    ]);
    url += rng.pick(&["", "", ":80", ":", ":x", ":99999", ":080"]);
    url += rng.pick(&[
        "", "/", "/a/b", "/a%2Fb", "/a b", "/é", "/../x", "//x", "/%zz", "/a;b=c", "/*", "/a%20b", "/~x", "/[x]",
    ]);
    url += rng.pick(&["", "", "?a=b", "?", "?a b", "?é", "?a=%20&b", "?%zz", "?a?b"]);
    url + rng.pick(&["", "", "#f", "#", "#a b", "#é", "#%41", "#%zz", "#a#b", "#a%2Fb", "#!\"'()"])
}

/// A pattern for names of files.
pub fn glob(rng: &mut Rng) -> String {
    let mut glob = String::new();
    for _ in 0..=rng.below(4) {
        glob += rng.pick(&[
            "*", "**", "?", "a", "b", ".txt", "/", "/", "[ab]", "[!a]", "[a-c]", "{a,b}", "{a*,b}", "x", "conf",
            "\\*", "é", "*.yaml", "**/", "[", "{", "}", "{a,{b,c}}", "{}", "[^a]", "{a/b,c}", ".", "data",
        ]);
    }
    glob
}

/// A text with a small change: a piece is lost, doubled, moved, replaced, or comes from elsewhere.
pub fn mutate(rng: &mut Rng, text: &str, other: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.below(chars.len() + 1);
    let span = 1 + if rng.chance(70) { rng.below(3) } else { rng.below(20) };
    let end = (at + span).min(chars.len());
    match rng.below(7) {
        0 | 1 => {
            chars.drain(at..end);
        }
        2 => {
            let piece: Vec<char> = chars[at..end].to_vec();
            let to = rng.below(chars.len() + 1);
            chars.splice(to..to, piece);
        }
        3 => {
            let piece = rng.pick(&[
                "{{", "}}", "{{-", "-}}", "{{- ", " -}}", "\"", "`", "'", "(", ")", "|", ":=", "=", "$", ".", ",",
                " ", "\n", "\t", "end", "else", "if", "range", "with", "define", "break", "continue", "nil",
                "{{ end }}", "{{ else }}", "{{/*", "*/}}", "\\", "0x", "1e", "_", "!", "\u{0}", "é", "not", "and",
                "or", "..", "$x", "%",
            ]);
            chars.splice(at..at, piece.chars());
        }
        4 if at < end => {
            let letters: Vec<char> = LETTERS.chars().collect();
            chars[at] = rng.pick(&letters);
        }
        5 if !other.is_empty() => {
            let other: Vec<char> = other.chars().collect();
            let from = rng.below(other.len());
            let to = (from + 1 + rng.below(30)).min(other.len());
            chars.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let to = rng.below(chars.len() + 1);
            if at < chars.len() && to < chars.len() {
                chars.swap(at, to);
            }
        }
    }
    chars.into_iter().collect()
}
