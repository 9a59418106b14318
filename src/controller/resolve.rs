//! From a HelmRelease to what it wants: which chart in which version, which values, and a fingerprint of it all.

use super::{
    artifact,
    catalog::Stock,
    charts::{self, Loaded},
    context::Context,
    dependencies, health,
    live::{Composed, Key, Live},
    policy, post_render, signatures,
    values::{self, Content},
};
use crate::{
    action::begin::text_digest,
    chart::{self, Chart, Frozen},
    cluster::{self, Cluster, ObjectId},
    crd::{ChartTemplateSpec, HelmRelease, SourceKind, conditions},
    release::Record,
    render,
    source::{self, Age, Entry, Repository},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use kube::runtime::reflector::ObjectRef;
use pintle_value::Map;
use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    sync::Arc,
    time::Duration,
};

/// The shortest time after which a registry is asked again: less would only be load.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a HelmRelease wants.
#[derive(Clone)]
pub struct Wanted {
    /// Digest of all that the result depends on.
    pub fingerprint: String,
    /// The chart's name.
    pub chart: String,
    /// Its version.
    pub version: String,
    /// Digest of the values.
    pub config_digest: String,
    /// The values.
    pub values: Arc<serde_json::Value>,
    /// Where the chart comes from.
    pub repository: Arc<Repository>,
    /// Its entry in the index, or what its registry says.
    pub entry: Arc<Entry>,
    /// The digest of its manifest, if it comes from a registry.
    pub oci_digest: Option<String>,
    /// What is made of it.
    making: Making,
}

/// What is made of a packaged chart before it is rendered.
#[derive(Clone, Default)]
pub struct Making {
    /// Which of the chart's files make up its defaults.
    values_files: ValuesFiles,
    /// Defaults in place of all of these: the values of the revision that runs, if they are to be preserved.
    defaults: Option<Arc<Frozen>>,
    /// A version in place of the chart's own.
    version: Option<Box<str>>,
}

impl Wanted {
    /// The same on top of the values of the revision that runs (`spec.upgrade.preserveValues`), as `helm upgrade --reuse-values`
    /// does it. The fingerprint stays, for the spec's own values are what decides whether anything is to be done.
    ///
    /// # Errors
    /// If the record's values or ours cannot be put together.
    pub fn preserving(&self, base: &Record) -> Result<Self, Blocked> {
        let failed = |message: String| {
            Blocked::until_change("ValuesError", format!("values of revision {}: {message}", base.version))
        };
        let table = |values: &serde_json::Value| {
            Frozen::try_from(values).map(|frozen| frozen.thaw_table()).map_err(|error| failed(error.to_string()))
        };
        let defaults = base.chart.values().map_err(|error| failed(error.to_string()))?;
        let defaults = table(&defaults.into())?;
        let (old, new) = (table(&base.config.clone().into())?, table(&self.values)?);
        let (defaults, values) =
            chart::values::reuse(defaults, &old, &new, &mut Vec::new()).map_err(|error| failed(error.to_string()))?;
        let frozen = |values: Map| Frozen::of(&values.into()).map_err(|error| failed(error.to_string()));
        Ok(Self {
            values: Arc::new((&frozen(values)?).into()),
            making: Making { defaults: Some(Arc::new(frozen(defaults)?)), ..self.making.clone() },
            ..self.clone()
        })
    }
}

/// Why nothing can be wanted yet, or what is wanted cannot be had.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The condition's reason.
    pub reason: &'static str,
    /// The condition's message.
    pub message: String,
    /// What can help.
    pub help: Help,
}

/// What gets a release on that is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Help {
    /// Nothing is wrong: an input is being looked at just now, and a watch tells what came of it.
    Underway,
    /// A change of an input; a watch tells of it.
    Change,
    /// Another try after a while.
    Time,
    /// A change of the spec.
    Owner,
}

impl Blocked {
    /// Nothing is wrong yet; a watch tells when it is worth another look.
    pub fn underway(message: impl Into<String>) -> Self {
        Self { reason: "Progressing", message: message.into(), help: Help::Underway }
    }

    /// A watch tells when it is worth another look.
    pub fn until_change(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), help: Help::Change }
    }

    /// Worth another try by itself, with growing pauses.
    pub fn for_now(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), help: Help::Time }
    }

    /// A source says no: only the spec can change that, or its server may come back by itself, of which nobody tells.
    fn by_source(reason: &'static str, title: &str, error: &source::Error) -> Self {
        let help = if error.is_terminal() { Help::Owner } else { Help::Time };
        Self { reason, message: format!("{title}: {error}"), help }
    }

    /// The spec is wrong.
    pub fn for_good(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), help: Help::Owner }
    }
}

