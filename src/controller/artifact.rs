//! Charts that another object provides (`spec.chartRef`): sources of Flux, whose controllers fetch a chart and say in the
//! source's status where it lies. They are read as the release's identity, and not again before their watch tells that they
//! changed.

use super::{
    context::Context,
    live::Live,
    resolve::{Blocked, Located, Making, load},
};
use crate::{
    cluster::{self, Class, Cluster, ObjectId, Resource},
    crd::{ChartRef, ChartRefKind, HelmRelease, conditions},
    source::{Entry, Repository, Sha256},
};
use kube::core::DynamicObject;
use pintle_golib::semver::Version;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// The group of sources, and the version that is meant where none is named.
const GROUP: &str = "source.toolkit.fluxcd.io";
const VERSION: &str = "v1";
/// Flux's words for what is in the way.
const NOT_READY: &str = "SourceNotReady";
const FAILED: &str = "ArtifactFailed";
const MISFIT: &str = "ChartMutateError";
/// Digits of a digest that tell one build of a version from the next.
const DIGITS: usize = 12;

/// What is remembered of the object that provides a release's chart.
#[derive(Debug, Default)]
pub struct Provider {
    /// What it provides, or why it provides nothing.
    seen: Option<(ObjectId, Result<Artifact, String>)>,
    /// Name and version of the chart in an artifact that was fetched.
    chart: Option<(Artifact, String, String)>,
}

/// A chart that lies ready to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Artifact {
    url: String,
    digest: String,
    /// `1.2.3`, `1.2.3@sha256:…`, or what else the source's controller makes of it.
    revision: String,
}

impl Provider {
    /// These objects changed.
    pub fn forget(&mut self, changed: &BTreeSet<ObjectId>) {
        self.seen.take_if(|(object, _)| changed.contains(object));
    }
}

/// Whether this object provides the release's chart.
pub fn is_of(release: &HelmRelease, object: &ObjectId) -> bool {
    release.spec.chart_ref.as_ref().is_some_and(|named| {
        let own = release.metadata.namespace.as_deref();
        let namespace = named.namespace.as_deref().or(own);
        object.group() == GROUP
            && object.kind == kind(named.kind)
            && object.name == named.name
            && object.namespace.as_deref() == namespace
    })
}

fn kind(kind: ChartRefKind) -> &'static str {
    match kind {
        ChartRefKind::OCIRepository => "OCIRepository",
        ChartRefKind::HelmChart => "HelmChart",
        ChartRefKind::ExternalArtifact => "ExternalArtifact",
    }
}

/// Which object provides the chart.
///
/// # Errors
/// If there is no such kind of object, or it may not be used.
pub async fn find(
    named: &ChartRef,
    own: &str,
    ctx: &Context,
    cluster: &Cluster,
) -> Result<(Resource, ObjectId), Blocked> {
    let api_version = named.api_version.clone().unwrap_or_else(|| format!("{GROUP}/{VERSION}"));
    let namespace = named.namespace.clone().unwrap_or_else(|| own.to_owned());
    let id =
        ObjectId { api_version, kind: kind(named.kind).into(), namespace: Some(namespace), name: named.name.clone() };
    if id.group() != GROUP {
        return Err(Blocked::for_good(
            "InvalidSpec",
            format!("spec.chartRef.apiVersion is {}: charts are provided by kinds of {GROUP}", id.api_version),
        ));
    }
    if id.namespace.as_deref() != Some(own) && !ctx.settings.cross_namespace {
        return Err(Blocked::for_good(
            "AccessDenied",
            format!("{id} is in another namespace, and references across namespaces are forbidden"),
        ));
    }
    // Nothing tells when a kind appears.
    let resource = cluster.resolve(&id.api_version, &id.kind).await;
    let resource = resource.map_err(|error| Blocked::for_now(NOT_READY, format!("{id}: {error}")))?;
    Ok((resource, id))
}

