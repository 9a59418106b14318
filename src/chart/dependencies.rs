//! Which of a chart's charts take part in a render, under which names, and with which defaults: aliases, tags,
//! conditions and imported values.

use super::{Chart, Crd, Dependency, Error, Frozen, Metadata, is_crd, values};
use pintle_golib::semver;
use pintle_value::{Map, Str, Value};
use std::sync::Arc;

/// How many steps the path of an imported value may have.
const MAX_PATH: usize = 64;

/// How many charts may take part in a render. Aliases multiply charts, level by level.
const MAX_CHARTS: usize = 1000;
/// Bytes of values.yaml of all charts that take part, each counted as often as it is there.
const MAX_VALUES: usize = 32 << 20;
/// Bytes of templates and files, counted in the same way.
const MAX_FILES: usize = 256 << 20;

/// A chart in its place in the tree of one render. The same chart may be there several times, under aliases.
#[derive(Clone)]
pub struct Instance {
    /// The chart as loaded.
    pub chart: Arc<Chart>,
    /// Its metadata here: name is the alias, dependencies are the enabled ones.
    pub metadata: Metadata,
    /// Its default values here; with dependencies, their defaults and imports included.
    pub values: Map,
    /// The charts below that take part.
    pub dependencies: Vec<Instance>,
}

impl Instance {
    /// The tree as loaded, before anything was decided.
    pub fn of(chart: &Arc<Chart>) -> Self {
        Self {
            chart: Arc::clone(chart),
            metadata: chart.metadata.clone(),
            values: chart.values.thaw_table(),
            dependencies: chart.dependencies.iter().map(Self::of).collect(),
        }
    }

    /// The tree as it takes part in a render with these user values.
    ///
    /// # Errors
    /// When a subchart's values are no table.
    pub fn process(chart: &Arc<Chart>, user: &Map, warnings: &mut Vec<String>) -> Result<Self, Error> {
        let mut room = Room { charts: MAX_CHARTS, values: MAX_VALUES, files: MAX_FILES };
        room.take_tree(chart)?;
        let mut root = Self::of(chart);
        root.enable(user, "", &mut room, warnings)?;
        root.import(warnings)?;
        Ok(root)
    }

    /// The files of CRDs of this chart, then those of the charts below, each with its path as manifests show it.
    pub fn crds(&self) -> Vec<Crd> {
        let mut found = Vec::new();
        self.gather_crds(&self.metadata.name, &mut found);
        found
    }

    fn gather_crds(&self, path: &str, found: &mut Vec<Crd>) {
        for file in self.chart.files.iter().filter(|f| is_crd(&f.name)) {
            found.push(Crd { path: format!("{path}/{}", file.name), file: file.clone() });
        }
        for child in &self.dependencies {
            child.gather_crds(&format!("{path}/charts/{}", child.metadata.name), found);
        }
    }

    fn enable(&mut self, given: &Map, path: &str, room: &mut Room, warnings: &mut Vec<String>) -> Result<(), Error> {
        if self.metadata.dependencies.is_empty() {
            return Ok(());
        }
        self.dependencies = self.listed(room)?;
        for dependency in &mut self.metadata.dependencies {
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
            dependency.enabled = true;
        }
        let values = values::coalesce(self, given, warnings)?;
        if let Some(tags) = values::table(&values, "tags") {
            self.metadata.dependencies.iter_mut().for_each(|d| apply_tags(d, &tags, warnings));
        }
        self.metadata.dependencies.iter_mut().for_each(|d| apply_conditions(d, &values, path, warnings));

        let disabled: Vec<String> =
            self.metadata.dependencies.iter().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
        self.dependencies.retain(|child| !disabled.contains(&child.metadata.name));
        self.metadata.dependencies.retain(|d| d.enabled);
        for child in &mut self.dependencies {
            let path = format!("{path}{}.", child.metadata.name);
            child.enable(&values, &path, room, warnings)?;
        }
        Ok(())
    }

    /// The children in the order of Chart.yaml, those it does not list first.
    fn listed(&self, room: &mut Room) -> Result<Vec<Instance>, Error> {
        let wanted = &self.metadata.dependencies;
        let fits = |d: &Dependency, child: &Instance| {
            d.name == child.metadata.name && satisfies(&d.version, &child.metadata.version)
        };
        let mut children: Vec<Instance> =
            self.dependencies.iter().filter(|child| !wanted.iter().any(|d| fits(d, child))).cloned().collect();
        for d in wanted {
            if let Some(child) = self.dependencies.iter().find(|child| fits(d, child)) {
                if children.iter().any(|other| Arc::ptr_eq(&other.chart, &child.chart)) {
                    room.take_tree(&child.chart)?;
                }
                let mut child = child.clone();
                if !d.alias.is_empty() {
                    child.metadata.name.clone_from(&d.alias);
                }
                children.push(child);
            }
        }
        Ok(children)
    }

