//! Templates that count. Tera bounds how deep an expression nests, but neither how often something happens nor how large it
//! gets; so calls are put into the source: where rounds begin, where texts are printed, and around every part of an
//! expression that makes something. What they do is said in [`super::meter`].
//!
//! Nothing is parsed here: a scan over brackets, operators and words finds where operands begin and end. Tera's grammar has
//! one precedence above all operators, that of `|`, and so a filter put behind an operand is the operand's own.

use super::meter::{EACH, KEEP, KEPT, MADE, OUT, STEP};

/// A template that counts, and how to find places of the original in it.
pub(super) struct Metered {
    /// As the chart has it.
    pub(super) source: String,
    /// With the calls put in. They hold no line break.
    pub(super) text: String,
    /// Where in `text` something was put in, and how many bytes.
    inserted: Vec<(usize, usize)>,
}

/// What is put in at a place of the source.
struct Insertion {
    at: usize,
    /// Of what begins at one place the outer comes first, of what ends there the inner: the last found, and the first.
    opens: bool,
    text: String,
}

#[derive(Default)]
struct Insertions(Vec<Insertion>);

impl Insertions {
    fn open(&mut self, at: usize, text: impl Into<String>) {
        self.0.push(Insertion { at, opens: true, text: text.into() });
    }

    fn close(&mut self, at: usize, text: impl Into<String>) {
        self.0.push(Insertion { at, opens: false, text: text.into() });
    }

    /// Around a part of an expression.
    fn wrap(&mut self, from: usize, to: usize, filter: &str) {
        self.open(from, "(");
        self.close(to, format!(") | {filter}"));
    }

    fn in_order(self) -> Vec<Insertion> {
        let mut all: Vec<(usize, Insertion)> = self.0.into_iter().enumerate().collect();
        let last = all.len();
        all.sort_by_key(|(found, i)| (i.at, i.opens, if i.opens { last - found } else { *found }));
        all.into_iter().map(|(_, insertion)| insertion).collect()
    }
}

/// A tag whose text is written again and again: a loop, a component, a block.
struct Body {
    /// Where its text begins, and whether the tag trims it.
    start: usize,
    trims: bool,
    /// The parameters of a component.
    names: Vec<String>,
}

impl Metered {
    /// `longest`: the length of the longest template that may be included.
    pub(super) fn of(source: &str, longest: usize) -> Self {
        let mut found = Insertions::default();
        let mut bodies: Vec<Body> = Vec::new();
        let mut at = 0;
        while let Some(offset) = source[at..].find('{') {
            let open = at + offset;
            at = match source.as_bytes().get(open + 1) {
                Some(b'#') => after(source, open + 2, "#}"),
                Some(b'{') => {
                    let end = tag_end(source, open + 2, "}}");
                    printed(source, open + 2, end, &mut found);
                    end
                }
                Some(b'%') => {
                    let end = tag_end(source, open + 2, "%}");
                    match word(&source[open + 2..end]) {
                        "raw" => raw_end(source, end),
                        name => {
                            tag(source, (open, end), name, longest, &mut bodies, &mut found);
                            end
                        }
                    }
                }
                _ => open + 1,
            };
        }
        for body in bodies {
            body.end(source.len(), &mut found);
        }
        let mut metered = Self { source: source.to_owned(), text: String::new(), inserted: Vec::new() };
        let mut done = 0;
        for insertion in found.in_order() {
            metered.text.push_str(&source[done..insertion.at]);
            metered.inserted.push((metered.text.len(), insertion.text.len()));
            metered.text.push_str(&insertion.text);
            done = insertion.at;
        }
        metered.text.push_str(&source[done..]);
        metered
    }

    /// The place in the original that a place in the metered text stands for.
    pub(super) fn original(&self, at: usize) -> usize {
        let mut moved = 0;
        for (start, length) in &self.inserted {
            if at <= *start {
                break;
            }
            moved += (*length).min(at - start);
        }
        at - moved
    }
}

impl Body {
    /// Counts a round, with its text, where it begins.
    fn end(self, to: usize, found: &mut Insertions) {
        let length = to.saturating_sub(self.start);
        found.open(self.start, call(&format!("{STEP}(n={length})"), self.trims));
        if !self.names.is_empty() {
            found.close(self.start, call(&format!("{KEEP}(v=[{}])", self.names.join(", ")), self.trims));
        }
    }
}

/// A tag that prints nothing. It trims the space behind it where the tag before it does.
fn call(what: &str, trims: bool) -> String {
    format!("{{{{ {what}{}}}}}", if trims { " -" } else { " " })
}

