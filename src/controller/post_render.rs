//! What a HelmRelease wants done to its rendered objects, in the words of [`crate::render::post`], and the digests of it.

use super::policy;
use crate::{
    action::begin::text_digest,
    crd::{HelmReleaseSpec, KustomizeImage, KustomizePatch, PostRenderStrategy},
    render::post::{Image, Kustomize, Patch, PostRender},
};
use serde::Serialize;

/// What is to be done. Hooks are left alone only if the spec says so: `combined` and `separate` are the same here, for a
/// document never stands in another's way.
pub fn wanted(spec: &HelmReleaseSpec) -> PostRender {
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    let kustomize = spec.post_renderers.iter().map(|renderer| {
        let given = renderer.kustomize.clone().unwrap_or_default();
        Kustomize {
            patches: given.patches.into_iter().map(patch).collect(),
            images: given.images.into_iter().map(image).collect(),
        }
    });
    PostRender {
        kustomize: kustomize.collect(),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        hooks: spec.post_render_strategy != Some(PostRenderStrategy::NoHooks),
    }
}

fn patch(given: KustomizePatch) -> Patch {
    Patch { target: given.target.as_ref().map(policy::selector), text: given.patch }
}

fn image(given: KustomizeImage) -> Image {
    Image { name: given.name, new_name: given.new_name, new_tag: given.new_tag, digest: given.digest }
}

/// What a release's fingerprint says of it; nothing if nothing is done, so that the field may come and go unnoticed.
pub fn fingerprint(spec: &HelmReleaseSpec) -> Option<String> {
    let strategy = spec.post_render_strategy.unwrap_or_default() == PostRenderStrategy::NoHooks;
    (!wanted(spec).is_empty()).then(|| digest_of(&(&spec.post_renderers, &spec.common_metadata, strategy)))
}

/// The digest of a part of the spec as Flux makes it: of its JSON in Go's spelling, with a line break at the end.
pub fn digest_of(part: &impl Serialize) -> String {
    // What came as JSON goes as JSON.
    let mut text = serde_json::to_string(part).unwrap_or_default();
    for (sign, escape) in
        [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")]
    {
        text = text.replace(sign, escape);
    }
    text.push('\n');
    text_digest(&text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(more: &serde_json::Value) -> HelmReleaseSpec {
        let mut spec = json!({"interval": "1m", "chart": {"spec": {"chart": "c", "sourceRef": {"kind": "HelmRepository", "name": "r"}}}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_change_of_it_changes_the_fingerprint() {
        let image = |tag: &str| json!([{"kustomize": {"images": [{"name": "nginx", "newTag": tag}]}}]);
        let of = |spec_part| fingerprint(&spec(&spec_part));
        for nothing in [
            json!({}),
            json!({"commonMetadata": {}}),
            json!({"postRenderers": [{}]}),
            json!({"postRenderStrategy": "nohooks"}),
        ] {
            assert_eq!(of(nothing), None);
        }
        let first = of(json!({"postRenderers": image("1")}));
        assert!(first.is_some());
        assert_eq!(of(json!({"postRenderers": image("1"), "postRenderStrategy": "combined"})), first);
        for other in [
            json!({"postRenderers": image("2")}),
            json!({"postRenderers": image("1"), "postRenderStrategy": "nohooks"}),
            json!({"postRenderers": image("1"), "commonMetadata": {"labels": {"a": "b"}}}),
        ] {
            assert_ne!(of(other.clone()), first, "{other}");
        }
    }

    #[test]
    fn digests_are_of_gos_json() {
        let given = spec(&json!({
            "postRenderers": [{"kustomize": {
                "patches": [{"patch": "a: <b> & c\n", "target": {"labelSelector": "x=y", "kind": "Pod"}}],
                "images": [{"name": "n", "newTag": "1", "newName": "m", "digest": "d"}],
            }}],
            "commonMetadata": {"labels": {"b": "1", "a": "2"}, "annotations": {"c": "3"}},
        }));
        assert_eq!(
            digest_of(&given.post_renderers),
            "sha256:8373397c3cdc1c370e0a129ade2f87420c591cfa178f2a42d5f9e86460c1709f"
        );
        assert_eq!(
            digest_of(&given.common_metadata),
            "sha256:a6dcc09957800b865de4436e5bf6a3a605e1d886ed261175b89cc4b1b2197a62"
        );
    }
}
