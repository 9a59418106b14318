//! What a release waits for before it is installed or upgraded (`spec.dependsOn`): other HelmReleases, and objects of any kind.
//!
//! HelmReleases are all in memory. Other objects are read as the release's identity, and not again before their watch tells
//! that they changed.

use super::{
    context::Context,
    health,
    live::{Key, Live},
    resolve::{Blocked, Help},
};
use crate::{
    cluster::{
        self, Class, Cluster, ObjectId, Resource,
        readiness::{Rules, readiness},
    },
    crd::{Dependency, HelmRelease, conditions},
};
use kube::runtime::reflector::ObjectRef;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// The reason for waiting; Flux's word.
const NOT_READY: &str = "DependencyNotReady";
/// The reason for waiting for oneself.
const CYCLE: &str = "DependencyCycle";
/// Objects other than HelmReleases that a release may wait for; each is watched.
const MOST: usize = 64;
/// Members of a cycle that are named.
const NAMED: usize = 16;
/// The group and the kind of HelmReleases.
const OURS: (&str, &str) = ("pintle.dev", "HelmRelease");

/// What is remembered of objects that a release waits for.
#[derive(Debug, Default)]
pub struct Dependencies {
    /// By object, and by the expression that decides.
    seen: HashMap<(ObjectId, Option<String>), Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Why it is not ready; nothing if it is.
    unready: Option<String>,
    /// The version of the HelmRelease, which an expression may look at too.
    release: Option<String>,
}

impl Dependencies {
    /// These objects changed.
    pub fn forget(&mut self, changed: &BTreeSet<ObjectId>) {
        if !changed.is_empty() {
            self.seen.retain(|(object, _), _| !changed.contains(object));
        }
    }
}

/// The HelmRelease that a dependency names; nothing if it names another object.
pub fn helm_release(dependency: &Dependency, own: &str) -> Option<Key> {
    let group = dependency.api_version.as_deref().and_then(|version| version.split_once('/')).map(|(group, _)| group);
    let is_ours = dependency.kind.is_none() || (group, dependency.kind.as_deref()) == (Some(OURS.0), Some(OURS.1));
    let namespace = dependency.namespace.as_deref().unwrap_or(own);
    is_ours.then(|| Key { namespace: namespace.to_owned(), name: dependency.name.clone() })
}

/// Which HelmReleases depend on which, and which of them wait for themselves, as each of them says: whom a change of one may
/// concern need not be looked for among all.
#[derive(Default)]
pub struct Dependents {
    awaits: HashMap<Key, Vec<Key>>,
    of: HashMap<Key, BTreeSet<Key>>,
    in_cycle: BTreeSet<Key>,
}

impl Dependents {
    /// A HelmRelease depends on these, and waits for itself or not. Gives who depends on it and whoever waits for itself.
    pub fn stands(&mut self, key: &Key, awaits: Vec<Key>, in_cycle: bool) -> Vec<Key> {
        if self.awaits.get(key).map_or(&[][..], Vec::as_slice) != awaits {
            for former in self.awaits.remove(key).unwrap_or_default() {
                if let Some(dependents) = self.of.get_mut(&former) {
                    dependents.remove(key);
                    if dependents.is_empty() {
                        self.of.remove(&former);
                    }
                }
            }
            for awaited in &awaits {
                self.of.entry(awaited.clone()).or_default().insert(key.clone());
            }
            if !awaits.is_empty() {
                self.awaits.insert(key.clone(), awaits);
            }
        }
        if in_cycle {
            self.in_cycle.insert(key.clone());
        } else {
            self.in_cycle.remove(key);
        }
        self.of.get(key).into_iter().flatten().chain(&self.in_cycle).cloned().collect()
    }
}