/// The part of a tag between its delimiters and their dashes, without space at its ends.
fn inside(source: &str, from: usize, end: usize) -> (usize, usize) {
    let text = &source[from..end];
    let text = text.strip_suffix("}}").or_else(|| text.strip_suffix("%}")).unwrap_or(text);
    let text = text.strip_suffix('-').unwrap_or(text).trim_end();
    let to = from + text.len();
    let text = text.strip_prefix('-').unwrap_or(text).trim_start();
    (to.saturating_sub(text.len()).max(from), to)
}

/// `{{ … }}`: what it prints counts. A mere path is looked at behind the tag, so that Tera says by its name what is missing.
fn printed(source: &str, open: usize, end: usize, found: &mut Insertions) {
    let (from, to) = inside(source, open, end);
    let text = &source[from..to];
    if text.is_empty() {
        return;
    }
    if is_path(text) {
        found.close(end, call(&format!("{OUT}(v={text})"), source[..end].ends_with("-}}")));
        return;
    }
    scan(source, from, to, Start::Operand, found);
    if !text.starts_with('<') {
        found.wrap(from, to, MADE);
    }
}

fn is_path(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    !matches!(text, "true" | "false" | "none" | "None" | "null" | "True" | "False" | "not")
        && text.split('.').all(|part| is_name(part.strip_suffix('?').unwrap_or(part)))
        && !text.ends_with('?')
}

/// `{% … %}`, from `{` on.
fn tag(
    source: &str,
    (open, end): (usize, usize),
    name: &str,
    longest: usize,
    bodies: &mut Vec<Body>,
    found: &mut Insertions,
) {
    let (from, to) = inside(source, open + 2, end);
    let trims = source[..end].ends_with("-%}");
    let rest = (from + name.len()).min(to);
    match name {
        "for" => {
            if let Some(at) = keyword(&source[rest..to], "in") {
                let target = rest + at;
                let target = target + (source[target..to].len() - source[target..to].trim_start().len());
                scan(source, target, to, Start::Operand, found);
                found.wrap(target, to, KEPT);
            }
            bodies.push(Body { start: end, trims, names: Vec::new() });
        }
        "block" => bodies.push(Body { start: end, trims, names: Vec::new() }),
        "component" => bodies.push(Body { start: end, trims, names: parameters(&source[rest..to]) }),
        "endfor" | "endblock" | "endcomponent" => {
            if let Some(body) = bodies.pop() {
                body.end(open, found);
            }
        }
        "include" => found.close(end, call(&format!("{STEP}(n={longest})"), trims)),
        "set" | "set_global" => {
            let text = &source[rest..to];
            let name = text.len() - text.trim_start().len() + word(text.trim_start()).len();
            let value = text[name..].trim_start();
            let start = to - value.len();
            if let Some(value) = value.strip_prefix('=') {
                let value = to - value.trim_start().len();
                scan(source, value, to, Start::Operand, found);
                found.wrap(value, to, KEPT);
            } else {
                // What is written until `endset`, and filtered.
                scan(source, start, to, Start::Operand, found);
                found.close(to, format!(" | {KEPT}"));
            }
        }
        "filter" => scan(source, rest, to, Start::Filter, found),
        "if" | "elif" => scan(source, rest, to, Start::Operand, found),
        "" => scan(source, from, to, Start::Operand, found),
        _ => {}
    }
}

/// Where the text behind a word begins, the first time that it stands by itself.
fn keyword(text: &str, wanted: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let word = word_at(text, at);
        if word == wanted {
            return Some(at + word.len());
        }
        at += word.len().max(text[at..].chars().next().map_or(1, char::len_utf8));
    }
    None
}

/// The names of a component's parameters: the words that begin the parts between its parentheses.
fn parameters(text: &str) -> Vec<String> {
    let (mut names, mut depth, mut begins, mut at) = (Vec::new(), 0_usize, false, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'"' | b'\'' | b'`' => {
                at = quoted_end(text, at);
                begins = false;
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                begins = depth == 1;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => begins = depth == 1,
            b'@' | b'.' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let word = word_at(text, at);
                if begins && !word.is_empty() {
                    names.push(word.to_owned());
                }
                begins = false;
                at += word.len().max(text[at..].chars().next().map_or(1, char::len_utf8));
                continue;
            }
        }
        at += 1;
    }
    names
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// The whole, `(…)`, or a map.
    Plain,
    /// `[…]` as a list.
    List,
    /// `[…]` behind a value.
    Subscript,
    /// `<name …>`
    Component,
    /// `{…}` as an argument of a component.
    Argument,
}

