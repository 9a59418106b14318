//! Random templates: every action, with expressions that mostly fit together.

use super::{calls, calls::Function, texts, tree};
use crate::{case::Case, rng::Rng};
use serde_json::{Map, Value};
use std::sync::OnceLock;

fn functions() -> &'static [Function] {
    static ALL: OnceLock<Vec<Function>> = OnceLock::new();
    ALL.get_or_init(calls::all)
}

/// A case of a few actions.
pub fn case(rng: &mut Rng) -> Case {
    let mut writer = Writer::new(rng);
    let mut template = String::new();
    let mut partials = std::collections::BTreeMap::new();
    let defines = writer.rng.below(3);
    if writer.rng.chance(35) {
        let mut text = String::new();
        for at in 0..defines {
            text += &writer.define(&format!("t{at}"));
            text.push_str(writer.rng.pick(&["", "\n", " \n\n"]));
        }
        if writer.rng.chance(30) {
            partials.insert("_helpers.tpl".to_owned(), text);
        } else {
            template += &text;
        }
    }
    let count = 1 + writer.rng.below(4);
    template += &writer.body(count, 2);
    let values = writer.values;
    Case { template, partials, values, ..Case::default() }
}

/// What is known at the place where the next action goes.
pub struct Writer<'r> {
    /// Chance.
    pub rng: &'r mut Rng,
    /// The values that paths lead into.
    pub values: Map<String, Value>,
    variables: Vec<String>,
    defined: Vec<String>,
    ranges: usize,
    dot_is_root: bool,
}

impl<'r> Writer<'r> {
    /// At the beginning of a template, with values of its own.
    pub fn new(rng: &'r mut Rng) -> Self {
        let mut values = super::table(rng, 2);
        // Something of each kind is always there.
        for (key, value) in [
            ("s", Value::from(texts::text(rng))),
            ("n", tree::scalar(rng)),
            ("l", tree::list(rng, 1)),
            ("m", tree::table(rng, 1)),
            ("f", Value::from(tree::number(rng))),
        ] {
            values.insert(key.to_owned(), value);
        }
        Self { rng, values, variables: Vec::new(), defined: Vec::new(), ranges: 0, dot_is_root: true }
    }

