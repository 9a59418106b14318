//! `.Files`: the chart's other files.

use crate::chart::File;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::glob::Glob;
use pintle_value::{CallError, List, ListKind, Map, MapKind, Method, Named, Value};
use std::sync::Arc;

static FILES: Named = Named {
    go_name: "engine.files",
    element: "[]uint8",
    methods: &[
        Method { name: "AsConfig", params: &[], call: |files, _| as_yaml(files, |data| Value::str(data)) },
        Method {
            name: "AsSecrets",
            params: &[],
            call: |files, _| as_yaml(files, |data| Value::str(STANDARD.encode(data))),
        },
        Method { name: "Get", params: &["string"], call: |files, args| Ok(Value::str(&*data(files, args))) },
        Method { name: "GetBytes", params: &["string"], call: |files, args| Ok(Value::Bytes(data(files, args))) },
        Method { name: "Glob", params: &["string"], call: glob },
        Method { name: "Lines", params: &["string"], call: lines },
    ],
};

/// The object for these files.
pub(super) fn of(files: &[File]) -> Map {
    let entries = files.iter().map(|f| (f.name.as_ref().into(), Value::Bytes(Arc::clone(&f.data)))).collect();
    Map::of(MapKind::Named(&FILES), entries)
}

fn data(files: &Value, args: &[Value]) -> Arc<[u8]> {
    let name = args.first().and_then(Value::as_bytes).unwrap_or_default();
    match files.as_map().and_then(|map| map.get(name)) {
        Some(Value::Bytes(data)) => data,
        _ => Arc::default(),
    }
}

fn glob(files: &Value, args: &[Value]) -> Result<Value, CallError> {
    let pattern = args.first().and_then(Value::as_bytes).unwrap_or_default();
    // A pattern that cannot be read matches everything.
    let glob = Glob::compile(&String::from_utf8_lossy(pattern)).ok();
    let found = files
        .as_map()
        .map(Map::snapshot)
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| glob.as_ref().is_none_or(|g| g.is_match(&name.to_str_lossy())))
        .collect();
    Ok(Value::Map(Map::of(MapKind::Named(&FILES), found)))
}

fn lines(files: &Value, args: &[Value]) -> Result<Value, CallError> {
    let name = args.first().and_then(Value::as_bytes).unwrap_or_default();
    let found = match files.as_map().and_then(|map| map.get(name)) {
        Some(Value::Bytes(data)) if !data.is_empty() => {
            let text = data.strip_suffix(b"\n").unwrap_or(&data);
            text.split(|b| *b == b'\n').map(Value::str).collect()
        }
        _ => Vec::new(),
    };
    Ok(Value::List(List::of(ListKind::String, found)))
}

fn as_yaml(files: &Value, content: fn(&[u8]) -> Value) -> Result<Value, CallError> {
    let map = Map::new();
    for (name, data) in files.as_map().map(Map::snapshot).unwrap_or_default() {
        if let Value::Bytes(data) = data {
            let base = name.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
            map.insert(base, content(&data));
        }
    }
    Ok(Value::str(pintle_yaml::encode_trimmed(&Value::Map(map)).unwrap_or_default()))
}
