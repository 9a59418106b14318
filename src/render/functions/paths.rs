//! Paths and URLs.

use super::{
    Answer,
    argument::{kind_name, map, string_answer, text},
    fixed,
};
use pintle_golib::{
    filepath,
    url::{Url, UserInfo},
};
use pintle_template::{
    Call, Func, FuncError,
    Type::{Map as Dict, String},
};
use pintle_value::{Map, Value};

// Helm runs where the separator of the system's paths is the slash, and so do we.
pub(super) static FUNCTIONS: &[Func] = &[
    fixed("base", &[String], |_, args| string_answer(filepath::base(text(args, 0)))),
    fixed("dir", &[String], |_, args| string_answer(filepath::dir(text(args, 0)))),
    fixed("clean", &[String], |_, args| string_answer(filepath::clean(text(args, 0)))),
    fixed("ext", &[String], |_, args| string_answer(filepath::ext(text(args, 0)))),
    fixed("isAbs", &[String], |_, args| Ok(Value::Bool(filepath::is_abs(text(args, 0))))),
    fixed("osBase", &[String], |_, args| string_answer(filepath::base(text(args, 0)))),
    fixed("osDir", &[String], |_, args| string_answer(filepath::dir(text(args, 0)))),
    fixed("osClean", &[String], |_, args| string_answer(filepath::clean(text(args, 0)))),
    fixed("osExt", &[String], |_, args| string_answer(filepath::ext(text(args, 0)))),
    fixed("osIsAbs", &[String], |_, args| Ok(Value::Bool(filepath::is_abs(text(args, 0))))),
    fixed("urlParse", &[String], url_parse),
    fixed("urlJoin", &[Dict], url_join),
];

fn url_parse(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let url = Url::parse(text(args, 0)).map_err(|error| FuncError::from(format!("unable to parse url: {error}")))?;
    let user = url.user.as_ref().map(UserInfo::to_string).unwrap_or_default();
    let parts: Map = [
        ("scheme", Value::str(url.scheme.as_str())),
        ("host", Value::str(&*url.host)),
        ("hostname", Value::str(url.hostname())),
        ("path", Value::str(&*url.path)),
        ("query", Value::str(&*url.raw_query)),
        ("opaque", Value::str(&*url.opaque)),
        ("fragment", Value::str(&*url.fragment)),
        ("userinfo", Value::str(user)),
    ]
    .into_iter()
    .collect();
    Ok(Value::Map(parts))
}

fn url_join(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let parts = map(args, 0);
    let part = |key: &str| match parts.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::String(s)) => Ok(s.to_vec()),
        Some(other) => {
            let found = kind_name(&other);
            Err(FuncError::from(format!("unable to parse {key} key, must be of type string, but {found} found")))
        }
    };
    let mut url = Url {
        scheme: std::string::String::from_utf8_lossy(&part("scheme")?).into_owned(),
        host: part("host")?,
        path: part("path")?,
        raw_query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let around = Url::parse(&[b"proto://", &user[..], b"@host"].concat());
        url.user = around.map_err(|error| FuncError::from(format!("unable to parse userinfo in dict: {error}")))?.user;
    }
    string_answer(url.to_bytes())
}