/// Whether everything is ready that a release depends on. Costs no request as long as nothing changes. `provider` is the object
/// that its chart comes from, which is watched like those.
///
/// # Errors
/// What it waits for, and why that is not ready.
pub async fn check(
    release: &HelmRelease,
    provider: Option<&ObjectId>,
    ctx: &Context,
    live: &mut Live,
    cluster: &Cluster,
) -> Result<(), Blocked> {
    let key = Key::of(release);
    let depends_on = &release.spec.depends_on;
    let others = depends_on.iter().filter(|dependency| helm_release(dependency, &key.namespace).is_none()).count();
    if others > MOST {
        return Err(Blocked::for_good(
            "InvalidSpec",
            format!("spec.dependsOn names {others} objects other than HelmReleases: at most {MOST} are waited for"),
        ));
    }
    let mut found = Vec::with_capacity(others);
    for dependency in depends_on {
        if helm_release(dependency, &key.namespace).is_none() {
            found.push(find(dependency, &key.namespace, ctx, cluster).await);
        }
    }
    let objects = found.iter().flatten().map(|(_, object)| object);
    let objects: Vec<ObjectId> = objects.chain(provider).cloned().collect();
    ctx.depends(&key, &objects);
    live.dependencies.seen.retain(|(object, _), _| objects.contains(object));
    if let Some(cycle) = cycle_of(ctx, &key) {
        return Err(Blocked::for_good(CYCLE, describe(&cycle)));
    }
    let mut found = found.into_iter();
    for (at, dependency) in depends_on.iter().enumerate() {
        match helm_release(dependency, &key.namespace) {
            Some(other) => released(release, at, &other, ctx)?,
            None => {
                let Some(found) = found.next() else { continue };
                object(release, at, found?, ctx, live, cluster).await?;
            }
        }
    }
    Ok(())
}

/// Another HelmRelease.
fn released(release: &HelmRelease, at: usize, key: &Key, ctx: &Context) -> Result<(), Blocked> {
    let name = name(key);
    let Some(found) = ctx.releases.get(&ObjectRef::new(&key.name).within(&key.namespace)) else {
        return Err(Blocked::until_change(NOT_READY, format!("dependency HelmRelease {name} does not exist")));
    };
    // A condition of its own takes the place of the ordinary one, as in Flux.
    match health::dependency_is_ready(release, at, &*found)? {
        Some(true) => return Ok(()),
        Some(false) => {
            let why = not_true(release, at);
            return Err(Blocked::until_change(NOT_READY, format!("dependency HelmRelease {name} is not ready: {why}")));
        }
        None => {}
    }
    let status = found.status.as_ref();
    let current = status.is_some_and(|s| s.observed_generation == found.metadata.generation);
    if current && status.is_some_and(|s| conditions::is_true(&s.conditions, conditions::READY)) {
        return Ok(());
    }
    let why = status
        .and_then(|s| conditions::find(&s.conditions, conditions::READY))
        .map_or("it has not been looked at yet", |c| c.message.as_str());
    Err(Blocked::until_change(NOT_READY, format!("dependency HelmRelease {name} is not ready: {why}")))
}

fn not_true(release: &HelmRelease, at: usize) -> String {
    let text = release.spec.depends_on.get(at).and_then(|dependency| dependency.ready_expr.as_deref());
    format!("readyExpr is not true: {}", text.unwrap_or_default())
}

/// Which object a dependency names.
async fn find(
    dependency: &Dependency,
    own: &str,
    ctx: &Context,
    cluster: &Cluster,
) -> Result<(Resource, ObjectId), Blocked> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (api_version, kind) = (text(&dependency.api_version), text(&dependency.kind));
    let resource = cluster.resolve(&api_version, &kind).await.map_err(|error| {
        // Nothing tells when a kind appears.
        Blocked::for_now(NOT_READY, format!("dependency {kind} {}: {error}", dependency.name))
    })?;
    let namespace = dependency.namespace.as_deref().unwrap_or(own);
    if resource.namespaced && namespace != own && !ctx.settings.cross_namespace {
        return Err(Blocked::for_good(
            "AccessDenied",
            format!(
                "dependency {kind} {namespace}/{} is in another namespace, and references across namespaces are forbidden",
                dependency.name
            ),
        ));
    }
    let namespace = resource.namespaced.then(|| namespace.to_owned());
    Ok((resource, ObjectId { api_version, kind, namespace, name: dependency.name.clone() }))
}

