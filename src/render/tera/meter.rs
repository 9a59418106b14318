//! What Tera's templates may use up: rounds of loops, text, and memory. [`super::metered`] puts the calls into the templates
//! that are answered here.
//!
//! Whatever an expression makes (a filter, a function, a slice, `~`, a spread, a printed value) is charged to one allowance
//! that is never given back; whatever a name holds is checked to be of limited size and depth, counted as if it were written
//! out: a list that holds one list twice holds it twice.

use crate::render::Options;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

/// Rounds of loops, calls of components and things made, in all.
const STEPS: u64 = 10_000_000;

/// The most bytes that one value may have.
pub(super) const MAX_VALUE: u64 = 64 << 20;

/// How deep values may nest. Tera drops and prints them by recursion.
const MAX_DEPTH: usize = 200;

/// What a value costs besides its text: its place in a list, or in a map with its key's.
const PLACE: u64 = 24;

/// A round begins, or a text of so many bytes (`n`) is written.
pub(super) const STEP: &str = "__pintle_step";
/// These values (`v`) must be of limited size.
pub(super) const KEEP: &str = "__pintle_keep";
/// This value (`v`) was printed.
pub(super) const OUT: &str = "__pintle_out";
/// Filter: the value was made, or something is made of it.
pub(super) const MADE: &str = "__pintle_made";
/// Filter: the value is given a name.
pub(super) const KEPT: &str = "__pintle_kept";
/// Filter: the value is gone through.
pub(super) const EACH: &str = "__pintle_each";

/// What is left of a render's allowance.
pub(super) struct Meter {
    steps: AtomicU64,
    bytes: AtomicU64,
    memory: AtomicU64,
    cancel: Option<Arc<AtomicBool>>,
}

impl Meter {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            steps: AtomicU64::new(STEPS.min(options.limits.steps)),
            bytes: AtomicU64::new(options.limits.bytes),
            memory: AtomicU64::new(options.limits.bytes),
            cancel: options.cancel.clone(),
        }
    }

    /// A round of a loop, or some work of a function.
    pub(super) fn step(&self) -> Result<(), String> {
        self.work(1)
    }

    fn work(&self, steps: u64) -> Result<(), String> {
        if self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err("the render was cancelled".into());
        }
        take(&self.steps, steps).ok_or_else(|| "the render takes more steps than allowed".to_owned())
    }

    /// Text made.
    pub(super) fn write(&self, bytes: usize) -> Result<(), String> {
        self.step()?;
        take(&self.bytes, bytes as u64).ok_or_else(|| "the render makes more text than allowed".to_owned())
    }

    /// Memory taken.
    pub(super) fn make(&self, bytes: u64) -> Result<(), String> {
        self.step()?;
        take(&self.memory, bytes).ok_or_else(|| "the render makes more in memory than allowed".to_owned())
    }

    /// The size of a value, written out.
    pub(super) fn size(&self, value: &Value) -> Result<u64, String> {
        let mut size = Size { bytes: 0, values: 0 };
        let measured = size.add(value, 0);
        self.work(size.values / 64 + 1)?;
        measured.map(|()| size.bytes)
    }
}

struct Size {
    bytes: u64,
    values: u64,
}

impl Size {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("a value nests deeper than {MAX_DEPTH}"));
        }
        self.values += 1;
        self.bytes += PLACE;
        if let Some(text) = value.as_str() {
            self.bytes += text.len() as u64;
        } else if let Some(bytes) = value.as_bytes() {
            self.bytes += bytes.len() as u64;
        }
        if self.bytes > MAX_VALUE {
            return Err(format!("a value is larger than {} MiB", MAX_VALUE >> 20));
        }
        if let Some(items) = value.as_array() {
            for item in items {
                self.add(item, depth + 1)?;
            }
        } else if let Some(map) = value.as_map() {
            for (key, item) in map {
                self.bytes += PLACE + key.as_str().map_or(0, str::len) as u64;
                self.add(item, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn take(left: &AtomicU64, count: u64) -> Option<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).ok().map(drop)
}

/// Makes what counts known.
pub(super) fn register(tera: &mut Tera, meter: &Arc<Meter>) {
    let this = Arc::clone(meter);
    tera.register_function(STEP, move |kwargs: Kwargs, _: &State<'_>| -> TeraResult<&'static str> {
        this.make(kwargs.get::<u64>("n")?.unwrap_or_default()).map(|()| "").map_err(Error::message)
    });
    let this = Arc::clone(meter);
    tera.register_function(KEEP, move |kwargs: Kwargs, _: &State<'_>| -> TeraResult<&'static str> {
        this.size(&kwargs.must_get::<Value>("v")?).map(|_| "").map_err(Error::message)
    });
    let this = Arc::clone(meter);
    tera.register_function(OUT, move |kwargs: Kwargs, _: &State<'_>| -> TeraResult<&'static str> {
        let size = this.size(&kwargs.must_get::<Value>("v")?);
        size.and_then(|size| this.make(size)).map(|()| "").map_err(Error::message)
    });
    let this = Arc::clone(meter);
    tera.register_filter(MADE, move |value: Value, _: Kwargs, _: &State<'_>| -> TeraResult<Value> {
        this.size(&value).and_then(|size| this.make(size)).map_err(Error::message)?;
        Ok(value)
    });
    let this = Arc::clone(meter);
    tera.register_filter(KEPT, move |value: Value, _: Kwargs, _: &State<'_>| -> TeraResult<Value> {
        this.size(&value).map_err(Error::message)?;
        Ok(value)
    });
    let this = Arc::clone(meter);
    tera.register_filter(EACH, move |value: Value, _: Kwargs, _: &State<'_>| -> TeraResult<Value> {
        this.size(&value).map_err(Error::message)?;
        this.work(value.len().unwrap_or_default() as u64).map_err(Error::message)?;
        Ok(value)
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn allowances_end() {
        let mut options = Options::default();
        options.limits.steps = 2;
        options.limits.bytes = 10;
        let meter = Meter::new(&options);
        assert!(meter.write(10).is_ok() && meter.write(1).is_err() && meter.step().is_err());
        options.limits.steps = 10;
        let meter = Meter::new(&options);
        assert!(meter.make(10).is_ok() && meter.make(1).is_err());
    }

    #[test]
    fn a_value_is_measured_as_if_it_were_written_out() {
        let meter = Meter::new(&Options::default());
        let list = |items: &[Value]| Value::from(items.to_vec());
        assert_eq!(meter.size(&list(&[Value::from("abc"), Value::from(1)])).unwrap(), 3 * PLACE + 3);
        let mut wide = Value::from("x");
        for _ in 0..60 {
            wide = list(&[wide.clone(), wide]);
        }
        assert!(meter.size(&wide).unwrap_err().contains("larger than 64 MiB"));
        let deep = (0..300).fold(Value::from(1), |inner, _| list(&[inner]));
        assert!(meter.size(&deep).unwrap_err().contains("deeper than 200"));
    }
}