    fn open(&mut self) -> &'static str {
        self.rng.pick(&["{{ ", "{{ ", "{{ ", "{{- ", "{{", "{{-  ", "{{\n"])
    }

    fn close(&mut self) -> &'static str {
        self.rng.pick(&[" }}", " }}", " }}", " -}}", "}}", "\n}}"])
    }

    fn action(&mut self, inside: &str) -> String {
        format!("{}{inside}{}", self.open(), self.close())
    }

    fn text(&mut self) -> String {
        (self.rng.pick(&["", " ", "\n", "a: ", "x\n  ", "- ", "\n\n", "  \t", "é", ":", "b\n", "key: |\n  "]))
            .to_owned()
    }

    /// A named template, and its name for later calls.
    pub fn define(&mut self, name: &str) -> String {
        let variables = std::mem::take(&mut self.variables);
        let ranges = std::mem::take(&mut self.ranges);
        let root = std::mem::replace(&mut self.dot_is_root, false);
        let count = self.rng.below(3);
        let body = self.body(count, 1);
        let text = format!("{}{body}{}", self.action(&format!("define \"{name}\"")), self.action("end"));
        (self.variables, self.ranges, self.dot_is_root) = (variables, ranges, root);
        self.defined.push(name.to_owned());
        text
    }

    /// Some actions with text between them.
    pub fn body(&mut self, count: usize, depth: usize) -> String {
        let known = self.variables.len();
        let mut text = self.text();
        for _ in 0..count {
            text += &self.any_action(depth);
            text += &self.text();
        }
        self.variables.truncate(known);
        text
    }

    fn block(&mut self, depth: usize) -> String {
        let count = self.rng.below(3);
        self.body(count, depth)
    }

    fn any_action(&mut self, depth: usize) -> String {
        match self.rng.below(20) {
            0..9 => {
                let pipeline = self.pipeline(3);
                self.action(&pipeline)
            }
            9 | 10 => {
                let name = (self.rng.pick(&["$v", "$w", "$x"])).to_owned();
                let pipeline = self.pipeline(2);
                if self.variables.contains(&name) && self.rng.chance(60) {
                    return self.action(&format!("{name} = {pipeline}"));
                }
                let text = self.action(&format!("{name} := {pipeline}"));
                self.variables.push(name);
                text
            }
            11..13 if depth > 0 => self.conditional(depth - 1),
            13 | 14 if depth > 0 => self.with(depth - 1),
            15..18 if depth > 0 => self.range(depth - 1),
            18 if !self.defined.is_empty() => {
                let name = self.defined[self.rng.below(self.defined.len())].clone();
                let with = if self.rng.chance(70) { self.pipeline(1) } else { String::new() };
                self.action(&format!("template \"{name}\" {with}"))
            }
            19 if self.ranges > 0 => {
                let word = self.rng.pick(&["break", "continue"]);
                let condition = self.expression('B', 1);
                format!("{}{}{}", self.action(&format!("if {condition}")), self.action(word), self.action("end"))
            }
            _ => match self.rng.below(6) {
                0 => (self.rng.pick(&["{{/* a */}}", "{{- /* a\nb */ -}}", "{{/**/}}"])).to_owned(),
                1 => {
                    let pipeline = self.pipeline(1);
                    let root = std::mem::replace(&mut self.dot_is_root, false);
                    let known = std::mem::take(&mut self.variables);
                    let body = self.block(0);
                    self.variables = known;
                    self.dot_is_root = root;
                    let name = format!("block{}", self.rng.below(3));
                    format!("{}{body}{}", self.action(&format!("block \"{name}\" {pipeline}")), self.action("end"))
                }
                _ => {
                    let pipeline = self.pipeline(2);
                    self.action(&pipeline)
                }
            },
        }
    }

    /// A pipeline that may declare a variable, as conditions do.
    fn condition(&mut self, kind: char) -> String {
        let pipeline = if self.rng.chance(70) { self.expression(kind, 2) } else { self.pipeline(2) };
        if self.rng.chance(15) {
            self.variables.push("$c".to_owned());
            return format!("$c := {pipeline}");
        }
        pipeline
    }

    fn conditional(&mut self, depth: usize) -> String {
        let known = self.variables.len();
        let condition = self.condition('B');
        let mut text = self.action(&format!("if {condition}"));
        text += &self.block(depth);
        while self.rng.chance(25) {
            let condition = self.condition('A');
            text += &self.action(&format!("else if {condition}"));
            text += &self.block(depth);
        }
        if self.rng.chance(50) {
            text += &self.action("else");
            text += &self.block(depth);
        }
        self.variables.truncate(known);
        text + &self.action("end")
    }

    fn with(&mut self, depth: usize) -> String {
        let known = self.variables.len();
        let root = std::mem::replace(&mut self.dot_is_root, false);
        let condition = self.condition('A');
        let mut text = self.action(&format!("with {condition}"));
        text += &self.block(depth);
        while self.rng.chance(15) {
            let condition = self.condition('A');
            text += &self.action(&format!("else with {condition}"));
            text += &self.block(depth);
        }
        self.dot_is_root = root;
        if self.rng.chance(40) {
            text += &self.action("else");
            text += &self.block(depth);
        }
        self.variables.truncate(known);
        text + &self.action("end")
    }

    fn range(&mut self, depth: usize) -> String {
        let known = self.variables.len();
        let kind = self.rng.pick(&['L', 'L', 'L', 'D', 'D', 'I', 'A']);
        let over = self.expression(kind, 2);
        let root = std::mem::replace(&mut self.dot_is_root, false);
        let head = match self.rng.below(4) {
            0 => {
                self.variables.extend(["$i".to_owned(), "$e".to_owned()]);
                format!("range $i, $e := {over}")
            }
            1 => {
                self.variables.push("$e".to_owned());
                format!("range $e := {over}")
            }
            _ => format!("range {over}"),
        };
        self.ranges += 1;
        let mut text = self.action(&head) + &self.block(depth);
        if self.rng.chance(20) {
            text += &self.action("break");
        }
        self.ranges -= 1;
        self.variables.truncate(known);
        self.dot_is_root = root;
        if self.rng.chance(30) {
            text += &self.action("else");
            text += &self.block(depth);
        }
        text + &self.action("end")
    }

    /// A pipeline that prints something.
    pub fn pipeline(&mut self, depth: usize) -> String {
        let mut text = if self.rng.chance(75) { self.call('?', depth) } else { self.expression('A', depth) };
        while self.rng.chance(25) {
            let function = self.rng.pick(functions());
            // Most functions take whatever comes only by chance.
            if self.rng.chance(25)
                && let Some(fixed) = function.takes.strip_suffix(|c: char| c != '*') {
                text = format!("{text} | {}", function.name);
                text += &self.arguments(fixed, 1);
            } else {
                text += self.rng.pick(&[
                    " | quote", " | toYaml", " | toJson", " | toString", " | typeOf", " | kindOf", " | empty",
                    " | default 1", " | toYaml | nindent 2", " | toPrettyJson", " | toString | trim", " | list | len",
                    " | squote", " | toYamlPretty", " | int", " | float64", " | deepCopy", " | not", " | toString | b64enc | b64dec",
                ]);
            }
        }
        text
    }

    /// An operand or a call of what gives such a kind.
    pub fn expression(&mut self, kind: char, depth: usize) -> String {
        if depth == 0 || self.rng.chance(50) { self.argument(kind, 0) } else { self.call(kind, depth) }
    }

    /// A call of a function that gives such a kind; `?` for any.
    fn call(&mut self, kind: char, depth: usize) -> String {
        for _ in 0..200 {
            let function = self.rng.pick(functions());
            let fits = kind == '?'
                || function.gives == kind
                || (kind == 'A' && self.rng.chance(10))
                || (kind == 'N' && "IF".contains(function.gives));
            // What ends the render is rare.
            if !fits || (function.name == "fail" && !self.rng.chance(3)) {
                continue;
            }
            let below = depth.saturating_sub(1);
            if !function.takes.is_empty() && !function.takes.ends_with('*') && self.rng.chance(35) {
                let (head, last) = function.takes.split_at(function.takes.len() - 1);
                let last = last.chars().next().unwrap_or('A');
                let piped =
                    if below > 0 && self.rng.chance(40) { self.call(last, below) } else { self.argument(last, below) };
                return format!("{piped} | {}{}", function.name, self.arguments(head, below));
            }
            return format!("{}{}", function.name, self.arguments(function.takes, below));
        }
        self.argument(kind, 0)
    }

    fn arguments(&mut self, takes: &str, depth: usize) -> String {
        let mut text = String::new();
        let kinds: Vec<char> = takes.chars().collect();
        for (at, kind) in kinds.iter().enumerate() {
            if *kind == '*' {
                continue;
            }
            let times = if kinds.get(at + 1) == Some(&'*') { self.rng.below(4) } else { 1 };
            for _ in 0..times {
                text.push(' ');
                text += &self.argument(*kind, depth);
            }
        }
        // Too few or too many.
        match self.rng.below(150) {
            0 => text.push_str(" 1"),
            1 => text.truncate(text.rfind(' ').unwrap_or(0)),
            _ => {}
        }
        text
    }

    /// One argument: a constant, a path, a variable or a call in parentheses.
    pub fn argument(&mut self, kind: char, depth: usize) -> String {
        // What does not fit.
        let kind = if self.rng.chance(4) { self.rng.pick(&['A', 'S', 'I', 'N', 'L', 'D', 'B', 'T']) } else { kind };
        if depth > 0 && kind != 'G' && self.rng.chance(25) {
            return format!("({})", self.call(kind, depth - 1));
        }
        if self.rng.chance(6) && !self.variables.is_empty() {
            return self.variable();
        }
        match kind {
            'S' => match self.rng.below(8) {
                0..5 => self.string(),
                5 => self.path_of(Value::is_string),
                6 => ".Values.s".to_owned(),
                _ => format!("`{}`", texts::text(self.rng).replace('`', "")),
            },
            'I' => (self.rng.pick(&[
                "0", "1", "2", "3", "4", "5", "7", "8", "10", "12", "-1", "-2", "-5", "20", "1.0", "0x3", "0b11",
                "1e1", "'a'", "(int 3)", "(int64 2)", "(int .Values.n)", "(len .Values.l)", "30", "-0", "0o7",
            ]))
            .to_owned(),
            'N' => self.number(),
            'F' => match self.rng.below(3) {
                0 => ".Values.f".to_owned(),
                1 => format!("(float64 {})", self.number()),
                _ => self.number(),
            },
            'B' => match self.rng.below(5) {
                0 => "true".to_owned(),
                1 => "false".to_owned(),
                2 => self.path_of(Value::is_boolean),
                _ => format!("({})", self.call('B', 1)),
            },
            'L' => match self.rng.below(6) {
                0 => ".Values.l".to_owned(),
                1 | 2 => self.path_of(Value::is_array),
                3 => format!("(list{})", self.arguments("A*", 0)),
                4 => (self.rng.pick(&[
                    "(until 3)", "(splitList \",\" \"a,b,c\")", "(list 1 2 3)", "(list \"b\" \"a\" \"c\")",
                    "(untilStep 0 10 3)", "(list)", "(list nil 1)", "(list (dict \"a\" 1))",
                    "(regexFindAll \"[a-z]\" \"abc\" -1)", "(list 1.0 2.5 \"x\" true)", "(chunk 2 (list 1 2 3))",
                    "(list (list 1) (list 2))",
                ]))
                .to_owned(),
                _ => format!("({})", self.call('L', 1)),
            },
            'D' => match self.rng.below(6) {
                0 => ".Values.m".to_owned(),
                1 | 2 => self.path_of(Value::is_object),
                3 => format!("(dict{})", self.arguments("GG", 0)),
                4 => (self.rng.pick(&[
                    "(dict)", "(dict \"a\" 1)", "(dict \"a\" (dict \"b\" 2) \"c\" nil)", ".Values", ".Chart",
                    ".Release", ".Values.AsMap", ".Chart.Annotations", ".Files", "(dict \"b\" 1 \"a\" 2)",
                    "(split \".\" \"a.b\")", "(dict \"scheme\" \"http\" \"host\" \"h\" \"path\" \"/p\")",
                ]))
                .to_owned(),
                _ => format!("({})", self.call('D', 1)),
            },
            'T' => match self.rng.below(5) {
                0 => format!(
                    "(toDate {} {})",
                    texts::quoted(&texts::layout(self.rng)),
                    texts::quoted(&texts::moment(self.rng))
                ),
                1 => format!("(toDate \"2006-01-02T15:04:05Z07:00\" {})", texts::quoted(&texts::moment(self.rng))),
                2 => "(toDate \"2006-01-02\" \"2024-02-29\")".to_owned(),
                3 => format!(
                    "(dateModify {} (toDate \"2006-01-02\" \"2023-12-31\"))",
                    texts::quoted(&texts::duration(self.rng))
                ),
                _ => format!("(int64 {})", self.rng.between(-5_000_000_000, 5_000_000_000)),
            },
            'U' => match self.rng.below(6) {
                0..4 => texts::quoted(&texts::duration(self.rng)),
                4 => self.number(),
                _ => format!("(int64 {})", self.number()),
            },
            'V' => texts::quoted(&texts::version(self.rng)),
            'C' => texts::quoted(&texts::constraint(self.rng)),
            'R' => texts::quoted(&texts::regex(self.rng, 2)),
            'W' => texts::quoted(&texts::replacement(self.rng)),
            'Y' => texts::quoted(&texts::layout(self.rng)),
            'm' => texts::quoted(&texts::moment(self.rng)),
            'Z' => (self.rng.pick(&[
                "\"UTC\"", "\"\"", "\"Europe/Berlin\"", "\"America/New_York\"", "\"Asia/Kolkata\"", "\"Foo/Bar\"",
                "\"Local\"", "\"Australia/Lord_Howe\"", "\"EST\"", "\"America/Sao_Paulo\"", "\"Africa/Casablanca\"",
            ]))
            .to_owned(),
            'P' => texts::quoted(&texts::path(self.rng)),
            'Q' => texts::quoted(&texts::url(self.rng)),
            'J' => texts::quoted(&super::documents::json(self.rng)),
            'M' => texts::quoted(&super::documents::yaml(self.rng)),
            'O' => texts::quoted(&super::documents::toml(self.rng)),
            'X' => match self.rng.below(3) {
                0 => format!("(b64enc {})", self.string()),
                1 => format!("(b32enc {})", self.string()),
                _ => texts::quoted(self.rng.pick(&[
                    "Zm9v", "Zm9v\n", "Zm9", "Zm9vYg==", "Zm9vYg=", "====", "Z", "MZXW6===", "MZXW6==", "mzxw6",
                    "/+8=", "_-8=", "MZXW6YTBOI======",
                ])),
            },
            'K' => match self.rng.below(4) {
                0 => self.string(),
                _ => texts::quoted(self.rng.pick(&["a", "b", "c", "name", "s", "n", "list", "zz"])),
            },
            'G' => {
                let key = self.argument('K', 0);
                format!("{key} {}", self.argument('A', depth))
            }
            'k' => {
                texts::quoted(self.rng.pick(&[
                    "string", "map", "slice", "float64", "int", "int64", "bool", "invalid", "struct", "ptr", "",
                ]))
            }
            't' => texts::quoted(self.rng.pick(&[
                "string", "map[string]interface {}", "[]interface {}", "float64", "int", "int64", "bool", "<nil>",
                "time.Time", "*semver.Version", "common.Values",
            ])),
            'f' => texts::quoted(&texts::format(self.rng)),
            'd' => (self.rng.pick(&["1", "2", "3"])).to_owned(),
            'E' => {
                let text = if self.rng.chance(50) {
                    (self.rng.pick(&[
                        "{{ .a }}", "{{ . }}", "x", "{{ .Values.s }}", "{{ $ }}", "{{ nope }}",
                        "{{ include \"t0\" . }}", "{{ define \"z\" }}q{{ end }}{{ include \"z\" . }}", "{{",
                        "{{ fail \"x\" }}", "{{ .a.b.c }}", "{{- range . }}{{ . }},{{ end }}",
                        "{{ .Template.Name }}", "{{ tpl . . }}",
                    ]))
                    .to_owned()
                } else {
                    let pipeline = self.call('?', 1);
                    format!("a{{{{ {pipeline} }}}}b")
                };
                texts::quoted(&text)
            }
            'i' => {
                if self.defined.is_empty() || self.rng.chance(5) {
                    "\"nope\"".to_owned()
                } else {
                    format!("\"{}\"", self.defined[self.rng.below(self.defined.len())])
                }
            }
            _ => self.anything(depth),
        }
    }

    fn string(&mut self) -> String {
        if self.rng.chance(6) {
            return (self.rng.pick(&[
                "\"\\xff\"", "\"a\\xc3b\"", "\"\\u00e9\\U0001F600\"", "\"\\101\"", "\"\\a\\b\\f\\v\"",
                "\"\\xe2\\x82\"", "\"\\ud800\"", "\"\\'\"", "`a\nb`", "\"\\x7f\\x80\"", "\"\\0\"",
            ]))
            .to_owned();
        }
        texts::quoted(&texts::text(self.rng))
    }

    fn number(&mut self) -> String {
        match self.rng.below(8) {
            0 => ".Values.f".to_owned(),
            1 => ".Values.n".to_owned(),
            2 => self.path_of(Value::is_number),
            3 => (self.rng.pick(&[
                "9223372036854775807", "-9223372036854775808", "9223372036854775808", "0x7f", "1_000", "017", "0b1",
                "1e400", "0x1p4", "1i", "'x'", "'\\n'", "1e3", ".5", "1.", "1e-7", "2147483648", "0x", "1__0", "00",
            ]))
            .to_owned(),
            _ => {
                let number = tree::number(self.rng);
                if number.abs() < 1e21 { format!("{number}") } else { format!("{number:e}") }
            }
        }
    }

    fn variable(&mut self) -> String {
        let name = self.variables[self.rng.below(self.variables.len())].clone();
        if self.rng.chance(20) { format!("{name}.{}", self.rng.word("a b c name x")) } else { name }
    }

    fn anything(&mut self, depth: usize) -> String {
        match self.rng.below(20) {
            0 => "nil".to_owned(),
            1 => ".".to_owned(),
            2 => "$".to_owned(),
            3 | 4 => self.path_of(|_| true),
            5 => self.argument('B', 0),
            6..9 => self.argument('N', 0),
            9 => self.argument('I', 0),
            10 => self.argument('L', depth),
            11 => self.argument('D', depth),
            12 => (self.rng.pick(&[
                ".Release.Name", ".Release.Revision", ".Release", ".Chart.Name", ".Chart",
                ".Capabilities.KubeVersion.Minor", ".Template.Name", ".Files", ".Values.nope", ".Values.nope.nope",
                "(.Values.nope).nope", ".Subcharts", ".Chart.Dependencies", ".Chart.Maintainers", ".nope",
                "$.Values.s", "true", "(semver \"1.2.3\")", "(toDate \"2006\" \"2020\")", "(mustToDuration \"90s\")",
            ]))
            .to_owned(),
            13 => self.argument('T', 0),
            14 if depth > 0 => format!("({})", self.pipeline(depth - 1)),
            15 if depth > 0 => {
                format!("({}).{}", self.call('D', depth - 1), self.rng.word("a b _0 _1 name Error host zz"))
            }
            _ => self.argument('S', 0),
        }
    }

    /// A path to a value that fits, or nearly so.
    fn path_of(&mut self, fits: impl Fn(&Value) -> bool) -> String {
        let mut found = Vec::new();
        paths(&self.values, ".Values", 0, &mut |path, value| {
            if fits(value) {
                found.push(path.to_owned());
            }
        });
        if found.is_empty() || self.rng.chance(5) {
            return (self.rng.pick(&[
                ".Values.a.b", ".Values.zz", ".Values.m.a", ".Values.a", "(index .Values \"a\" \"b\")",
            ]))
            .to_owned();
        }
        let path = found[self.rng.below(found.len())].clone();
        if self.dot_is_root { path } else { format!("${path}") }
    }
}

/// All values that a chain of fields can reach.
fn paths(table: &Map<String, Value>, prefix: &str, depth: usize, each: &mut dyn FnMut(&str, &Value)) {
    if depth > 4 {
        return;
    }
    for (key, value) in table {
        let is_name = key.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name {
            continue;
        }
        let path = format!("{prefix}.{key}");
        each(&path, value);
        if let Value::Object(inner) = value {
            paths(inner, &path, depth + 1, each);
        }
    }
}
