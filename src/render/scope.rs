//! What a template sees as `.`: Values, Chart, Release, Files, Capabilities, Subcharts, Template. All files of a chart
//! share one such map, and a child's Values are the table inside its parent's, so what one template sets others see.

use super::{Release, capabilities::text_map, files};
use crate::chart::{Metadata, dependencies::Instance};
use pintle_value::{CallError, List, Map, MapKind, Method, Named, Value};

/// A chart with what its templates see.
pub(super) struct ChartScope<'a> {
    pub(super) chart: &'a Instance,
    /// `parent/charts/child`
    pub(super) path: String,
    /// The map behind `.`.
    pub(super) dot: Map,
}

/// What is the same for all charts of a render.
pub(super) struct Shared {
    pub(super) release: Value,
    pub(super) capabilities: Value,
}

/// The scopes of a chart and all charts below it, parents first.
pub(super) fn scopes<'a>(root: &'a Instance, values: &Map, shared: &Shared) -> Vec<ChartScope<'a>> {
    let mut found = Vec::new();
    add(root, &root.metadata.name, true, values, shared, &mut found);
    found
}

fn add<'a>(
    chart: &'a Instance,
    path: &str,
    is_root: bool,
    values: &Map,
    shared: &Shared,
    found: &mut Vec<ChartScope<'a>>,
) -> Map {
    let subcharts = Map::new();
    let dot: Map = [
        ("Capabilities", shared.capabilities.clone()),
        ("Chart", Value::Map(chart_map(&chart.metadata, is_root))),
        ("Files", Value::Map(files::of(&chart.chart.files))),
        ("Release", shared.release.clone()),
        ("Subcharts", Value::Map(subcharts.clone())),
        ("Values", Value::Map(values.view(MapKind::Named(&VALUES)))),
    ]
    .into_iter()
    .collect();
    found.push(ChartScope { chart, path: path.to_owned(), dot: dot.clone() });
    for child in &chart.dependencies {
        let name = &child.metadata.name;
        let table = match values.get(name.as_bytes()) {
            Some(Value::Map(table)) => table,
            _ => Map::new(),
        };
        let child = add(child, &format!("{path}/charts/{name}"), false, &table, shared, found);
        subcharts.insert(name.as_str(), Value::Map(child));
    }
    dot
}

/// `.Release`
pub(super) fn release(release: &Release) -> Value {
    Value::Map(
        [
            ("IsInstall", Value::Bool(!release.is_upgrade)),
            ("IsUpgrade", Value::Bool(release.is_upgrade)),
            ("Name", Value::str(release.name.as_str())),
            ("Namespace", Value::str(release.namespace.as_str())),
            ("Revision", Value::Int(release.revision)),
            ("Service", Value::str("Helm")),
        ]
        .into_iter()
        .collect(),
    )
}

/// `.Template` for a file.
pub(super) fn template(name: &str, chart_path: &str) -> Value {
    let map = Map::of(
        MapKind::Named(&VALUES),
        vec![("BasePath".into(), Value::str(format!("{chart_path}/templates"))), ("Name".into(), Value::str(name))],
    );
    Value::Map(map)
}

fn texts(items: &[String]) -> Value {
    Value::List(items.iter().map(|t| Value::str(t.as_str())).collect::<List>())
}

/// `.Chart`: in Helm 4 a plain map with the names of Go's fields, every one of them there.
fn chart_map(md: &Metadata, is_root: bool) -> Map {
    let text = |t: &String| Value::str(t.as_str());
    let maintainers: List = md
        .maintainers
        .iter()
        .map(|m| {
            let fields: Map =
                [("Email", text(&m.email)), ("Name", text(&m.name)), ("URL", text(&m.url))].into_iter().collect();
            Value::Map(fields)
        })
        .collect();
    let dependencies: List = md
        .dependencies
        .iter()
        .map(|d| {
            let imports: List = d.import_values.iter().map(|v| v.thaw()).collect();
            let fields: Map = [
                ("Alias", text(&d.alias)),
                ("Condition", text(&d.condition)),
                ("Enabled", Value::Bool(d.enabled)),
                ("ImportValues", Value::List(imports)),
                ("Name", text(&d.name)),
                ("Repository", text(&d.repository)),
                ("Tags", texts(&d.tags)),
                ("Version", text(&d.version)),
            ]
            .into_iter()
            .collect();
            Value::Map(fields)
        })
        .collect();
    let annotations =
        if md.annotations.is_empty() { Map::nil(MapKind::String) } else { text_map(md.annotations.iter()) };
    [
        ("APIVersion", text(&md.api_version)),
        ("Annotations", Value::Map(annotations)),
        ("AppVersion", text(&md.app_version)),
        ("Condition", text(&md.condition)),
        ("Dependencies", Value::List(dependencies)),
        ("Deprecated", Value::Bool(md.deprecated)),
        ("Description", text(&md.description)),
        ("Home", text(&md.home)),
        ("Icon", text(&md.icon)),
        ("IsRoot", Value::Bool(is_root)),
        ("Keywords", texts(&md.keywords)),
        ("KubeVersion", text(&md.kube_version)),
        ("Maintainers", Value::List(maintainers)),
        ("Name", text(&md.name)),
        ("Sources", texts(&md.sources)),
        ("Tags", text(&md.tags)),
        ("Type", text(&md.kind)),
        ("Version", text(&md.version)),
    ]
    .into_iter()
    .collect()
}

/// The type of `.Values` and of `.` itself.
pub(super) static VALUES: Named = Named {
    go_name: "common.Values",
    element: "interface {}",
    methods: &[
        Method { name: "AsMap", params: &[], call: |receiver, _| Ok(Value::Map(map(receiver)?.view(MapKind::Any))) },
        Method { name: "Encode", params: &["io.Writer"], call: |_, _| Ok(Value::Nil) },
        Method { name: "PathValue", params: &["string"], call: path_value },
        Method { name: "Table", params: &["string"], call: table },
        Method {
            name: "YAML",
            params: &[],
            call: |receiver, _| {
                pintle_yaml::encode(receiver).map(Value::str).map_err(|e| CallError::from(e.to_string()))
            },
        },
    ],
};

fn map(value: &Value) -> Result<Map, CallError> {
    value.as_map().cloned().ok_or_else(|| "not a map".into())
}

fn table(receiver: &Value, args: &[Value]) -> Result<Value, CallError> {
    let path = args.first().and_then(Value::as_bytes).unwrap_or_default();
    let mut at = map(receiver)?;
    for key in path.split(|b| *b == b'.') {
        at = match at.get(key) {
            Some(Value::Map(next)) => next,
            _ => return Err(format!("{:?} is not a table", String::from_utf8_lossy(key)).into()),
        };
    }
    Ok(Value::Map(at.view(MapKind::Named(&VALUES))))
}

fn path_value(receiver: &Value, args: &[Value]) -> Result<Value, CallError> {
    let path = String::from_utf8_lossy(args.first().and_then(Value::as_bytes).unwrap_or_default()).into_owned();
    if path.is_empty() {
        return Err("YAML path cannot be empty".into());
    }
    let last = path.rsplit('.').next().unwrap_or(&path);
    crate::chart::values::path_value(&map(receiver)?, &path).ok_or_else(|| format!("{last:?} is not a value").into())
}
