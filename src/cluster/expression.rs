//! CEL expressions over Kubernetes objects: compiled once, within limits, and never a panic, whatever they say.
//!
//! The language is CEL's standard library with optional values and the string and base64 extensions. An evaluation cannot be
//! interrupted, so what it may cost at most is reckoned beforehand from its shape and from the size of the objects.

use cel::{
    Context, Env, Value as CelValue,
    common::ast::{EntryExpr, Expr, IdedExpr},
    extensions,
    objects::{Key, Map},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
};

/// Longest expression, in bytes.
const LONGEST: usize = 4096;
/// How deeply an expression may be nested as written.
const NESTING: u16 = 32;
/// How deeply its tree may be nested: `a.b.c` is a tree too.
const DEPTH: usize = 96;
/// Nodes that an evaluation may visit, about.
const VISITS: f64 = 4e6;
/// Bytes that it may hold, about.
const BYTES: f64 = 64e6;
/// The parser is recursive and not thrifty.
const STACK: usize = 32 << 20;
/// Compiled expressions that are kept.
const KEPT: usize = 512;
/// Longest message, in bytes: the interpreter shows whole values.
const MESSAGE: usize = 300;

/// An expression that cannot be compiled, or that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {message}")]
pub struct Error {
    /// The expression, or its beginning.
    pub text: String,
    /// What is wrong.
    pub message: String,
}

impl Error {
    fn new(text: &str, message: &str) -> Self {
        Self { text: beginning(text, 80), message: beginning(message, MESSAGE) }
    }
}

/// Where and what; the rest draws the place.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("ERROR: <input>:").to_owned()
}

fn beginning(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(longest)])
}

/// How deeply brackets stand within each other, those in texts included.
fn nesting(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    text: String,
    tree: IdedExpr,
    shape: Shape,
    variables: Vec<String>,
}

impl Expression {
    /// Compiles an expression; one that is in use somewhere is compiled only once.
    ///
    /// # Errors
    /// If it is no CEL, too long, or nested too deeply.
    pub fn compile(text: &str) -> Result<Arc<Self>, Error> {
        type Kept = HashMap<String, Result<Arc<Expression>, Error>>;
        static COMPILED: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
        if text.len() > LONGEST {
            return Err(Error::new(text, &format!("longer than {LONGEST} bytes")));
        }
        // The parser takes its time over what is nested for nesting's sake.
        if nesting(text) > usize::from(NESTING) {
            return Err(Error::new(text, &format!("nested more than {NESTING} levels deep")));
        }
        let known = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(text) {
            return known.clone();
        }
        // Meanwhile nobody waits for the lock; twice is no harm.
        let result = Self::compile_aside(text).map(Arc::new);
        let mut compiled = known();
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(text.to_owned(), result.clone());
        result
    }

    /// Compiles on a thread with a large stack; if the parser panics, only that thread ends.
    fn compile_aside(text: &str) -> Result<Self, Error> {
        let fail = |message: &str| Error::new(text, message);
        let source = text.to_owned();
        let work = move || {
            let tree = ENV
                .parser()
                .max_recursion_depth(NESTING)
                .parse(&source)
                .map_err(|error| first_line(&error.to_string()))?;
            let shape = Shape::of(&tree);
            if shape.depth > DEPTH {
                return Err(format!("nested more than {DEPTH} levels deep"));
            }
            let mut variables: Vec<String> = tree.references().variables().into_iter().map(str::to_owned).collect();
            variables.sort();
            Ok(Self { text: source, tree, shape, variables })
        };
        let thread = thread::Builder::new().name("cel".to_owned()).stack_size(STACK).spawn(work);
        let done = thread.map_err(|error| fail(&error.to_string()))?.join();
        done.map_err(|_| fail("the parser gave up on it"))?.map_err(|message| fail(&message))
    }

    /// The expression's own text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it uses, those of its own loops included.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Whether it is true of these variables.
    ///
    /// # Errors
    /// If it has no answer (a field is not there), another one than true or false, or might take too long.
    pub fn holds<'v>(&self, variables: impl IntoIterator<Item = (&'v str, &'v Value)>) -> Result<bool, Error> {
        let fail = |message: &str| Error::new(&self.text, message);
        let used: Vec<(&str, &Value)> =
            variables.into_iter().filter(|(name, _)| self.variables.iter().any(|used| used == name)).collect();
        let mut size = Size::default();
        used.iter().for_each(|(_, value)| size.add(value));
        self.shape.check(size).map_err(fail)?;
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(ENV.clone());
            for (name, value) in used {
                context.add_variable_from_value(name, to_cel(value));
            }
            CelValue::resolve(&self.tree, &context)
        }));
        match answer {
            Ok(Ok(CelValue::Bool(answer))) => Ok(answer),
            Ok(Ok(other)) => Err(fail(&format!("it is a {}, not true or false", other.type_of()))),
            Ok(Err(error)) => Err(fail(&error.to_string())),
            Err(_) => Err(fail("the interpreter gave up on it")),
        }
    }
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Both declare nothing that the standard library has; if one did, it would be missing in every test.
    let _ = env.add_extension(extensions::strings);
    let _ = env.add_extension(extensions::encoders);
    Arc::new(env)
});

