//! The functions that charts call: sprig's catalogue and Helm's own, each with the Go signature that its argument
//! errors show. One file a family; `argument` is how bodies read what they were given.

mod argument;
mod certificates;
mod crypto;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod durations;
mod encoding;
mod helm;
mod lists;
mod merge;
mod numbers;
mod passwords;
mod paths;
mod regex;
mod semver;
mod strings;
mod types;

#[cfg(test)]
mod tests;

pub(super) use helm::{MESSAGE_END, MESSAGE_START};

use pintle_template::{Call, Func, FuncError, FunctionTable, Type};
use pintle_value::Value;
use std::sync::LazyLock;

type Answer = Result<Value, FuncError>;
type Body = fn(&mut Call<'_>, &[Value]) -> Answer;

/// The longest text and the longest list that one call may make, in bytes and in items.
const MAX_BYTES: usize = 32 << 20;
const MAX_ITEMS: usize = 4 << 20;

const fn fixed(name: &'static str, params: &'static [Type], call: Body) -> Func {
    Func { name, params, variadic: None, call }
}

const fn variadic(name: &'static str, params: &'static [Type], rest: Type, call: Body) -> Func {
    Func { name, params, variadic: Some(rest), call }
}

/// Refuses to make a text of so many bytes, if that is too many.
fn check_bytes(what: &str, bytes: usize) -> Result<(), FuncError> {
    if bytes > MAX_BYTES {
        return Err(
            format!("{what}: the result would be {bytes} bytes long, more than the limit of {MAX_BYTES}").into()
        );
    }
    Ok(())
}

/// Refuses to make a list of so many items, if that is too many.
fn check_items(what: &str, items: usize) -> Result<(), FuncError> {
    if items > MAX_ITEMS {
        return Err(format!("{what}: the result would have {items} items, more than the limit of {MAX_ITEMS}").into());
    }
    Ok(())
}

/// Counts a list of so many items as text made: a chart that keeps many large lists runs out of it.
fn charge_items(call: &mut Call<'_>, items: usize) -> Result<(), FuncError> {
    call.spend(items as u64)?;
    call.spend_bytes(64 + items.saturating_mul(size_of::<Value>()))
}

/// What sprig has for templates of texts, but for what looks into the process or the network; by family.
const SPRIG: [&[Func]; 16] = [
    crypto::FUNCTIONS,
    certificates::FUNCTIONS,
    passwords::FUNCTIONS,
    dates::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    durations::FUNCTIONS,
    encoding::FUNCTIONS,
    helm::JSON,
    lists::FUNCTIONS,
    numbers::FUNCTIONS,
    paths::FUNCTIONS,
    regex::FUNCTIONS,
    semver::FUNCTIONS,
    strings::FUNCTIONS,
    types::FUNCTIONS,
];

/// All functions of Helm's function map, by name.
pub fn functions() -> &'static FunctionTable {
    static TABLE: LazyLock<FunctionTable> = LazyLock::new(|| {
        let mut table = sprig();
        table.extend(helm::FUNCTIONS.iter().copied());
        table
    });
    &TABLE
}

/// Those without Helm's own, for templates outside of charts.
pub fn sprig() -> FunctionTable {
    SPRIG.into_iter().flatten().copied().collect()
}