/// Resolves what a HelmRelease wants. Costs no request if nothing has changed since the last time, and what is known of a
/// registry is not too old.
///
/// # Errors
/// What stands in the way.
pub async fn resolve(
    release: &HelmRelease,
    ctx: &Context,
    live: &mut Live,
    cluster: &Cluster,
) -> Result<Wanted, Blocked> {
    health::checks(&release.spec)?;
    health::check_dependencies(&release.spec)?;
    let own = release.metadata.namespace.as_deref().unwrap_or_default();
    let provider = match &release.spec.chart_ref {
        Some(named) => Some(artifact::find(named, own, ctx, cluster).await),
        None => None,
    };
    let provided_by = provider.as_ref().and_then(|found| found.as_ref().ok()).map(|(_, object)| object);
    dependencies::check(release, provided_by, ctx, live, cluster).await?;
    let Located { repository, entry, oci_digest, stamped } = match provider {
        Some(found) => artifact::locate(found?, ctx, live, cluster).await?,
        None => locate(release, ctx, live, cluster).await?,
    };
    let composed = compose(release, live, cluster).await?;
    let spec = &release.spec;
    let place = policy::place(release);
    // Whatever changes the rendered objects or where they go is part of it; how they are applied is not.
    let mut parts = serde_json::json!([
        entry.name,
        entry.version,
        entry.digest.as_ref().or(entry.url.as_ref()),
        composed.digest,
        place.name,
        place.namespace,
        spec.chart.as_ref().map(|c| (&c.spec.values_files, c.spec.ignore_missing_values_files)),
    ]);
    if let (Some(parts), Some(post)) = (parts.as_array_mut(), post_render::fingerprint(spec)) {
        parts.push(post.into());
    }
    Ok(Wanted {
        fingerprint: text_digest(&parts.to_string()),
        chart: entry.name.to_string(),
        version: entry.version.to_string(),
        config_digest: composed.digest,
        values: composed.values,
        repository,
        oci_digest,
        making: Making {
            values_files: spec
                .chart
                .as_ref()
                .map(|c| (c.spec.values_files.clone(), c.spec.ignore_missing_values_files))
                .unwrap_or_default(),
            defaults: None,
            version: stamped.then(|| entry.version.clone()),
        },
        entry: Arc::new(entry),
    })
}

/// The chart template, which the CRD's rules guarantee once `chartRef` is ruled out.
fn template(release: &HelmRelease) -> Result<&ChartTemplateSpec, Blocked> {
    let chart = release.spec.chart.as_ref();
    chart
        .map(|c| &c.spec)
        .ok_or_else(|| Blocked::for_good("InvalidSpec", "one of spec.chart and spec.chartRef must be set"))
}

/// Where a chart is.
pub struct Located {
    /// Who has it.
    pub repository: Arc<Repository>,
    /// What it is called, and its digest.
    pub entry: Entry,
    /// The digest of its manifest, if it comes from a registry.
    pub oci_digest: Option<String>,
    /// Whether the entry's version takes the place of the chart's own.
    pub stamped: bool,
}

