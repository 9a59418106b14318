//! What Tera's templates may use up. Tera bounds how deep things nest, but not how often they happen, so every round of a
//! loop and every call of a component is made to begin with a call of a function that counts.

use crate::render::Options;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tera::{Kwargs, State, Tera};

/// Rounds of loops and calls of components in all.
const STEPS: u64 = 10_000_000;

const STEP: &str = "__pintle_step";

/// What is left of a render's allowance.
pub(super) struct Meter {
    steps: AtomicU64,
    bytes: AtomicU64,
    cancel: Option<Arc<AtomicBool>>,
}

impl Meter {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            steps: AtomicU64::new(STEPS.min(options.limits.steps)),
            bytes: AtomicU64::new(options.limits.bytes),
            cancel: options.cancel.clone(),
        }
    }

    /// A round of a loop, or some work of a function.
    pub(super) fn step(&self) -> Result<(), String> {
        if self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err("the render was cancelled".into());
        }
        take(&self.steps, 1).ok_or_else(|| "the render takes more steps than allowed".to_owned())
    }

    /// Text made.
    pub(super) fn write(&self, bytes: usize) -> Result<(), String> {
        self.step()?;
        take(&self.bytes, bytes as u64).ok_or_else(|| "the render makes more text than allowed".to_owned())
    }
}

fn take(left: &AtomicU64, count: u64) -> Option<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).ok().map(drop)
}

/// Makes the counting function known.
pub(super) fn register(tera: &mut Tera, meter: &Arc<Meter>) {
    let meter = Arc::clone(meter);
    tera.register_function(STEP, move |_: Kwargs, _: &State<'_>| -> tera::TeraResult<&'static str> {
        meter.step().map(|()| "").map_err(tera::Error::message)
    });
}

/// A template that counts, and how to find places of the original in it.
pub(super) struct Metered {
    /// As the chart has it.
    pub(super) source: String,
    /// With the calls put in. They hold no line break.
    pub(super) text: String,
    /// Where in `text` something was put in, and how many bytes.
    inserted: Vec<(usize, usize)>,
}

impl Metered {
    pub(super) fn of(source: &str) -> Self {
        let mut metered = Self { source: source.to_owned(), text: String::new(), inserted: Vec::new() };
        let mut done = 0;
        let mut at = 0;
        while let Some(offset) = source[at..].find('{') {
            let open = at + offset;
            at = match source.as_bytes().get(open + 1) {
                Some(b'#') => after(source, open + 2, "#}"),
                Some(b'{') => tag_end(source, open + 2, "}}"),
                Some(b'%') => {
                    let end = tag_end(source, open + 2, "%}");
                    match word(&source[open + 2..end]) {
                        "raw" => raw_end(source, end),
                        "for" | "component" => {
                            metered.put(&mut done, end, source[..end].ends_with("-%}"));
                            end
                        }
                        _ => end,
                    }
                }
                _ => open + 1,
            };
        }
        metered.text.push_str(&source[done..]);
        metered
    }

    /// Puts a call in. It trims the space behind it where the tag before it does.
    fn put(&mut self, done: &mut usize, at: usize, trims: bool) {
        let call = format!("{{{{ {STEP}(){}}}}}", if trims { " -" } else { " " });
        self.text.push_str(&self.source[*done..at]);
        self.inserted.push((self.text.len(), call.len()));
        self.text.push_str(&call);
        *done = at;
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

fn after(source: &str, from: usize, end: &str) -> usize {
    source[from..].find(end).map_or(source.len(), |at| from + at + end.len())
}

/// Where a tag ends; texts in it may hold what looks like its end.
fn tag_end(source: &str, from: usize, end: &str) -> usize {
    let bytes = source.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            _ if bytes[at..].starts_with(end.as_bytes()) => return at + end.len(),
            _ => at += 1,
        }
    }
    source.len()
}

/// The word that a tag begins with.
fn word(tag: &str) -> &str {
    let tag = tag.strip_prefix('-').unwrap_or(tag).trim_start();
    let end = tag.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(tag.len());
    &tag[..end]
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

    #[test]
    fn loops_and_components_count() {
        for (source, expect) in [
            ("a {{ x }} b", "a {{ x }} b"),
            ("{% for x in y %}a{% endfor %}", "{% for x in y %}{{ S() }}a{% endfor %}"),
            ("{%- for x in y -%} a{%- endfor %}", "{%- for x in y -%}{{ S() -}} a{%- endfor %}"),
            (
                "{% component a(x=\"%}\") %}b{% endcomponent a %}",
                "{% component a(x=\"%}\") %}{{ S() }}b{% endcomponent a %}",
            ),
            ("{% component a() -%} b {%- endcomponent %}", "{% component a() -%}{{ S() -}} b {%- endcomponent %}"),
            ("{# {% for x in y %} #}{{ '{% for %}' }}", "{# {% for x in y %} #}{{ '{% for %}' }}"),
            (
                "{% raw %}{% for x in y %}{% endraw %}{% for z in y %}",
                "{% raw %}{% for x in y %}{% endraw %}{% for z in y %}{{ S() }}",
            ),
            ("{%for x in y%}", "{%for x in y%}{{ S() }}"),
            ("{% format %}", "{% format %}"),
            ("{% for", "{% for{{ S() }}"),
            ("{% raw %}{% for", "{% raw %}{% for"),
            ("{{ \"", "{{ \""),
            ("ä {% for ü in ö %}ä", "ä {% for ü in ö %}{{ S() }}ä"),
        ] {
            let metered = Metered::of(source);
            let short = metered.text.replace(STEP, "S");
            assert_eq!(short, expect, "{source}");
            for (at, _) in source.char_indices() {
                // Every place of the original is found again.
                let moved: usize = metered
                    .inserted
                    .iter()
                    .scan(0, |sum, (start, length)| {
                        let before = start - *sum <= at;
                        *sum += length;
                        Some(if before { *length } else { 0 })
                    })
                    .sum();
                assert_eq!(metered.original(at + moved), at, "{source} at {at}");
            }
        }
    }

    #[test]
    fn allowances_end() {
        let mut options = Options::default();
        options.limits.steps = 2;
        options.limits.bytes = 10;
        let meter = Meter::new(&options);
        assert!(meter.write(10).is_ok() && meter.write(1).is_err() && meter.step().is_err());
    }
}
