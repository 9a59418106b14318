//! What is done to rendered objects before they are applied: Kustomize's patches and images in the order in which they are
//! given, then labels and annotations for all. Documents that nothing changes keep their bytes.

mod budget;
mod document;
mod images;
mod operations;
pub mod selector;
mod strategic;

use super::{
    Rendered,
    convert::yaml_limits,
    manifest::{self, ManifestDoc},
};
use budget::Budget;
use document::{Document, Id, Object};
use images::Renaming;
use operations::Operation;
use selector::{Selector, Target};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest patch, in bytes.
const PATCH: usize = 1 << 20;
/// Most nodes that the aliases of a patch may stand for.
const ALIASES: usize = 100_000;

/// Everything that is done to the objects of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostRender {
    /// Kustomizations, applied one after another.
    pub kustomize: Vec<Kustomize>,
    /// Labels for every object; they win over the object's own.
    pub labels: BTreeMap<String, String>,
    /// Annotations for every object.
    pub annotations: BTreeMap<String, String>,
    /// Whether all this is for hooks too.
    pub hooks: bool,
}

/// Changes in the notation of Kustomize: first the patches, then the images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kustomize {
    /// Strategic merge and JSON patches.
    pub patches: Vec<Patch>,
    /// New names, tags and digests for images.
    pub images: Vec<Image>,
}

/// A patch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// YAML or JSON: objects for strategic merge patches, a list of operations for a JSON patch.
    pub text: String,
    /// Which objects are patched; without it, those that a strategic merge patch names.
    pub target: Option<Target>,
}

/// An image to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The image's name as rendered, without tag; a regular expression.
    pub name: String,
    /// The new name.
    pub new_name: Option<String>,
    /// The new tag. It takes the place of a digest, unless one is given.
    pub new_tag: Option<String>,
    /// The new digest. It takes the place of a tag, unless one is given.
    pub digest: Option<String>,
}

/// What cannot be done, and where it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// The field of the spec, as `spec.postRenderers[0].kustomize.patches[1]`, or the document.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl PostRender {
    /// Whether nothing is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let idle = |kustomize: &Kustomize| kustomize.patches.is_empty() && kustomize.images.is_empty();
        self.kustomize.iter().all(idle) && self.labels.is_empty() && self.annotations.is_empty()
    }

    /// Does it. Afterwards the documents are told apart anew into hooks and objects, and sorted: a patch may have changed
    /// what they are. `crd_install` as in [`super::Options::crd_install_hooks`].
    ///
    /// # Errors
    /// A patch that cannot be read or applied, or that finds no object. Then nothing has changed.
    pub fn apply(&self, rendered: &mut Rendered, crd_install: bool) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let heads = rendered.objects.iter().map(|head| (head.clone(), &rendered.manifest[head.text.clone()], true));
        let hooks = rendered.hooks.iter().map(|hook| (hook.head.clone(), hook.manifest.as_str(), self.hooks));
        let mut documents: Vec<(ManifestDoc, &str, Option<Document>)> = Vec::new();
        for (head, text, taken) in heads.chain(hooks) {
            let read = || Document::read(text).map_err(|message| Error { place: head.path.clone(), message });
            let document = if taken { Some(read()?) } else { None };
            documents.push((head, text, document));
        }
        let mut objects: Vec<&mut Object> = documents
            .iter_mut()
            .filter_map(|(_, _, document)| document.as_mut())
            .flat_map(|d| &mut d.objects)
            .collect();
        self.change(&mut objects)?;

        let mut changed: Vec<(ManifestDoc, String)> = Vec::new();
        let mut order: Vec<Result<(ManifestDoc, &str), usize>> = Vec::new();
        for (head, text, document) in documents {
            let Some(texts) = document
                .as_ref()
                .map_or(Ok(None), Document::written)
                .map_err(|message| Error { place: head.path.clone(), message })?
            else {
                order.push(Ok((head, text)));
                continue;
            };
            for text in texts {
                let head = manifest::head(&head.path, &text)
                    .map_err(|error| Error { place: error.path, message: error.message })?;
                order.push(Err(changed.len()));
                changed.push((head, text));
            }
        }
        let sorted = manifest::sort_heads(
            order.into_iter().map(|document| document.unwrap_or_else(|at| (changed[at].0.clone(), &changed[at].1))),
            crd_install,
        );
        (rendered.manifest, rendered.objects, rendered.hooks) = (sorted.manifest, sorted.objects, sorted.hooks);
        Ok(())
    }

    fn change(&self, objects: &mut [&mut Object]) -> Result<(), Error> {
        let mut budget = Budget::new();
        for (at, kustomize) in self.kustomize.iter().enumerate() {
            let place = format!("spec.postRenderers[{at}].kustomize");
            // Each kustomization begins with the objects that the one before has left.
            objects.iter_mut().for_each(|object| object.forget_names());
            for (at, patch) in kustomize.patches.iter().enumerate() {
                let fail = |message: String| {
                    let target = patch.target.as_ref().map(describe).unwrap_or_default();
                    Error { place: format!("{place}.patches[{at}]{target}"), message }
                };
                let prepared = Prepared::read(patch).map_err(fail)?;
                prepared.apply(objects, patch.text.len(), &mut budget).map_err(fail)?;
            }
            for (at, image) in kustomize.images.iter().enumerate() {
                let fail = |message: String| Error { place: format!("{place}.images[{at}]"), message };
                let renaming = Renaming::compile(image).map_err(fail)?;
                objects.iter_mut().filter_map(|object| object.value.as_mut()).for_each(|value| renaming.apply(value));
            }
        }
        for object in objects {
            let Some(value) = object.value.as_mut() else { continue };
            for (field, added) in [("labels", &self.labels), ("annotations", &self.annotations)] {
                set_metadata(value, field, added);
            }
        }
        Ok(())
    }
}