/// The chart that an object provides. Costs no request as long as nothing changes.
///
/// # Errors
/// Why it provides none, or one that is of no use.
pub async fn locate(
    (resource, id): (Resource, ObjectId),
    ctx: &Context,
    live: &mut Live,
    cluster: &Cluster,
) -> Result<Located, Blocked> {
    // Watched before it is read, so that no change is missed.
    let watched = ctx.lookouts.watch(&resource, &id);
    let known = live.provider.seen.as_ref().filter(|(seen, _)| watched && *seen == id);
    let artifact = match known {
        Some((_, artifact)) => artifact.clone(),
        None => {
            let artifact = look(&id, cluster).await?;
            live.provider.seen = Some((id.clone(), artifact.clone()));
            artifact
        }
    };
    let artifact = artifact.map_err(|why| {
        let message = format!("{id} is not ready: {why}");
        if watched { Blocked::until_change(NOT_READY, message) } else { Blocked::for_now(NOT_READY, message) }
    })?;
    let unusable = |why: String| Blocked::until_change(FAILED, format!("{id}: {why}"));
    if Sha256::parse(&artifact.digest).is_none() {
        return Err(unusable(format!("the digest of its artifact, {:?}, is no SHA-256", artifact.digest)));
    }
    let repository = Arc::new(Repository::artifact(&artifact.url).map_err(|error| unusable(error.to_string()))?);
    let mut entry = Entry {
        name: "".into(),
        version: "".into(),
        app_version: None,
        url: Some(artifact.url.as_str().into()),
        digest: Some(artifact.digest.as_str().into()),
        size: None,
        created: None,
        deprecated: false,
    };
    let (name, version) = match live.provider.chart.as_ref().filter(|(known, ..)| *known == artifact) {
        Some((_, name, version)) => (name.clone(), version.clone()),
        None => {
            let loaded = load(ctx, (&repository, &entry), &id.to_string(), &Making::default()).await?;
            let metadata = &loaded.chart.metadata;
            live.provider.chart = Some((artifact.clone(), metadata.name.clone(), metadata.version.clone()));
            (metadata.name.clone(), metadata.version.clone())
        }
    };
    let stamp = stamp(&id.kind, &artifact.revision, &version)
        .map_err(|why| Blocked::until_change(MISFIT, format!("{id}: {why}")))?;
    let (version, oci_digest) = stamp.map_or((version, None), |(version, digest)| (version, Some(digest)));
    (entry.name, entry.version) = (name.into(), version.into());
    Ok(Located { repository, stamped: oci_digest.is_some(), entry, oci_digest })
}

/// What an object provides, by its status; or why nothing.
async fn look(id: &ObjectId, cluster: &Cluster) -> Result<Result<Artifact, String>, Blocked> {
    let found = cluster.get(id).await.map_err(|error: cluster::Error| {
        let reason = if error.class() == Class::Forbidden { "AccessDenied" } else { FAILED };
        Blocked::for_now(reason, format!("spec.chartRef: {error}"))
    })?;
    Ok(found.ok_or_else(|| "it does not exist".to_owned()).and_then(|object| artifact_of(&id.kind, &object)))
}

/// What an object provides. A source that has failed since still provides what it fetched before, as in Flux.
fn artifact_of(kind: &str, object: &DynamicObject) -> Result<Artifact, String> {
    let status = &object.data["status"];
    // Whoever writes an ExternalArtifact writes spec and status in one.
    let observed = status["observedGeneration"].as_i64();
    if kind != "ExternalArtifact" && observed != object.metadata.generation {
        return Err("its controller has not looked at it as it is now".to_owned());
    }
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
    let message = |condition: Option<&Value>| {
        condition.and_then(|condition| condition["message"].as_str()).map(str::to_owned).unwrap_or_default()
    };
    if let Some(stalled) = find("Stalled").filter(|stalled| stalled["status"] == "True") {
        return Err(format!("it is stalled: {}", message(Some(stalled))));
    }
    let artifact = &status["artifact"];
    let text = |field: &str| artifact[field].as_str().unwrap_or_default().to_owned();
    let artifact = Artifact { url: text("url"), digest: text("digest"), revision: text("revision") };
    match (artifact.url.is_empty(), artifact.digest.is_empty()) {
        (true, _) => {
            let why = message(find(conditions::READY));
            let joint = if why.is_empty() { "" } else { ": " };
            Err(format!("it has no artifact{joint}{why}"))
        }
        (_, true) => Err("its artifact has no digest".to_owned()),
        _ => Ok(artifact),
    }
}