/// An object of any other kind, by the rights of the release.
async fn object(
    release: &HelmRelease,
    at: usize,
    (resource, id): (Resource, ObjectId),
    ctx: &Context,
    live: &mut Live,
    cluster: &Cluster,
) -> Result<(), Blocked> {
    let expression = release.spec.depends_on.get(at).and_then(|d| d.ready_expr.clone()).filter(|text| !text.is_empty());
    // Watched before it is read, so that no change is missed.
    let watched = ctx.lookouts.watch(&resource, &id);
    let place = (id, expression);
    let known = live
        .dependencies
        .seen
        .get(&place)
        .filter(|seen| watched && (place.1.is_none() || seen.release == release.metadata.resource_version));
    let unready = match known {
        Some(seen) => seen.unready.clone(),
        None => {
            let unready = look(release, at, &place.0, cluster).await?;
            let seen = Seen { unready: unready.clone(), release: release.metadata.resource_version.clone() };
            live.dependencies.seen.insert(place.clone(), seen);
            unready
        }
    };
    match unready {
        None => Ok(()),
        Some(why) => {
            let message = format!("dependency {} is not ready: {why}", place.0);
            Err(if watched { Blocked::until_change(NOT_READY, message) } else { Blocked::for_now(NOT_READY, message) })
        }
    }
}

/// Why an object is not ready; nothing if it is.
async fn look(release: &HelmRelease, at: usize, id: &ObjectId, cluster: &Cluster) -> Result<Option<String>, Blocked> {
    let live = cluster.get(id).await.map_err(|error: cluster::Error| {
        let reason = if error.class() == Class::Forbidden { "AccessDenied" } else { NOT_READY };
        Blocked::for_now(reason, format!("spec.dependsOn[{at}]: {error}"))
    })?;
    let Some(mut live) = live else { return Ok(Some("it does not exist".to_owned())) };
    live.metadata.managed_fields = None;
    let live = serde_json::to_value(live).unwrap_or_default();
    match health::dependency_is_ready(release, at, &live) {
        Ok(Some(true)) => Ok(None),
        Ok(Some(false)) => Ok(Some(not_true(release, at))),
        // What cannot be compiled stays so; what has no answer may have one when the object changes.
        Err(blocked) if blocked.help == Help::Owner => Err(blocked),
        Err(blocked) => Ok(Some(blocked.message)),
        Ok(None) => {
            let state = readiness(&live, &Rules { wait_for_jobs: true, ..Rules::default() });
            Ok((!state.is_ready()).then(|| state.to_string()))
        }
    }
}

/// The HelmReleases that a HelmRelease depends on.
fn edges(ctx: &Context, key: &Key) -> Vec<Key> {
    let release = ctx.releases.get(&ObjectRef::new(&key.name).within(&key.namespace));
    let depends_on = release.iter().flat_map(|release| &release.spec.depends_on);
    depends_on.filter_map(|dependency| helm_release(dependency, &key.namespace)).collect()
}

/// The shortest way on which a release depends on itself, from it to it; nothing if it does not.
pub fn cycle_of(ctx: &Context, key: &Key) -> Option<Vec<Key>> {
    cycle(key, |key| edges(ctx, key))
}

fn cycle(start: &Key, edges: impl Fn(&Key) -> Vec<Key>) -> Option<Vec<Key>> {
    // From where each was reached first. There are no more of them than there are releases, and those that do not exist.
    let mut reached: HashMap<Key, Key> = HashMap::new();
    let mut queue = VecDeque::from([start.clone()]);
    while let Some(here) = queue.pop_front() {
        for next in edges(&here) {
            if next == *start {
                let mut way = vec![next, here];
                while let Some(before) = way.last().and_then(|last| reached.get(last)) {
                    way.push(before.clone());
                }
                way.reverse();
                return Some(way);
            }
            if !reached.contains_key(&next) {
                reached.insert(next.clone(), here.clone());
                queue.push_back(next);
            }
        }
    }
    None
}

fn name(key: &Key) -> String {
    format!("{}/{}", key.namespace, key.name)
}

/// `shop/a → shop/b → shop/a`.
fn describe(cycle: &[Key]) -> String {
    let mut names: Vec<String> = cycle.iter().map(name).collect();
    if names.len() > NAMED {
        let last = names.split_off(names.len() - 1);
        names.truncate(NAMED - 1);
        names.push("…".to_owned());
        names.extend(last);
    }
    format!("HelmReleases wait for each other: {}: take one out of spec.dependsOn", names.join(" → "))
}

/// Whether a release says that it waits for itself.
pub fn is_in_cycle(release: &HelmRelease) -> bool {
    let ready = release.status.as_ref().and_then(|s| conditions::find(&s.conditions, conditions::READY));
    ready.is_some_and(|c| c.reason == CYCLE)
}

