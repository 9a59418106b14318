//! Tera's own filters whose result can be far larger than what they are given: the same, within a limit.

use super::meter::{MAX_VALUE, Meter};
use std::sync::Arc;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

/// Puts them in the place of Tera's.
pub(super) fn register(tera: &mut Tera, meter: &Arc<Meter>) {
    let this = Arc::clone(meter);
    tera.register_filter("str", move |value: Value, _: Kwargs, _: &State<'_>| -> TeraResult<String> {
        this.size(&value).map_err(Error::message)?;
        Ok(value.to_string())
    });
    let this = Arc::clone(meter);
    tera.register_filter("join", move |items: Vec<Value>, kwargs: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let separator = kwargs.get::<String>("sep")?.unwrap_or_default();
        let mut length = items.len().saturating_mul(separator.len()) as u64;
        for item in &items {
            length = length.saturating_add(this.size(item).map_err(Error::message)?);
            fits("join", length)?;
        }
        Ok(items.iter().map(Value::to_string).collect::<Vec<_>>().join(&separator))
    });
    tera.register_filter("replace", |text: String, kwargs: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let (from, to) = (kwargs.must_get::<String>("from")?, kwargs.must_get::<String>("to")?);
        let places = text.matches(&from).count();
        fits("replace", (text.len() as u64).saturating_add((places as u64).saturating_mul(to.len() as u64)))?;
        Ok(text.replace(&from, &to))
    });
    tera.register_filter("indent", |text: String, kwargs: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let width = kwargs.get::<usize>("width")?.unwrap_or(4).min(1000);
        let with = kwargs.get::<String>("indentation")?.unwrap_or_else(|| " ".to_owned());
        if with.chars().count() != 1 {
            return Err(Error::message("The `indentation` argument must contain exactly one character"));
        }
        let first = kwargs.get::<bool>("first")?.unwrap_or_default();
        let blank = kwargs.get::<bool>("blank")?.unwrap_or_default();
        let pad = with.repeat(width);
        fits(
            "indent",
            (text.len() as u64).saturating_add((text.lines().count() as u64).saturating_mul(pad.len() as u64)),
        )?;
        let mut out = String::new();
        for (at, line) in text.lines().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            // The first line only when asked for, then even if it is blank.
            let indents = if at == 0 { first } else { blank || !line.is_empty() };
            if indents {
                out.push_str(&pad);
            }
            out.push_str(line);
        }
        if text.ends_with('\n') {
            out.push('\n');
        }
        Ok(out)
    });
}

fn fits(name: &str, length: u64) -> TeraResult<()> {
    if length > MAX_VALUE {
        return Err(Error::message(format!("{name}: the text would be longer than {} MiB", MAX_VALUE >> 20)));
    }
    Ok(())
}