async fn locate(release: &HelmRelease, ctx: &Context, live: &mut Live, cluster: &Cluster) -> Result<Located, Blocked> {
    let template = template(release)?;
    if let Some(verify) = &template.verify {
        signatures::checkable(verify)?;
    }
    let source = &template.source_ref;
    let own = release.metadata.namespace.as_deref().unwrap_or_default();
    let namespace = source.namespace.as_deref().unwrap_or(own);
    if source.kind != SourceKind::HelmRepository {
        return Err(Blocked::for_good(
            "UnsupportedField",
            format!("spec.chart.spec.sourceRef.kind {:?} is not supported yet: use HelmRepository", source.kind),
        ));
    }
    if namespace != own && !ctx.settings.cross_namespace {
        return Err(Blocked::for_good(
            "AccessDenied",
            format!(
                "HelmRepository {namespace}/{} is in another namespace, and references across namespaces are forbidden",
                source.name
            ),
        ));
    }
    let title = format!("HelmRepository {namespace}/{}", source.name);
    let Some(object) = ctx.repositories.get(&ObjectRef::new(&source.name).within(namespace)) else {
        return Err(Blocked::until_change("SourceNotReady", format!("{title} does not exist")));
    };
    let key = Key { namespace: namespace.to_owned(), name: source.name.clone() };
    if ctx.territory.is_shared() && ctx.catalog.want(&key) {
        ctx.repository_alarm.wake(&key);
    }
    let listed = ctx.catalog.get(&key).filter(|l| Some(l.generation) == object.metadata.generation);
    let Some(listed) = listed else {
        let status = object.status.as_ref();
        let ready = status.and_then(|s| conditions::find(&s.conditions, conditions::READY));
        let failed = ready.filter(|c| c.status == "False" && c.observed_generation == object.metadata.generation);
        let chart = &template.chart;
        return Err(match failed {
            Some(ready) => {
                let message = format!("chart {chart}: {title} is not ready: {}", ready.message);
                Blocked::until_change("SourceNotReady", message)
            }
            None => Blocked::underway(format!("chart {chart}: {title} is being read")),
        });
    };
    let (since, suspended) = match &listed.stock {
        Stock::Index(_) if template.verify.is_some() => {
            return Err(Blocked::for_good(
                "UnsupportedField",
                format!("spec.chart.spec.verify: only charts of registries are signed, and {title} has an index"),
            ));
        }
        Stock::Index(index) => {
            let entry = index.resolve(&template.chart, &template.version);
            let entry =
                entry.map_err(|error| Blocked::until_change("ArtifactFailed", format!("{title}: {error}")))?.clone();
            return Ok(Located { repository: listed.repository, entry, oci_digest: None, stamped: false });
        }
        Stock::Registry { since, suspended } => (*since, *suspended),
    };
    let interval = policy::duration(template.interval.as_ref().or(Some(&release.spec.interval)));
    let interval = interval.and_then(|interval| Duration::try_from(interval).ok()).unwrap_or(SHORTEST).max(SHORTEST);
    let age = match suspended {
        true => Age { most: Duration::MAX, since: None },
        false => Age { most: interval, since: live.requested.max(Some(since)) },
    };
    let told = ctx.sources.tagged(&listed.repository, &template.chart, &template.version, age).await;
    live.registry = Some(told.until);
    live.outage = told
        .outage
        .map(|error| (error.chart_reason(), format!("{title} cannot be asked, what it said before holds on: {error}")));
    let tagged = told.chart.map_err(|error| Blocked::by_source(error.chart_reason(), &title, &error))?;
    signatures::check(release, (&listed.repository, &template.chart, &tagged), ctx, live, cluster).await?;
    let oci_digest = Some(format!("sha256:{}", tagged.manifest));
    Ok(Located { repository: listed.repository, entry: tagged.entry.clone(), oci_digest, stamped: false })
}

async fn compose(release: &HelmRelease, live: &mut Live, cluster: &Cluster) -> Result<Composed, Blocked> {
    let generation = release.metadata.generation.unwrap_or_default();
    if let Some(composed) = live.composed.as_ref().filter(|c| c.generation == generation) {
        return Ok(composed.clone());
    }
    let namespace = release.metadata.namespace.as_deref().unwrap_or_default();
    let mut read: HashMap<(&'static str, &str), Content> = HashMap::new();
    let mut contents = Vec::with_capacity(release.spec.values_from.len());
    for reference in &release.spec.values_from {
        let id = (values::kind(reference), reference.name.as_str());
        let content = match read.entry(id) {
            Occupied(known) => known.get().clone(),
            Vacant(unread) => {
                let content = content(id.0, namespace, id.1, cluster).await.map_err(|error| {
                    let reason =
                        if error.class() == cluster::Class::Forbidden { "AccessDenied" } else { "ValuesError" };
                    Blocked::for_now(reason, format!("spec.valuesFrom: {error}"))
                })?;
                unread.insert(content).clone()
            }
        };
        contents.push(content);
    }
    let values = values::compose(&release.spec, &contents)
        .map_err(|error| Blocked::until_change("ValuesError", error.to_string()))?;
    let composed = Composed { generation, digest: values::config_digest(&values), values: Arc::new(values) };
    live.composed = Some(composed.clone());
    Ok(composed)
}

/// What a ConfigMap or Secret holds; nothing if it is not there.
pub(super) async fn content(
    kind: &str,
    namespace: &str,
    name: &str,
    cluster: &Cluster,
) -> Result<Content, cluster::Error> {
    let id = ObjectId {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: Some(namespace.to_owned()),
        name: name.into(),
    };
    let Some(object) = cluster.get(&id).await? else { return Ok(None) };
    let mut content = std::collections::BTreeMap::new();
    let entries =
        |field: &str| object.data.get(field).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    let plain = id.kind == "ConfigMap";
    for (key, value) in entries("data") {
        let Some(text) = value.as_str() else { continue };
        let bytes = if plain { Some(text.as_bytes().to_vec()) } else { BASE64_STANDARD.decode(text).ok() };
        content.extend(bytes.map(|bytes| (key, bytes)));
    }
    for (key, value) in entries("binaryData") {
        content.extend(value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).map(|bytes| (key, bytes)));
    }
    Ok(Some(content))
}

