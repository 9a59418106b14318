//! Random documents: YAML in all its styles, JSON, TOML; most of them valid.

use super::{texts, tree};
use crate::rng::Rng;

/// JSON.
pub fn json(rng: &mut Rng) -> String {
    let value = tree::value(rng, 2);
    let text =
        if rng.chance(70) { value.to_string() } else { serde_json::to_string_pretty(&value).unwrap_or_default() };
    if rng.chance(25) {
        let piece = rng.pick(&[
            "", ",", "1", "\"", "\\u00e9", "\\ud800", "\\ud83d\\ude00", "\\x", "\t", "[", "}", "null", "tru", "1e5",
            "-", "01", "1.", ".5", "NaN", "//c", "\u{1}", "1e999", "123456789012345678901234567890",
        ]);
        let mut chars: Vec<char> = text.chars().collect();
        let at = rng.below(chars.len() + 1);
        chars.splice(at..at, piece.chars());
        return chars.into_iter().collect();
    }
    text
}

const TOML_KEYS: &[&str] =
    &["a", "b", "c", "a.b", "\"a b\"", "'x'", "1", "a-b", "é", "", "\"\"", "a . b", "_", "true", "1.2"];
const TOML_VALUES: &[&str] = &[
    "1", "-1", "+1", "1_000", "0x1F", "0o17", "0b11", "01", "1__0", "1.5", "-1.5e3", "1e5", "1.", ".5", "inf",
    "-nan", "+inf", "true", "false", "True", "\"x\"", "'x'", "\"\\u00e9\"", "\"\\x41\"", "\"\\e\"", "\"a\\nb\"",
    "\"a\nb\"", "'''a\nb'''", "\"\"\"\na\\\n   b\"\"\"", "\"\"\"a\"b\"\"\"\"", "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00.5", "1979-05-27", "07:32:00", "1979-05-27T00:32:00-07:00", "1979-13-01", "07:32", "[1, 2]",
    "[1, \"a\"]", "[]", "[1,]", "[[1], [2]]", "{a = 1}", "{a.b = 1, c = []}", "{}", "{a = 1,}", "[\n 1, # c\n 2\n]",
    "", "nil", "9223372036854775807", "9223372036854775808", "99999999999999999999", "0x", "1e1000", "[{a=1},{b=2}]",
    "{a=1, a=2}", "\"\\U0001F600\"", "\"\\q\"", "'a\u{1}'",
];

/// TOML.
pub fn toml(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..=rng.below(5) {
        match rng.below(10) {
            0 => text += &format!("[{}]\n", rng.pick(TOML_KEYS)),
            1 => text += &format!("[[{}]]\n", rng.pick(TOML_KEYS)),
            2 => {
                text += rng.pick(&[
                    "# comment\n", "\n", "  \n", "a\n", "= 1\n", "[a\n", "a = 1 b = 2\n", "\r\n", "[ a . b ]\n",
                    "[a]b=1\n",
                ]);
            }
            _ => {
                text += &format!(
                    "{}{}{}{}",
                    rng.pick(TOML_KEYS),
                    rng.pick(&[" = ", "=", " =", "\t=\t"]),
                    rng.pick(TOML_VALUES),
                    rng.pick(&["\n", "\n", "\n", " # c\n", "\r\n", ""])
                );
            }
        }
    }
    text
}

/// YAML.
pub fn yaml(rng: &mut Rng) -> String {
    let mut writer = Yaml { rng, anchors: 0 };
    let mut text = String::new();
    if writer.rng.chance(8) {
        text += writer.rng.pick(&[
            "---\n", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%TAG ! tag:x,2000:\n---\n", "# c\n", "\u{feff}",
            "--- ", "---\n---\n", "\n\n", "...\n", "%FOO bar\n---\n", "%YAML 2.0\n---\n",
        ]);
    }
    if writer.rng.chance(85) {
        text += &writer.mapping(0, 3);
    } else {
        text += &writer.node(0, 3);
    }
    if rng.chance(8) {
        text += rng.pick(&["...\n", "---\nb: 2\n", "# end", "  ", "\n\n\n", "---", "...\n# c\n", "\t", "x"]);
    }
    if rng.chance(15) {
        let other = (rng.pick(&[
            ": ", "- ", "  ", "\t", "\n", "#", " #c\n", "&a ", "*a", "!!str ", "|\n", ">-\n", "\"", "'", "{", "}", "[",
            "]", ",", "? ", "<<: *a\n", "---\n", "\\", "%", "@", "!x ", "!<a> ", "\u{85}", "\u{2028}", "\r",
        ]))
        .to_owned();
        let chars: Vec<char> = text.chars().collect();
        let at = rng.below(chars.len() + 1);
        let mut changed: String = chars[..at].iter().collect();
        changed += &other;
        changed.extend(&chars[(at + rng.below(2)).min(chars.len())..]);
        text = changed;
    }
    text
}