/// Sets labels or annotations of an object.
fn set_metadata(object: &mut Value, field: &str, added: &BTreeMap<String, String>) {
    if added.is_empty() {
        return;
    }
    let mut place = object;
    for name in ["metadata", field] {
        let Some(fields) = place.as_object_mut() else { return };
        let inner = fields.entry(name).or_insert(Value::Null);
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        place = inner;
    }
    if let Some(fields) = place.as_object_mut() {
        fields.extend(added.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
    }
}

/// A target in a message.
fn describe(target: &Target) -> String {
    let fields = [
        ("group", &target.group),
        ("version", &target.version),
        ("kind", &target.kind),
        ("namespace", &target.namespace),
        ("name", &target.name),
        ("labelSelector", &target.label_selector),
        ("annotationSelector", &target.annotation_selector),
    ];
    let given: Vec<String> = fields
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(field, text)| format!("{field}: {text}"))
        .collect();
    format!(" (target {{{}}})", given.join(", "))
}

/// A patch that is ready for use.
enum Prepared {
    Named(Vec<(Id, Value)>),
    Selected(Selector, Option<Value>),
    Operations(Selector, Vec<Operation>),
}

impl Prepared {
    fn read(patch: &Patch) -> Result<Self, String> {
        if patch.text.len() > PATCH {
            return Err(format!("the patch is longer than {PATCH} bytes"));
        }
        if patch.text.trim().is_empty() {
            return Err("the patch is empty".to_owned());
        }
        let selector = patch.target.as_ref().map(|target| Selector::compile(target).map_err(|error| error.to_string()));
        let selector = selector.transpose()?;
        let limits = pintle_yaml::Limits { bytes: PATCH, aliases: ALIASES, ..yaml_limits() };
        let mut parts = Vec::new();
        for text in pintle_yaml::documents::split(patch.text.as_bytes()) {
            let text = text.map_err(|error| error.to_string())?;
            let value = document::decode_patch(&text, &limits)?;
            if !value.is_null() {
                parts.push(value);
            }
        }
        if let [Value::Array(operations)] = &parts[..] {
            let selector = selector.ok_or("a JSON patch needs a target")?;
            return Ok(Self::Operations(selector, operations::read(operations)?));
        }
        if !parts.iter().all(Value::is_object) {
            return Err(
                "the patch is neither an object (strategic merge) nor one list of operations (JSON patch)".into()
            );
        }
        match selector {
            Some(_) if parts.len() > 1 => Err("a patch with a target can be only one object".to_owned()),
            Some(selector) => Ok(Self::Selected(selector, parts.pop())),
            None => {
                let named = |part: Value| match Id::of(&part) {
                    id if id.kind.is_empty() || id.name.is_empty() => {
                        Err("a patch without target needs apiVersion, kind and metadata.name".to_owned())
                    }
                    id => Ok((id, part)),
                };
                parts.into_iter().map(named).collect::<Result<_, _>>().map(Self::Named)
            }
        }
    }

    fn apply(&self, objects: &mut [&mut Object], bytes: usize, budget: &mut Budget) -> Result<(), String> {
        match self {
            Self::Named(patches) => {
                for (id, patch) in patches {
                    let mut found = false;
                    for object in objects.iter_mut().filter(|object| object.answers_to(id)) {
                        found = true;
                        budget.spend(bytes)?;
                        object.merge(patch)?;
                    }
                    if !found {
                        return Err(missing(id, objects));
                    }
                }
            }
            Self::Selected(selector, patch) => {
                let Some(patch) = patch else { return Ok(()) };
                for object in objects.iter_mut().filter(|object| object.selected(selector)) {
                    budget.spend(bytes)?;
                    object.merge(patch)?;
                }
            }
            Self::Operations(selector, operations) => {
                for object in objects.iter_mut().filter(|object| object.selected(selector)) {
                    budget.spend(bytes)?;
                    object.operate(operations, budget)?;
                }
            }
        }
        Ok(())
    }
}

/// That a patch finds no object, and which one it may have meant.
fn missing(id: &Id, objects: &[&mut Object]) -> String {
    let near =
        objects.iter().filter_map(|object| object.id()).find(|other| other.kind == id.kind && other.name == id.name);
    let hint = near.map(|other| match (other.namespace == id.namespace, other.namespace.as_str()) {
        (true, _) => format!("; there is one of {}", other.api_version()),
        (false, namespace) => format!("; there is one in namespace {namespace}: give metadata.namespace, or a target"),
    });
    format!("there is no {} {} {}{}", id.api_version(), id.kind, id.name, hint.unwrap_or_default())
}

#[cfg(test)]
mod tests;