/// The version that says which build of the chart it is, and the digest by which it does; nothing if the source's revision has
/// no digest. A tag that an OCIRepository follows must be the chart's version.
fn stamp(kind: &str, revision: &str, version: &str) -> Result<Option<(String, String)>, String> {
    let (tag, digest) = match revision.split_once('@') {
        Some((tag, digest)) => (Some(tag), digest),
        None => (None, revision),
    };
    let is_tagged = kind == "OCIRepository";
    let digits = digest.split_once(':').map(|(_, digits)| digits).unwrap_or_default();
    let is_digest = digits.len() >= DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if kind == "HelmChart" || (!is_digest && !is_tagged) {
        return Ok(None);
    }
    if !is_digest {
        return Err(format!("its revision {revision:?} has no digest"));
    }
    let parsed = Version::parse(version).map_err(|error| format!("the version {version:?} of the chart: {error}"))?;
    if let Some(tag) = tag.filter(|_| is_tagged) {
        // A tag has no plus.
        let tagged = Version::parse(&tag.replacen('_', "+", 1));
        if !tagged.is_ok_and(|tagged| tagged.compare(&parsed).is_eq()) {
            return Err(format!("its tag {tag:?} is not the version of the chart in it, {version}"));
        }
    }
    let stamped = parsed.with_metadata(&digits[..DIGITS]).map_err(|error| format!("{revision}: {error}"))?;
    Ok(Some((stamped.to_string(), digest.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_say_which_build_it_is() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let at = |tag: &str| format!("{tag}@{digest}");
        for (kind, revision, version, expected) in [
            ("OCIRepository", at("1.2.3"), "1.2.3", Ok(Some("1.2.3+0123456789ab"))),
            ("OCIRepository", at("v1.2.3"), "1.2.3", Ok(Some("1.2.3+0123456789ab"))),
            ("OCIRepository", at("1.2.3"), "v1.2.3", Ok(Some("1.2.3+0123456789ab"))),
            ("OCIRepository", at("1.2.3_up1"), "1.2.3+up1", Ok(Some("1.2.3+0123456789ab"))),
            ("OCIRepository", digest.clone(), "1.2.3-rc.1", Ok(Some("1.2.3-rc.1+0123456789ab"))),
            (
                "OCIRepository",
                at("1.2.4"),
                "1.2.3",
                Err("its tag \"1.2.4\" is not the version of the chart in it, 1.2.3"),
            ),
            (
                "OCIRepository",
                at("latest"),
                "1.2.3",
                Err("its tag \"latest\" is not the version of the chart in it, 1.2.3"),
            ),
            ("OCIRepository", "1.2.3".into(), "1.2.3", Err("its revision \"1.2.3\" has no digest")),
            ("OCIRepository", "1.2.3@sha256:ä".into(), "1.2.3", Err("its revision \"1.2.3@sha256:ä\" has no digest")),
            ("HelmChart", "1.2.3".into(), "1.2.3", Ok(None)),
            ("ExternalArtifact", at("latest"), "1.2.3", Ok(Some("1.2.3+0123456789ab"))),
            ("ExternalArtifact", "main".into(), "1.2.3", Ok(None)),
        ] {
            let stamped = stamp(kind, &revision, version);
            let version = stamped.as_ref().map(|stamp| stamp.as_ref().map(|(version, _)| version.as_str()));
            assert_eq!(version.map_err(String::as_str), expected, "{kind} {revision}");
            assert!(stamped.ok().flatten().is_none_or(|(_, told)| told == digest));
        }
    }

    #[test]
    fn what_a_status_provides() {
        let artifact = json!({"url": "http://s/a.tgz", "digest": "sha256:0", "revision": "1"});
        let ready = json!([{"type": "Ready", "status": "False", "message": "no such tag"}]);
        for (kind, status, expected) in [
            ("HelmChart", json!({"observedGeneration": 2, "artifact": artifact}), None),
            // What it fetched before is there still.
            ("HelmChart", json!({"observedGeneration": 2, "artifact": artifact, "conditions": ready}), None),
            ("HelmChart", json!({"observedGeneration": 1, "artifact": artifact}), Some("as it is now")),
            ("HelmChart", json!({"artifact": artifact}), Some("as it is now")),
            ("ExternalArtifact", json!({"artifact": artifact}), None),
            ("HelmChart", json!({"observedGeneration": 2, "conditions": ready}), Some("no artifact: no such tag")),
            ("ExternalArtifact", json!(null), Some("it has no artifact")),
            ("ExternalArtifact", json!({"artifact": {"url": "http://s"}}), Some("no digest")),
            (
                "HelmChart",
                json!({"observedGeneration": 2, "artifact": artifact,
                    "conditions": [{"type": "Stalled", "status": "True", "message": "wrong name"}]}),
                Some("it is stalled: wrong name"),
            ),
        ] {
            let object = json!({"metadata": {"name": "a", "generation": 2}, "status": status});
            let found = artifact_of(kind, &serde_json::from_value(object).unwrap());
            match expected {
                None => assert_eq!(found.unwrap().url, "http://s/a.tgz", "{kind} {status}"),
                Some(why) => assert!(found.clone().unwrap_err().contains(why), "{status}: {found:?}"),
            }
        }
    }

    #[test]
    fn whose_chart_it_is() {
        let release = |named: Value| -> HelmRelease {
            let spec = json!({"interval": "1m", "chartRef": named});
            serde_json::from_value(json!({"metadata": {"name": "r", "namespace": "n"}, "spec": spec})).unwrap()
        };
        let id = |namespace: &str, kind: &str| ObjectId {
            api_version: "source.toolkit.fluxcd.io/v1beta2".into(),
            kind: kind.into(),
            namespace: Some(namespace.into()),
            name: "a".into(),
        };
        let own = release(json!({"kind": "HelmChart", "name": "a"}));
        assert!(is_of(&own, &id("n", "HelmChart")));
        assert!(!is_of(&own, &id("m", "HelmChart")) && !is_of(&own, &id("n", "OCIRepository")));
        assert!(is_of(&release(json!({"kind": "HelmChart", "name": "a", "namespace": "m"})), &id("m", "HelmChart")));
    }
}
