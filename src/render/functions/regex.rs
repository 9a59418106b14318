//! Regular expressions: Go's, that is RE2's.

use super::{
    Answer,
    argument::{environment, int, string_answer, strings_answer, text},
    check_bytes, fixed,
};
use pintle_golib::{
    regexp::{self, Regex},
    strconv,
};
use pintle_template::{
    Call, Func, FuncError,
    Type::{Int, String},
};
use pintle_value::{List, ListKind, Str, Value};
use std::rc::Rc;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("regexMatch", &[String, String], |call, args| match compile(call, args, Must::No) {
        Ok(regexp) => Ok(Value::Bool(regexp.is_match(text(args, 1)))),
        Err(_) => Ok(Value::Bool(false)),
    }),
    fixed("mustRegexMatch", &[String, String], |call, args| {
        Ok(Value::Bool(compile(call, args, Must::Yes)?.is_match(text(args, 1))))
    }),
    fixed("regexFind", &[String, String], |call, args| find(call, args, Must::No)),
    fixed("mustRegexFind", &[String, String], |call, args| find(call, args, Must::Yes)),
    fixed("regexFindAll", &[String, String, Int], |call, args| find_all(call, args, Must::No)),
    fixed("mustRegexFindAll", &[String, String, Int], |call, args| find_all(call, args, Must::Yes)),
    fixed("regexReplaceAll", &[String, String, String], |call, args| replace(call, args, Must::No)),
    fixed("mustRegexReplaceAll", &[String, String, String], |call, args| replace(call, args, Must::Yes)),
    fixed("regexReplaceAllLiteral", &[String, String, String], |call, args| replace_literal(call, args, Must::No)),
    fixed("mustRegexReplaceAllLiteral", &[String, String, String], |call, args| replace_literal(call, args, Must::Yes)),
    fixed("regexSplit", &[String, String, Int], |call, args| split(call, args, Must::No)),
    fixed("mustRegexSplit", &[String, String, Int], |call, args| split(call, args, Must::Yes)),
    fixed("regexQuoteMeta", &[String], |_, args| string_answer(regexp::quote_meta(text(args, 0)))),
];

/// Whether the function is of those that report a bad pattern as `Compile` does, or panic as `MustCompile` does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    Yes,
    No,
}

/// How many compiled patterns a render keeps.
const KEPT_PATTERNS: usize = 256;

fn compile(call: &mut Call<'_>, args: &[Value], must: Must) -> Result<Rc<Regex>, FuncError> {
    let pattern = text(args, 0);
    call.spend(text(args, 1).len() as u64 / 16 + 1)?;
    if let Some(regex) = environment(call)?.patterns.borrow().get(pattern) {
        return Ok(Rc::clone(regex));
    }
    call.spend(1000 + pattern.len() as u64)?;
    let regex = Regex::compile(pattern).map_err(|error| match must {
        Must::Yes => FuncError::from(error.to_string()),
        Must::No => {
            let mut shown = Vec::new();
            if strconv::can_backquote(pattern) {
                shown.extend([b"`", pattern, b"`"].concat());
            } else {
                strconv::append_quote(&mut shown, pattern);
            }
            format!("regexp: Compile({}): {error}", std::string::String::from_utf8_lossy(&shown)).into()
        }
    })?;
    let regex = Rc::new(regex);
    let mut patterns = environment(call)?.patterns.borrow_mut();
    if patterns.len() >= KEPT_PATTERNS {
        patterns.clear();
    }
    patterns.insert(pattern.into(), Rc::clone(&regex));
    Ok(regex)
}

fn find(call: &mut Call<'_>, args: &[Value], must: Must) -> Answer {
    let s = text(args, 1);
    let found = compile(call, args, must)?.find(s);
    string_answer(found.map_or(&b""[..], |(from, to)| &s[from..to]))
}

/// Nothing found is a nil list.
fn strings_or_nil(texts: Vec<Str>) -> Answer {
    if texts.is_empty() {
        return Ok(Value::List(List::nil(ListKind::String)));
    }
    strings_answer(texts)
}

fn find_all(call: &mut Call<'_>, args: &[Value], must: Must) -> Answer {
    let s = text(args, 1);
    let found = compile(call, args, must)?.find_all(s, int(args, 2));
    strings_or_nil(found.into_iter().map(|(from, to)| Str::from(&s[from..to])).collect())
}

/// Each match may be replaced by as much as the template and what its groups stand for.
fn check_result(regex: &Regex, s: &[u8], template: &[u8]) -> Result<(), FuncError> {
    if template.len() < 64 && s.len() < 1 << 16 {
        return Ok(());
    }
    let matches = regex.find_all(s, -1).len();
    let groups = template.iter().filter(|b| **b == b'$').count();
    let longest = s.len().saturating_mul(groups + 1).saturating_add(matches.saturating_mul(template.len()));
    check_bytes("the regular expression", longest)
}

fn replace(call: &mut Call<'_>, args: &[Value], must: Must) -> Answer {
    let regex = compile(call, args, must)?;
    check_result(&regex, text(args, 1), text(args, 2))?;
    string_answer(regex.replace_all(text(args, 1), text(args, 2)))
}

fn replace_literal(call: &mut Call<'_>, args: &[Value], must: Must) -> Answer {
    let regex = compile(call, args, must)?;
    check_result(&regex, text(args, 1), text(args, 2))?;
    string_answer(regex.replace_all_literal(text(args, 1), text(args, 2)))
}

fn split(call: &mut Call<'_>, args: &[Value], must: Must) -> Answer {
    let regex = compile(call, args, must)?;
    let pieces: Vec<Str> = regex.split(text(args, 1), int(args, 2)).into_iter().map(Str::from).collect();
    // Only no pieces at all are a nil list; an empty text may have no piece either.
    if int(args, 2) == 0 { strings_or_nil(pieces) } else { strings_answer(pieces) }
}