    fn import(&mut self, warnings: &mut Vec<String>) -> Result<(), Error> {
        for child in &mut self.dependencies {
            child.import(warnings)?;
        }
        if self.metadata.dependencies.is_empty() {
            return Ok(());
        }
        let merged = values::merge(self, &Map::new(), warnings)?;
        let imported = Map::new();
        for d in &mut self.metadata.dependencies {
            let mut rewritten = Vec::new();
            for wish in &d.import_values {
                let (child, parent) = match wish {
                    Frozen::Text(_) => (format!("exports.{}", wish.as_str().unwrap_or_default()), ".".to_owned()),
                    Frozen::Table(_) => {
                        let side = |key| wish.get(key).and_then(Frozen::as_str).unwrap_or_default().to_owned();
                        (side("child"), side("parent"))
                    }
                    _ => continue,
                };
                rewritten.push(Frozen::Table(Box::from([
                    (Box::from(&b"child"[..]), Frozen::Text(child.as_bytes().into())),
                    (Box::from(&b"parent"[..]), Frozen::Text(parent.as_bytes().into())),
                ])));
                let Some(table) = values::table(&merged, &format!("{}.{child}", d.name)) else {
                    warnings.push(format!("ImportValues missing table from chart {}: {child}", d.name));
                    continue;
                };
                if parent.split('.').count() > MAX_PATH {
                    return Err(Error::ImportPath { chart: d.name.clone() });
                }
                let found = at_path(&parent, values::deep_copy_map(&table));
                values::merge_defaults(&imported, &found, warnings);
            }
            d.import_values = rewritten;
        }
        values::merge_defaults(&merged, &imported, warnings);
        self.values = merged;
        Ok(())
    }
}

/// What may still take part.
struct Room {
    charts: usize,
    values: usize,
    files: usize,
}

impl Room {
    fn take_tree(&mut self, chart: &Chart) -> Result<(), Error> {
        let size = |files: &[super::File]| files.iter().map(|f| f.data.len()).sum::<usize>();
        let left = |room: usize, used: usize| room.checked_sub(used).ok_or(Error::TooManyCharts);
        self.charts = left(self.charts, 1)?;
        self.values = left(self.values, chart.raw_values.as_ref().map_or(0, |text| text.len()))?;
        self.files = left(self.files, size(&chart.templates).saturating_add(size(&chart.files)))?;
        chart.dependencies.iter().try_for_each(|child| self.take_tree(child))
    }
}

/// A map that holds the table at a dotted path; `.` is the root.
fn at_path(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| [(Str::from(key), Value::Map(inner))].into_iter().collect())
}

