//! Stands in for path matching until the Go library crate has it.

pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, String> {
    let matched = match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => {
            (0..=name.len()).take_while(|n| !name[..*n].contains(&b'/')).any(|n| matches(rest, &name[n..]) == Ok(true))
        }
        [b'?', rest @ ..] => !name.is_empty() && name[0] != b'/' && matches(rest, &name[1..])?,
        [c, rest @ ..] => name.first() == Some(c) && matches(rest, &name[1..])?,
    };
    Ok(matched)
}