/// Whether a release says that it waits for itself, by way of this one.
pub fn is_in_cycle_with(release: &HelmRelease, other: &Key) -> bool {
    let ready = release.status.as_ref().and_then(|s| conditions::find(&s.conditions, conditions::READY));
    // In a long cycle not all are named.
    ready.is_some_and(|c| c.reason == CYCLE && (c.message.contains(&name(other)) || c.message.contains('…')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str) -> Key {
        Key { namespace: "n".into(), name: name.into() }
    }

    #[test]
    fn members_of_a_cycle_find_it_and_others_do_not() {
        // a → b → c → a, c → b; d → a; e → e; f → absent.
        let graph = |key: &Key| -> Vec<Key> {
            let to: &[&str] = match key.name.as_str() {
                "a" => &["b"],
                "b" => &["x", "c"],
                "c" => &["b", "a"],
                "d" => &["a"],
                "e" => &["e"],
                "f" => &["absent"],
                _ => &[],
            };
            to.iter().map(|name| self::tests::key(name)).collect()
        };
        for (start, expect) in [
            ("a", Some("n/a → n/b → n/c → n/a")),
            ("b", Some("n/b → n/c → n/b")),
            ("c", Some("n/c → n/b → n/c")),
            ("d", None),
            ("e", Some("n/e → n/e")),
            ("f", None),
            ("absent", None),
        ] {
            let found = cycle(&key(start), graph);
            let text = found.map(|way| way.iter().map(name).collect::<Vec<_>>().join(" → "));
            assert_eq!(text.as_deref(), expect, "{start}");
        }
    }

    #[test]
    fn dependents_are_found_as_long_as_they_say_so() {
        let mut dependents = Dependents::default();
        let mut stands = |name: &str, awaits: &[&str], in_cycle: bool| {
            let awaits = awaits.iter().map(|name| key(name)).collect();
            let told = dependents.stands(&key(name), awaits, in_cycle);
            told.into_iter().map(|key| key.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(stands("a", &[], false), "");
        assert_eq!(stands("b", &["a", "c"], false), "");
        assert_eq!(stands("c", &["a"], false), "b");
        assert_eq!(stands("a", &[], false), "b c");
        assert_eq!(stands("b", &["c"], true), "b");
        assert_eq!(stands("a", &[], false), "c b");
        assert_eq!(stands("c", &[], false), "b b");
        assert_eq!(stands("b", &[], false), "");
        assert_eq!(stands("a", &[], false), "");
        assert!(dependents.of.is_empty() && dependents.awaits.is_empty() && dependents.in_cycle.is_empty());
    }

    #[test]
    fn a_long_cycle_is_told_briefly() {
        let ring = |key: &Key| {
            let at: u32 = key.name.parse().unwrap();
            vec![super::tests::key(&((at + 1) % 100).to_string())]
        };
        let text = describe(&cycle(&key("5"), ring).unwrap());
        assert!(text.contains("n/5 → n/6 → ") && text.contains(" → n/19 → … → n/5: take"), "{text}");
    }

    #[test]
    fn a_dependency_without_a_kind_is_a_helm_release() {
        for (dependency, expect) in [
            (json!({"name": "a"}), Some("own/a")),
            (json!({"name": "a", "namespace": "b"}), Some("b/a")),
            (json!({"name": "a", "apiVersion": "pintle.dev/v1", "kind": "HelmRelease"}), Some("own/a")),
            (json!({"name": "a", "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease"}), None),
            (json!({"name": "a", "apiVersion": "v1", "kind": "Secret"}), None),
        ] {
            let parsed: Dependency = serde_json::from_value(dependency.clone()).unwrap();
            assert_eq!(helm_release(&parsed, "own").map(|key| name(&key)).as_deref(), expect, "{dependency}");
        }
    }

    #[test]
    fn what_changed_is_looked_at_again() {
        let id = |name: &str| ObjectId {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: None,
            name: name.into(),
        };
        let seen = || Seen { unready: None, release: None };
        let mut dependencies = Dependencies { seen: [((id("a"), None), seen()), ((id("b"), None), seen())].into() };
        dependencies.forget(&BTreeSet::new());
        assert_eq!(dependencies.seen.len(), 2);
        dependencies.forget(&[id("a")].into());
        assert!(dependencies.seen.keys().all(|(object, _)| *object == id("b")));
    }
}