/// Whether a version fits a constraint; what cannot be read fits nothing.
fn satisfies(constraint: &str, version: &str) -> bool {
    match (semver::Constraint::parse(constraint), semver::Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}

fn apply_tags(dependency: &mut Dependency, tags: &Map, warnings: &mut Vec<String>) {
    let (mut yes, mut no) = (false, false);
    for tag in &dependency.tags {
        match tags.get(tag.as_bytes()) {
            Some(Value::Bool(true)) => yes = true,
            Some(Value::Bool(false)) => no = true,
            Some(_) => warnings.push(format!("returned non-bool value tag={tag} chart={}", dependency.name)),
            None => {}
        }
    }
    if no && !yes {
        dependency.enabled = false;
    }
}

fn apply_conditions(dependency: &mut Dependency, values: &Map, path: &str, warnings: &mut Vec<String>) {
    for condition in dependency.condition.trim().split(',').filter(|c| !c.is_empty()) {
        match values::path_value(values, &format!("{path}{condition}")) {
            Some(Value::Bool(enabled)) => {
                dependency.enabled = enabled;
                return;
            }
            Some(_) => {
                warnings.push(format!("returned non-bool value path={condition} chart={}", dependency.name));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value as Json, json};

    fn leaf(name: &str, version: &str, values: &Json) -> Arc<Chart> {
        Arc::new(Chart {
            metadata: Metadata { name: name.into(), version: version.into(), ..Metadata::default() },
            values: Frozen::try_from(values).unwrap(),
            ..Chart::default()
        })
    }

    fn wish(name: &str, version: &str) -> Dependency {
        Dependency { name: name.into(), version: version.into(), ..Dependency::default() }
    }

    fn parent(wishes: Vec<Dependency>, values: &Json, children: Vec<Arc<Chart>>) -> Arc<Chart> {
        Arc::new(Chart {
            metadata: Metadata {
                name: "p".into(),
                version: "1.0.0".into(),
                dependencies: wishes,
                ..Metadata::default()
            },
            values: Frozen::try_from(values).unwrap(),
            dependencies: children,
            ..Chart::default()
        })
    }

    fn process(chart: &Arc<Chart>, user: &Json) -> Instance {
        let user = Frozen::try_from(user).unwrap().thaw_table();
        Instance::process(chart, &user, &mut Vec::new()).unwrap()
    }

    fn names(instance: &Instance) -> Vec<&str> {
        instance.dependencies.iter().map(|d| d.metadata.name.as_str()).collect()
    }

    #[test]
    fn listed_ones_in_order_with_aliases_after_the_unlisted() {
        let aliased = |alias: &str| Dependency { alias: alias.into(), ..wish("b", "1.x") };
        let chart = parent(
            vec![aliased("x"), wish("a", "*"), aliased("y"), wish("missing", "*")],
            &json!({}),
            vec![leaf("a", "1.0.0", &json!({})), leaf("b", "1.2.3", &json!({})), leaf("c", "1.0.0", &json!({}))],
        );
        let root = process(&chart, &json!({}));
        assert_eq!(names(&root), ["c", "x", "a", "y"]);
        assert!(root.metadata.dependencies.iter().all(|d| d.enabled));
    }

    #[test]
    fn tags_and_conditions() {
        let dependency =
            Dependency { condition: "a.on,on".into(), tags: vec!["t".into(), "u".into()], ..wish("a", "*") };
        for (values, user, want) in [
            (json!({}), json!({}), true),
            (json!({"tags": {"t": false}}), json!({}), false),
            (json!({"tags": {"t": false, "u": true}}), json!({}), true),
            (json!({"tags": {"t": true}}), json!({"a": {"on": false}}), false),
            (json!({"on": false}), json!({"a": {"on": "odd"}}), false),
            (json!({"on": false, "a": {"on": true}}), json!({}), true),
        ] {
            let chart = parent(vec![dependency.clone()], &values, vec![leaf("a", "1.0.0", &json!({}))]);
            let root = process(&chart, &user);
            assert_eq!(names(&root).len(), usize::from(want), "{values} {user}");
            assert_eq!(root.metadata.dependencies.len(), usize::from(want));
        }
    }

    #[test]
    fn imports_come_under_the_parent_s_own_values() {
        let imports = [json!("data"), json!({"child": "deep.er", "parent": "to"})];
        let dependency = Dependency {
            import_values: imports.iter().map(|v| Frozen::try_from(v).unwrap()).collect(),
            ..wish("a", "*")
        };
        let child = json!({"exports": {"data": {"x": 1, "y": 2}}, "deep": {"er": {"z": 3}}});
        let chart = parent(vec![dependency], &json!({"x": 9}), vec![leaf("a", "1.0.0", &child)]);
        let root = process(&chart, &json!({}));
        let values = Json::from(&Frozen::of(&Value::Map(root.values.clone())).unwrap());
        assert_eq!((&values["x"], &values["y"], &values["to"]["z"]), (&json!(9), &json!(2), &json!(3)));
        let rewritten = Json::from(&root.metadata.dependencies[0].import_values[0]);
        assert_eq!(rewritten, json!({"child": "exports.data", "parent": "."}));
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let aliases =
            |of: &str| (0..40).map(|n| Dependency { alias: format!("x{n}"), ..wish(of, "*") }).collect::<Vec<_>>();
        let inner = parent(aliases("a"), &json!({}), vec![leaf("a", "1.0.0", &json!({}))]);
        let outer = parent(aliases("p"), &json!({}), vec![inner]);
        let got = Instance::process(&outer, &Map::new(), &mut Vec::new());
        assert_eq!(got.err(), Some(Error::TooManyCharts));
    }

    #[test]
    fn endless_import_paths_are_refused() {
        let path = "a.".repeat(100);
        let import = Frozen::try_from(&json!({"child": "t", "parent": path})).unwrap();
        let dependency = Dependency { import_values: vec![import], ..wish("a", "*") };
        let chart = parent(vec![dependency], &json!({}), vec![leaf("a", "1.0.0", &json!({"t": {}}))]);
        assert!(Instance::process(&chart, &Map::new(), &mut Vec::new()).is_err());
    }
}