/// How far a list comprehension has got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comprehension {
    None,
    Variables,
    /// What is gone through, from there on.
    Target(usize),
}

/// What the scan knows about the bracket that it is in.
struct Level {
    bracket: Bracket,
    /// Where its inside begins.
    start: usize,
    /// Whether an operand has begun, and where its last token ended.
    active: bool,
    end: usize,
    /// Whether a filter, a call or a slice is part of the operand.
    made: bool,
    /// Whether `~` stands before the operand.
    joined: bool,
    /// Whether the operand is what is tested for: `is odd`.
    test: bool,
    /// Where what is spread begins.
    spread: Option<usize>,
    /// Whether this is a slice.
    slice: bool,
    comprehension: Comprehension,
    last: Last,
}

/// The token before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Dot,
    Pipe,
    Is,
    Name,
}

impl Level {
    fn new(bracket: Bracket, start: usize) -> Self {
        Self {
            bracket,
            start,
            active: false,
            end: start,
            made: false,
            joined: false,
            test: false,
            spread: None,
            slice: false,
            comprehension: Comprehension::None,
            last: Last::Other,
        }
    }

    /// The operand is at its end. What made it, or will make something of it, counts.
    fn operand(&mut self, before_join: bool, found: &mut Insertions) {
        if self.active && !self.test && (self.made || self.joined || before_join) {
            found.close(self.end, format!(" | {MADE}"));
        }
        (self.active, self.made, self.joined, self.test) = (false, false, before_join, false);
        self.last = Last::Other;
    }

    /// The expression is at its end: an item, an argument, the inside of a bracket.
    fn expression(&mut self, found: &mut Insertions) {
        self.operand(false, found);
        if let Some(from) = self.spread.take() {
            found.wrap(from, self.end, MADE);
        }
    }

    fn target(&mut self, found: &mut Insertions) {
        if let Comprehension::Target(from) = self.comprehension {
            found.wrap(from, self.end, EACH);
            self.comprehension = Comprehension::None;
        }
    }

    fn continues(&mut self, end: usize) {
        self.active = true;
        self.end = end;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Operand,
    /// The name of a filter, as behind `|`.
    Filter,
}

/// Finds what an expression makes.
fn scan(source: &str, from: usize, to: usize, start: Start, found: &mut Insertions) {
    let bytes = source.as_bytes();
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::new(Bracket::Plain, from);
    if start == Start::Filter {
        (level.active, level.last) = (true, Last::Pipe);
    }
    let mut at = from;
    while at < to {
        let next = bytes.get(at + 1).copied().filter(|_| at + 1 < to);
        match bytes[at] {
            byte if byte.is_ascii_whitespace() => {}
            b'"' | b'\'' | b'`' => {
                at = quoted_end(source, at).min(to);
                level.continues(at);
                level.last = Last::Other;
                continue;
            }
            b'.' if source[at..to].starts_with("...") => {
                level.spread = Some(at + 3);
                at += 3;
                continue;
            }
            b'.' => level.last = Last::Dot,
            b'?' => {}
            b'|' => level.last = Last::Pipe,
            b'~' => level.operand(true, found),
            b'(' => {
                level.made |= level.active && level.last == Last::Name;
                open(&mut outer, &mut level, Bracket::Plain, at + 1);
            }
            b'[' if level.active => open(&mut outer, &mut level, Bracket::Subscript, at + 1),
            b'[' => open(&mut outer, &mut level, Bracket::List, at + 1),
            b'{' if level.bracket == Bracket::Component => {
                open(&mut outer, &mut level, Bracket::Argument, at + 1);
            }
            b'{' => open(&mut outer, &mut level, Bracket::Plain, at + 1),
            b')' | b']' | b'}' => close(&mut outer, &mut level, at + 1, found),
            b',' => level.expression(found),
            b':' => {
                level.operand(false, found);
                level.slice = level.bracket == Bracket::Subscript;
            }
            b'<' if !level.active && next.is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'/')) => {
                open(&mut outer, &mut level, Bracket::Component, at + 1);
            }
            b'>' if level.bracket == Bracket::Component => close(&mut outer, &mut level, at + 1, found),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                let word = word_at(source, at);
                let mut end = (at + word.len().max(source[at..].chars().next().map_or(1, char::len_utf8))).min(to);
                if byte.is_ascii_digit() && bytes.get(end) == Some(&b'.') {
                    end += 1;
                    end = (end + word_at(source, end).len()).min(to);
                }
                name(word, end, &mut level, found);
                at = end;
                continue;
            }
            _ if level.bracket == Bracket::Component => {}
            _ => level.operand(false, found),
        }
        at += 1;
    }
    while !outer.is_empty() {
        close(&mut outer, &mut level, to, found);
    }
    level.expression(found);
}