struct Yaml<'r> {
    rng: &'r mut Rng,
    anchors: usize,
}

impl Yaml<'_> {
    fn pad(&mut self, indent: usize) -> String {
        let odd = if self.rng.chance(2) { self.rng.below(3) } else { 0 };
        " ".repeat(indent + odd)
    }

    fn end(&mut self) -> &'static str {
        self.rng.pick(&["\n", "\n", "\n", "\n", "\n", "\n", " # c\n", "\n\n", "  \n", "\r\n", "\n# c\n"])
    }

    fn key(&mut self) -> String {
        match self.rng.below(14) {
            0 => (self.rng.pick(&[
                "\"a b\"", "'c'", "1", "1.5", "true", "null", "~", "on", "no", "y", "0x10", "2001-01-01", "[a]",
                "{a: b}", "\"\"", "a b", "a#b", "-1", "é", "? a\n", "!!str 1", "&k a", "*a1", "1_000", ".inf", "|",
                "a:b", "\"a\\nb\"", "0o7", "1e3",
            ]))
            .to_owned(),
            1 => format!("<<{}", if self.rng.chance(10) { " " } else { "" }),
            _ => (self.rng.pick(&["a", "b", "c", "d", "name", "list", "x", "key"])).to_owned(),
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.rng.below(4) {
            text += &self.pad(indent);
            let key = self.key();
            text += &key;
            text += self.rng.pick(&[":", ":", ":", ":", ":", ":", " :", ": "]);
            if key == "<<" {
                text += &format!(
                    " {}{}",
                    self.rng.pick(&[
                        "*a1", "*a2", "{x: 1, a: 2}", "[*a1, *a2]", "[{a: 1}, {a: 2, b: 3}]", "1", "[]", "~",
                        "*zz"
                    ]),
                    self.end()
                );
                continue;
            }
            text += &self.value(indent, depth);
        }
        text
    }

    /// What comes after a key or a dash, up to the end of the line or of the block.
    fn value(&mut self, indent: usize, depth: usize) -> String {
        let mut text = String::new();
        if self.rng.chance(7) {
            text += &self.property();
        }
        match self.rng.below(20) {
            0..4 if depth > 0 => {
                let deeper = indent + self.rng.pick(&[2, 2, 2, 1, 4, 3]);
                format!("{text}{}{}", self.end(), self.mapping(deeper, depth - 1))
            }
            4..7 if depth > 0 => {
                let deeper = indent + self.rng.pick(&[0, 0, 2, 2, 1, 4]);
                format!("{text}{}{}", self.end(), self.sequence(deeper, depth - 1))
            }
            7 | 8 => format!("{text} {}{}", self.flow(2), self.end()),
            9..11 => format!("{text} {}", self.block_scalar(indent)),
            11 => format!("{text}{}", self.end()),
            12 if self.anchors > 0 => format!(" *a{}{}", 1 + self.rng.below(self.anchors), self.end()),
            13 => {
                // A plain or quoted scalar over several lines.
                let quote = self.rng.pick(&["", "", "'", "\""]);
                let joint = self.rng.pick(&["\n", "\n\n", " \n", "\n\n\n", "\\\n", "\n \t"]);
                let (one, two) = (self.plain(), self.plain());
                let pad = " ".repeat(indent + 1 + self.rng.below(3));
                format!("{text} {quote}{one}{joint}{pad}{two}{quote}{}", self.end())
            }
            _ => format!("{text} {}{}", self.scalar(), self.end()),
        }
    }

    fn property(&mut self) -> String {
        match self.rng.below(3) {
            0 => (self.rng.pick(&[
                " !!str", " !!int", " !!float", " !!bool", " !!null", " !!map", " !!seq", " !!binary", " !!set",
                " !!timestamp", " !x", " !", " !<tag:yaml.org,2002:str>", " !!omap", " !!foo", " !e!x", " !!merge",
            ]))
            .to_owned(),
            _ => {
                self.anchors += 1;
                format!(" &a{}", self.anchors)
            }
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.rng.below(3) {
            text += &self.pad(indent);
            text.push('-');
            if depth > 0 && self.rng.chance(25) {
                let inner = if self.rng.chance(70) {
                    self.mapping(indent + 2, depth - 1)
                } else {
                    self.sequence(indent + 2, depth - 1)
                };
                text += &format!(" {}", inner.trim_start());
            } else {
                text += &self.value(indent, depth);
            }
        }
        text
    }

    fn node(&mut self, indent: usize, depth: usize) -> String {
        match self.rng.below(4) {
            0 => self.sequence(indent, depth),
            1 => self.flow(3) + self.end(),
            2 => self.scalar() + self.end(),
            _ => self.block_scalar(indent),
        }
    }

    fn flow(&mut self, depth: usize) -> String {
        let space = self.rng.pick(&["", " ", " ", "\n  ", " # c\n  ", "\t"]);
        match self.rng.below(4) {
            0 if depth > 0 => {
                let items: Vec<String> = (0..self.rng.below(4)).map(|_| self.flow(depth - 1)).collect();
                format!("[{space}{}{}]", items.join(&format!(",{space}")), self.rng.pick(&["", "", "", ",", " ", ",,"]))
            }
            1 if depth > 0 => {
                let mut items = Vec::new();
                for _ in 0..self.rng.below(4) {
                    let joint = self.rng.pick(&[": ", ": ", ": ", ":", " : ", "", ":\n   "]);
                    items.push(format!("{}{joint}{}", self.key(), self.flow(depth - 1)));
                }
                format!("{{{space}{}{}}}", items.join(&format!(",{space}")), self.rng.pick(&["", "", "", ",", " "]))
            }
            _ => self.scalar(),
        }
    }

    fn plain(&mut self) -> &'static str {
        self.rng.pick(&[
            "a", "foo bar", "1", "-1", "+12", "0", "007", "08", "0o14", "0x1F", "0b101", "-0x1", "1_000", "1__0",
            "_1", "1:30", "1:60", "190:20:30.5", "1.5", "-.5", "+.5", "1.", "1e3", "1E+3", "1e-3", "1_0.5", ".inf",
            "-.Inf", "+.INF", ".NaN", ".nan", "nan", "inf", "true", "True", "TRUE", "tRUE", "yes", "Yes", "NO", "no",
            "on", "Off", "y", "n", "Y", "N", "null", "Null", "NULL", "~", "nUll", "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10 -5", "2002-12-14", "2002-1-1", "2002-13-45", "-", "--", "---", "-a", "?a", ":a",
            "a:b", "a#b", "a,b", "a]b", "=", "<<", "!", "*", "&", "http://x/y?z", "é", "日本", "😀", "a\\nb", "it's",
            "say \"x\"", "%a", "@a", "`a`", "9223372036854775807", "9223372036854775808", "18446744073709551615",
            "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "1e400", "0.1", "123456.789",
            "1234567.5", "1e21", "0xFFFFFFFFFFFFFFFF", "0x10000000000000000", "0777777777777777777777", "0b", "0x",
            "0o", "1e", ".", "..", "...", "+", "-.", "1.2.3", "1,000", "a: b", "100000000000000000000000.5",
            "4.9e-324", "1.7976931348623157e308", "0.1e1", "-0", "-0.0", "+0", "00", "0.", "0_", "0_1", "1e3_0",
            "0x_1", "685_230.15", "0b1_0",
        ])
    }

    fn scalar(&mut self) -> String {
        match self.rng.below(10) {
            0 => format!("'{}'", texts::text(self.rng).replace('\'', "''")),
            1 => {
                let mut text = String::from("\"");
                for _ in 0..self.rng.below(4) {
                    text += self.rng.pick(&[
                        "a", " ", "\\n", "\\t", "\\\"", "\\\\", "\\x41", "\\u00e9", "\\U0001F600", "\\0", "\\a",
                        "\\e", "\\ ", "\\/", "\\N", "\\_", "\\L", "\\P", "\\q", "\\ud800", "\\x8", "'", ": ", " #",
                        "\\\n  ", "\n  ", "é", "\\v", "\\xff", "\t",
                    ]);
                }
                text + "\""
            }
            2 => format!("{:?}", texts::text(self.rng)),
            3 => {
                texts::text(self.rng)
            }
            _ => self.plain().to_owned(),
        }
    }

    fn block_scalar(&mut self, indent: usize) -> String {
        let mut text = format!(
            "{}{}{}",
            self.rng.pick(&["|", "|", ">", ">"]),
            self.rng.pick(&["", "", "-", "+", "2", "1", "-2", "2-", "4+", "0", "10", "x", "3"]),
            self.rng.pick(&["\n", "\n", "\n", " # c\n", "  \n", "\n\n", "#c\n"])
        );
        let deeper = indent + self.rng.pick(&[2, 2, 2, 1, 4]);
        for _ in 0..self.rng.below(5) {
            let lines = [
                " ".repeat(deeper),
                " ".repeat(deeper + 2),
                " ".repeat(deeper + 1),
                String::new(),
                " ".repeat(deeper.saturating_sub(1)),
                format!("{}\t", " ".repeat(deeper)),
            ];
            let weights = [0, 0, 0, 0, 0, 1, 2, 3, 3, 4, 5];
            let start = lines[self.rng.pick(&weights)].clone();
            let line = self.rng.pick(&[
                "foo", "bar baz", "# not a comment", "- x", "a: b", "", "  ", "é 日本",
                "a long line that is folded somewhere because it does not fit into the width that the writer has",
                "x\t", "y ", "---", "'", "\u{85}", "\u{2028}z",
            ]);
            text += &format!("{start}{line}{}", self.rng.pick(&["\n", "\n", "\n", "\n", "\n\n", "\r\n", ""]));
        }
        if !text.ends_with('\n') && self.rng.chance(80) {
            text.push('\n');
        }
        text
    }
}