/// The chart itself: from memory, from the cache on disk, or from its repository.
///
/// # Errors
/// If it cannot be fetched or is none.
pub async fn chart(wanted: &Wanted, ctx: &Context) -> Result<Arc<Loaded>, Blocked> {
    let title = format!("chart {}@{}", wanted.chart, wanted.version);
    load(ctx, (&wanted.repository, &wanted.entry), &title, &wanted.making).await
}

/// Fetches a chart, if need be, and makes of it what is wanted. `title` is for messages.
pub async fn load(
    ctx: &Context,
    (repository, entry): (&Repository, &Entry),
    title: &str,
    making: &Making,
) -> Result<Arc<Loaded>, Blocked> {
    let archive = ctx.sources.chart(repository, entry).await.map_err(|error| unfetched(repository, title, &error))?;
    let key = format!("{} {:?} {:?}", archive.digest, making.values_files, making.version);
    // Preserved values are one release's own: a chart with them is of use to nobody else.
    let shared = making.defaults.is_none();
    if shared && let Some(loaded) = ctx.charts.get(&key) {
        return Ok(loaded);
    }
    let making = making.clone();
    let size = charts::size_of(&archive.bytes);
    let share = ctx.budget.take(charts::loading(size)).await;
    let loaded = tokio::task::spawn_blocking(move || {
        let _share = share;
        let chart =
            chart::load::archive(&archive.bytes, &chart::load::Limits::default()).map_err(|error| error.to_string())?;
        let mut chart = with_values_files(chart, &making.values_files)?;
        if let Some(defaults) = making.defaults {
            chart.values = (*defaults).clone();
        }
        if let Some(version) = making.version {
            chart.metadata.version = version.into();
        }
        let chart = Arc::new(chart);
        let compiled = Arc::new(render::CompiledChart::new(chart.clone()));
        Ok::<_, String>(Arc::new(Loaded { chart, compiled, size }))
    })
    .await;
    let failed = if repository.is_artifact() { "ArtifactFailed" } else { "ChartLoadFailed" };
    match loaded {
        Ok(Ok(loaded)) => {
            if shared {
                ctx.charts.keep(&key, loaded.clone());
            }
            Ok(loaded)
        }
        Ok(Err(error)) => Err(Blocked::until_change(failed, format!("{title}: {error}"))),
        Err(error) => Err(Blocked::for_now(failed, format!("{title}: loading was interrupted: {error}"))),
    }
}

/// What it means that a chart cannot be fetched.
fn unfetched(repository: &Repository, title: &str, error: &source::Error) -> Blocked {
    if !repository.is_artifact() {
        return Blocked::by_source(error.chart_reason(), title, error);
    }
    match error {
        source::Error::Status { status: 404 | 410, url, .. } => {
            Blocked::for_now("SourceNotReady", format!("{title}: its artifact is not at {url}, or not any more"))
        }
        _ => Blocked::by_source("ArtifactFailed", title, error),
    }
}

/// Which of the chart's own values files make up its defaults, and whether one may be missing.
pub type ValuesFiles = (Vec<String>, bool);

/// The chart with its defaults taken from these files, later ones winning, instead of from its values.yaml.
fn with_values_files(mut chart: Chart, (names, ignore_missing): &ValuesFiles) -> Result<Chart, String> {
    if names.is_empty() {
        return Ok(chart);
    }
    let merged = Map::new();
    for name in names {
        let path = name.trim_start_matches("./");
        let text = match (path, &chart.raw_values) {
            ("values.yaml", Some(raw)) => Some(raw.to_vec()),
            _ => chart.file(path).map(<[u8]>::to_vec),
        };
        match text {
            Some(text) => {
                let table = chart::values::from_yaml(&text)
                    .map_err(|error| format!("values file {name}: {error}{}", error.suffix()))?;
                chart::values::merge_tables(&merged, &table);
            }
            None if *ignore_missing => {}
            None => return Err(format!("spec.chart.spec.valuesFiles: the chart has no file {name}")),
        }
    }
    chart.values = Frozen::of(&merged.into()).map_err(|error| error.to_string())?;
    Ok(chart)
}