/// A word or a number.
fn name(word: &str, end: usize, level: &mut Level, found: &mut Insertions) {
    if level.bracket == Bracket::Component {
        return;
    }
    match (level.last, word) {
        (Last::Dot, _) => {}
        (Last::Pipe, _) => level.made = true,
        (Last::Is, "not") => return,
        (Last::Is, _) => level.test = true,
        (_, "for") if level.bracket == Bracket::List && level.comprehension == Comprehension::None => {
            level.operand(false, found);
            found.wrap(level.start, level.end, MADE);
            level.comprehension = Comprehension::Variables;
            return;
        }
        (_, "in") if level.comprehension == Comprehension::Variables => {
            level.operand(false, found);
            level.comprehension = Comprehension::Target(end);
            return;
        }
        (_, "is") => {
            level.operand(false, found);
            level.last = Last::Is;
            return;
        }
        (_, "if") => {
            level.operand(false, found);
            level.target(found);
            return;
        }
        (_, "and" | "or" | "not" | "in" | "else") => {
            level.operand(false, found);
            return;
        }
        _ => {}
    }
    level.continues(end);
    level.last = Last::Name;
}

fn open(outer: &mut Vec<Level>, level: &mut Level, bracket: Bracket, start: usize) {
    outer.push(std::mem::replace(level, Level::new(bracket, start)));
}

/// Goes back to the bracket around. What a component is given is kept.
fn close(outer: &mut Vec<Level>, level: &mut Level, end: usize, found: &mut Insertions) {
    let spreads = level.spread.is_some();
    if level.bracket != Bracket::Component {
        level.expression(found);
        level.target(found);
    }
    let Some(around) = outer.pop() else { return };
    let inner = std::mem::replace(level, around);
    if inner.bracket == Bracket::Argument && !spreads && inner.end > inner.start {
        found.wrap(inner.start, inner.end, KEPT);
    }
    level.made |= inner.slice;
    level.continues(end);
    level.last = Last::Other;
}

fn after(source: &str, from: usize, end: &str) -> usize {
    source[from..].find(end).map_or(source.len(), |at| from + at + end.len())
}