/// What an expression's cost depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Shape {
    nodes: usize,
    depth: usize,
    /// Loops within each other.
    loops_deep: u32,
    loops: u32,
    /// Calls that may make something longer than what they are given.
    growths: u32,
    /// The longest list or map, or text, that is written out.
    literal: usize,
}

/// What the loops of macros gather their result in.
const RESULT: &str = "@result";

/// Functions whose result may be longer than their arguments.
const GROWING: [&str; 8] = ["_+_", "replace", "join", "format", "encode", "quote", "split", "base64.encode"];

impl Shape {
    fn of(tree: &IdedExpr) -> Self {
        let mut shape = Self { nodes: 1, depth: 1, ..Self::default() };
        let mut inner: Vec<&IdedExpr> = Vec::new();
        match &tree.expr {
            Expr::Call(call) => {
                // `map` and `filter` put one item after another; nobody can write this name.
                let collects =
                    matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name == RESULT);
                shape.growths = u32::from(GROWING.contains(&call.func_name.as_str()) && !collects);
                inner.extend(call.target.as_deref());
                inner.extend(&call.args);
            }
            Expr::Comprehension(of) => {
                shape.loops = 1;
                for part in [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
                    shape.add(Self::of(part));
                }
                // What a loop goes over is reckoned once, not at each step.
                shape.loops_deep += 1;
                inner.push(&of.iter_range);
            }
            Expr::List(list) => {
                shape.literal = list.elements.len();
                inner.extend(&list.elements);
            }
            Expr::Select(select) => inner.push(&select.operand),
            Expr::Map(map) => {
                shape.literal = map.entries.len();
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) => inner.extend([&entry.key, &entry.value]),
                        EntryExpr::StructField(field) => inner.push(&field.value),
                    }
                }
            }
            Expr::Struct(of) => {
                for entry in &of.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) => inner.extend([&entry.key, &entry.value]),
                        EntryExpr::StructField(field) => inner.push(&field.value),
                    }
                }
            }
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
        for part in inner {
            shape.add(Self::of(part));
        }
        shape
    }

    fn add(&mut self, part: Self) {
        self.nodes += part.nodes;
        self.depth = self.depth.max(part.depth + 1);
        self.loops_deep = self.loops_deep.max(part.loops_deep);
        self.loops += part.loops;
        self.growths += part.growths;
        self.literal = self.literal.max(part.literal);
    }

    /// Refuses what might take too long for objects of this size. Each loop may make what it goes over grow by all the
    /// growing calls there are, which is far too much, but enough for whoever asks about conditions.
    fn check(self, size: Size) -> Result<(), &'static str> {
        let exponent = i32::try_from(self.loops.saturating_add(1)).unwrap_or(i32::MAX);
        let growth = (f64::from(self.growths) + 1.0).powi(exponent);
        let longest = size.longest.max(self.literal).max(1) as f64 * growth;
        // A step of a loop visits a handful of nodes besides those that are written.
        let visits = self.nodes as f64 * longest.powi(i32::try_from(self.loops_deep).unwrap_or(i32::MAX));
        if visits > VISITS {
            return Err("its loops might take too long for an object of this size");
        }
        if (size.bytes + LONGEST) as f64 * growth > BYTES {
            return Err("it might need too much memory for an object of this size");
        }
        Ok(())
    }
}

/// How large objects are.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    bytes: usize,
    /// Entries of the longest list or map.
    longest: usize,
}

impl Size {
    fn add(&mut self, value: &Value) {
        self.bytes += 16;
        match value {
            Value::String(text) => self.bytes += text.len(),
            Value::Array(items) => {
                self.longest = self.longest.max(items.len());
                items.iter().for_each(|item| self.add(item));
            }
            Value::Object(fields) => {
                self.longest = self.longest.max(fields.len());
                for (key, value) in fields.iter().filter(|(key, _)| *key != MANAGED) {
                    self.bytes += key.len();
                    self.add(value);
                }
            }
            _ => {}
        }
    }
}

/// Who set which field is long and nobody's business here.
const MANAGED: &str = "managedFields";

fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(b) => CelValue::Bool(*b),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => CelValue::Int(n),
            (None, Some(n)) => CelValue::UInt(n),
            (None, None) => CelValue::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != MANAGED);
            let map = fields.map(|(key, value)| (Key::String(Arc::new(key.clone())), to_cel(value))).collect();
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(text: &str, object: &Value) -> String {
        let fields = object.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value));
        match Expression::compile(text).and_then(|expression| expression.holds(fields)) {
            Ok(answer) => answer.to_string(),
            Err(error) => format!("error: {}", error.message),
        }
    }

    #[test]
    fn answers() {
        let object = json!({
            "metadata": {"name": "db", "generation": 3, "labels": {"a": "b"}},
            "spec": {"replicas": 2},
            "status": {
                "phase": "Running",
                "ratio": 0.5,
                "observedGeneration": 3,
                "conditions": [
                    {"type": "Ready", "status": "True", "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z"},
                    {"type": "Stalled", "status": "False"},
                ],
            },
        });
        for (text, want) in [
            ("status.phase == 'Running'", "true"),
            ("status.phase in ['Pending', 'Failed']", "false"),
            (
                "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True' && e.observedGeneration == metadata.generation)",
                "true",
            ),
            ("status.conditions.exists(e, e.type == 'Stalled' && e.status == 'True')", "false"),
            ("has(status.conditions) && size(status.conditions) == 2", "true"),
            ("has(status.none)", "false"),
            ("status.observedGeneration >= metadata.generation", "true"),
            ("status.ratio > 0.1 && status.ratio < 1", "true"),
            ("spec.replicas == 2.0", "true"),
            ("metadata.labels['a'] == 'b'", "true"),
            ("metadata.?annotations.hasValue()", "false"),
            ("metadata.?labels.?a.orValue('') == 'b'", "true"),
            ("status.phase.lowerAscii().startsWith('run')", "true"),
            ("status.phase.matches('^R.n+ing$')", "true"),
            ("status.conditions.map(c, c.type) == ['Ready', 'Stalled']", "true"),
            ("timestamp(status.conditions[0].lastTransitionTime) > timestamp('2026-01-01T00:00:00Z')", "true"),
            ("duration('1h') > duration('5m')", "true"),
        ] {
            assert_eq!(answer(text, &object), want, "{text}");
        }
        for text in [
            "status.none == 1",
            "nothing.at.all",
            "spec.replicas",
            "'a' + 1",
            "1 / 0 == 1",
            "[1][5] == 1",
            "'a'.matches('(')",
            "9223372036854775807 + 1 == 0",
            "status.phase.nonsense()",
        ] {
            assert!(answer(text, &object).starts_with("error: "), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            " ",
            ".",
            "/",
            "a.",
            "status.phase ==",
            "(a",
            "a)",
            "'a",
            "\"\\ud800\" == ''",
            "a ? b",
            "1e999999",
            "@",
            "\u{0}",
            "status.phase == 'a' garbage",
            &format!(">{}?[{}{}l\u{0}?(-", "{".repeat(63), "(".repeat(11), "{".repeat(26)),
            &"(".repeat(4000),
            &"[".repeat(4000),
            &format!("{}1{}", "(".repeat(2000), ")".repeat(2000)),
            &format!("a{}", ".b".repeat(2000)),
            &format!("a{}", " + a".repeat(1000)),
            &"x".repeat(5000),
        ] {
            assert!(Expression::compile(text).is_err(), "{:?}", beginning(text, 60));
        }
    }

    #[test]
    fn odd_texts_do_no_harm() {
        for text in [
            "!!!!!a",
            "-----1 == -1",
            "a ? b : c ? d : e",
            "{}",
            "[]",
            "b'\\xff' == b''",
            "'\u{1F600}'.size() == 1",
            "0x10 == 16",
            "1u == 1u",
        ] {
            let _ = answer(text, &json!({"a": true}));
        }
    }

    #[test]
    fn loops_are_bounded_by_what_they_go_over() {
        let list = |items: usize| json!({"status": {"l": (0..items).collect::<Vec<_>>()}});
        let nested = "status.l.all(a, status.l.all(b, a <= b || a > b))";
        assert_eq!(answer("status.l.all(a, a >= 0)", &list(10_000)), "true");
        assert_eq!(answer(nested, &list(100)), "true");
        assert_eq!(answer("status.l.filter(a, a > 5).map(a, a).all(b, b > 5)", &list(5_000)), "true");
        let refused = "error: its loops might take too long for an object of this size";
        assert_eq!(answer(nested, &list(10_000)), refused);
        let literal = format!("[{}]", vec!["1"; 300].join(","));
        assert_eq!(answer(&format!("{literal}.all(a, {literal}.all(b, {literal}.all(c, true)))"), &list(1)), refused);
        // Twice as long each time.
        let doubled = format!("['aa']{}.size() == 1", ".map(x, x + x)".repeat(40));
        assert!(answer(&doubled, &list(1)).starts_with("error: it"), "{}", answer(&doubled, &list(1)));
    }
}