/// Behind the text that begins with a quote here.
fn quoted_end(source: &str, from: usize) -> usize {
    let bytes = source.as_bytes();
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != bytes[from] {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    // Never within a character: what an escape passes over may have several bytes.
    at = (at + 1).min(source.len());
    while !source.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Where a tag ends; texts in it may hold what looks like its end.
fn tag_end(source: &str, from: usize, end: &str) -> usize {
    let bytes = source.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' | b'`' => at = quoted_end(source, at),
            _ if bytes[at..].starts_with(end.as_bytes()) => return at + end.len(),
            _ => at += 1,
        }
    }
    source.len()
}

/// The word that begins at a place; empty if none does.
fn word_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    &rest[..end]
}

/// The word that a tag begins with.
fn word(tag: &str) -> &str {
    word_at(tag.strip_prefix('-').unwrap_or(tag).trim_start(), 0)
}

/// Behind the `{% endraw %}` that ends a raw block.
fn raw_end(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(offset) = source[at..].find("{%") {
        let open = at + offset + 2;
        if word(&source[open..]) == "endraw" {
            return tag_end(source, open, "%}");
        }
        at = open;
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn what_is_repeated_printed_or_made_counts() {
        for (source, expect) in [
            ("a {{ x }} b", "a {{ x }}{{ out(v=x) }} b"),
            ("a {{- x.y?.z -}} b", "a {{- x.y?.z -}}{{ out(v=x.y?.z) -}} b"),
            ("{{ x | f }}", "{{ (x | f | made) | made }}"),
            ("{{- a + b -}}", "{{- (a + b) | made -}}"),
            (
                "{{ -1 }}{{ <a x={y ~ 1} b=\"{~}\" {...z | f} /> }}",
                concat!(
                    "{{ (-1) | made }}",
                    "{{ <a x={(y | made ~ 1 | made) | kept} b=\"{~}\" {...(z | f | made) | made} /> }}"
                ),
            ),
            ("{% for x in y %}a{% endfor %}", "{% for x in (y) | kept %}{{ step(n=1) }}a{% endfor %}"),
            (
                "{%- for k, in_ in y -%} a{%- endfor %}",
                "{%- for k, in_ in (y) | kept -%}{{ step(n=2) -}} a{%- endfor %}",
            ),
            (
                "{% component a(x=\"%}\", @y: map, ...r) %}b{% endcomponent a %}",
                "{% component a(x=\"%}\", @y: map, ...r) %}{{ keep(v=[x, y, r]) }}{{ step(n=1) }}b{% endcomponent a %}",
            ),
            (
                "{% component a() -%} b {%- endcomponent %}",
                "{% component a() -%}{{ step(n=3) -}} b {%- endcomponent %}",
            ),
            ("{% block a %}bc{% endblock %}", "{% block a %}{{ step(n=2) }}bc{% endblock %}"),
            ("{% include \"a\" -%} b", "{% include \"a\" -%}{{ step(n=99) -}} b"),
            ("{# {% for x in y %} #}{{ '{% for %}' }}", "{# {% for x in y %} #}{{ ('{% for %}') | made }}"),
            (
                "{% raw %}{% for x in y %}{% endraw %}{% for z in y %}",
                "{% raw %}{% for x in y %}{% endraw %}{% for z in (y) | kept %}{{ step(n=0) }}",
            ),
            ("{% set x = y ~ z.a[1:] %}", "{% set x = (y | made ~ z.a[1:] | made) | kept %}"),
            ("{% set_global x=[...y, z] %}", "{% set_global x=([...(y) | made, z]) | kept %}"),
            ("{% set x -%} a {% endset %}", "{% set x | kept -%} a {% endset %}"),
            (
                "{% set x | f(a=b ~ c) %}a{% endset %}",
                "{% set x | f(a=b | made ~ c | made) | made | kept %}a{% endset %}",
            ),
            ("{% filter f(a=1) | g %}a{% endfilter %}", "{% filter f(a=1) | g | made %}a{% endfilter %}"),
            (
                "{% if a ~ b is odd and f(x=y)[0] == 1.5 %}",
                "{% if a | made ~ b | made is odd and f(x=y)[0] | made == 1.5 %}",
            ),
            ("{% elif x is not starting_with(pat=\"a\") %}", "{% elif x is not starting_with(pat=\"a\") %}"),
            (
                "{% set a = [x | f for x in y.z if x is odd] %}",
                "{% set a = ([(x | f | made) | made for x in( y.z) | each if x is odd]) | kept %}",
            ),
            (
                "{% set a = [[b for b in c] for d in e] %}",
                "{% set a = ([([(b) | made for b in( c) | each]) | made for d in( e) | each]) | kept %}",
            ),
            (
                "{% set a = {\"k\": b ~ c, ...d} %}",
                "{% set a = ({\"k\": b | made ~ c | made, ...(d) | made}) | kept %}",
            ),
            ("{{ a if b ~ c else d | f }}", "{{ (a if b | made ~ c | made else d | f | made) | made }}"),
            ("{{ a < b }}{% <c d={e}> %}f{% </c> %}", "{{ (a < b) | made }}{% <c d={(e) | kept}> %}f{% </c> %}"),
            ("{% format %}", "{% format %}"),
            ("{{", "{{"),
            ("{{ \"", "{{ (\") | made"),
            ("ä {% for ü in ö %}ä", "ä {% for ü in (ö) | kept %}{{ step(n=2) }}ä"),
        ] {
            let metered = Metered::of(source, 99);
            let short = metered.text.replace("__pintle_", "");
            assert_eq!(short, expect, "{source}");
            for (at, _) in source.char_indices() {
                // Every place of the original is found again.
                let before = metered.inserted.iter().scan(0, |sum, (start, length)| {
                    let counts = start - *sum <= at;
                    *sum += length;
                    Some(if counts { *length } else { 0 })
                });
                let moved: usize = before.sum();
                assert_eq!(metered.original(at + moved), at, "{source} at {at}");
            }
        }
    }

    #[test]
    fn nothing_breaks_the_scan() {
        let parts = [
            "{{",
            "}}",
            "{%",
            "%}",
            "-",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "<a",
            "/>",
            "|",
            "~",
            "...",
            ".",
            ",",
            ":",
            "=",
            "\"",
            "'",
            "\\",
            "ü",
            "for",
            "in",
            "if",
            "is",
            "set",
            "x",
            " ",
            "endfor",
            "component",
            "filter",
            "#}",
            "{#",
            "1.",
        ];
        let mut chance = Chance(1);
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                text.push_str(chance.of(&parts));
            }
            let metered = Metered::of(&text, 1);
            assert!(metered.text.len() >= text.len(), "{text}");
            assert_eq!(metered.original(metered.text.len()), text.len(), "{text}");
        }
    }
}
